# A guest in one boot sector that writes numbered, checksummed blocks and says which are written.
#
# Runs in real mode, and says on the first serial line, all numbers hexadecimal:
#   found XXXXXXXX          when it has started: the last number that its disk has
#   ack XXXXXXXX            a block of that number is written, and so is the number itself
#   error                   the disk refused; the same number is tried again
#   POWEROFF                when it was asked to power down by ACPI, which it then does
# Block N is sector 64 + (N modulo 4096): N, 126 words of a linear congruential sequence that begins
# with N, and the sum of all of them. Sector 1 has the last number, and a mark. SeaBIOS does not
# know of write caches, so QEMU flushes each write before it is done.
#
# Assemble: as --32 -o o ledger.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o bin o
# then: base64 bin > ledger.b64

    .set    SERIAL,        0x3f8        # first UART: data port
    .set    SERIAL_STATUS, 0x3fd        # bit 5: ready to send
    .set    ACPI_STATUS,   0x600        # PM1 of QEMU's PIIX4 and ICH9
    .set    ACPI_ENABLE,   0x602
    .set    ACPI_CONTROL,  0x604
    .set    POWER_BUTTON,  0x100
    .set    SOFT_OFF,      0x2000
    .set    TICKS,         0x46c        # the BIOS's clock, 18.2 ticks a second
    .set    LEDGER,        0x7e00       # sector 1 in memory
    .set    BLOCK,         0x8000
    .set    MARK,          0x4745444c   # LEDG
    .set    FIRST,         64
    .set    RING,          4096

    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movb    %dl, drive
    sti
    cld
    movw    $ACPI_ENABLE, %dx
    movw    $POWER_BUTTON, %ax
    outw    %ax, %dx
read_ledger:
    movl    $1, where
    movw    $LEDGER, memory
    movb    $0x42, %ah
    call    transfer
    jc      read_ledger
    xorl    %eax, %eax
    cmpl    $MARK, LEDGER+4
    jne     is_new
    movl    LEDGER, %eax
is_new:
    movl    %eax, last
    movw    $found, %si
    call    print
    movl    last, %eax
    call    number

next:
    movw    TICKS, %bx
wait:
    hlt
    movw    $ACPI_STATUS, %dx
    inw     %dx, %ax
    testb   $(POWER_BUTTON >> 8), %ah
    jnz     power_off
    cmpw    TICKS, %bx
    je      wait

    movl    last, %eax                  # the block
    incl    %eax
    movl    %eax, %ebp
    movw    $BLOCK, %di
    xorl    %ebx, %ebx
    movw    $127, %cx
word:
    stosl
    addl    %eax, %ebx
    imull   $1664525, %eax, %eax
    addl    $1013904223, %eax
    loop    word
    movl    %ebx, %eax
    stosl
    movl    %ebp, %eax
    andl    $(RING - 1), %eax
    addl    $FIRST, %eax
    movl    %eax, where
    movw    $BLOCK, memory
    call    write
    jc      failed
    movl    %ebp, LEDGER                # then its number
    movl    $MARK, LEDGER+4
    movl    $1, where
    movw    $LEDGER, memory
    call    write
    jc      failed
    movl    %ebp, last
    movw    $ack, %si
    call    print
    movl    last, %eax
    call    number
    jmp     next
failed:
    movw    $error, %si
    call    print
    jmp     next

power_off:
    movw    $farewell, %si
    call    print
    movw    $ACPI_CONTROL, %dx
    movw    $SOFT_OFF, %ax
    outw    %ax, %dx
stay:
    hlt
    jmp     stay

write:
    movw    $0x4300, %ax
transfer:                               # ah: 0x42 to read, 0x43 to write; carry is set on an error
    movw    $packet, %si
    movw    $1, sectors                 # the BIOS has left there how many it has transferred
    movb    drive, %dl
    pushl   %ebp
    int     $0x13
    popl    %ebp
    ret

number:                                 # eax: to be printed, and a new line
    movw    $8, %cx
digit:
    roll    $4, %eax
    pushl   %eax
    andb    $15, %al
    addb    $'0', %al
    cmpb    $'9', %al
    jbe     decimal
    addb    $('A' - '9' - 1), %al
decimal:
    call    put
    popl    %eax
    loop    digit
    movw    $newline, %si
print:                                  # si: text that ends with a zero
    lodsb
    testb   %al, %al
    jz      printed
    call    put
    jmp     print

put:                                    # al: character
    pushw   %dx
    pushw   %ax
    movw    $SERIAL_STATUS, %dx
busy:
    inb     %dx, %al
    testb   $0x20, %al
    jz      busy
    popw    %ax
    movw    $SERIAL, %dx
    outb    %al, %dx
    popw    %dx
printed:
    ret

found:      .asciz "found "
ack:        .asciz "ack "
error:      .asciz "error\r\n"
newline:    .asciz "\r\n"
farewell:   .asciz "POWEROFF\r\n"
drive:      .byte 0
last:       .long 0
    .balign 4
packet:     .byte 16, 0
sectors:    .word 1
memory:     .word 0, 0
where:      .quad 0

    .org 510
    .word 0xaa55
