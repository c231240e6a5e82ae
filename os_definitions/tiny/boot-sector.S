# A guest that fits into one boot sector, for QEMU's machines with SeaBIOS.
#
# Runs in real mode on 4 MiB of memory and up, and talks on the first serial line:
#   TINY READY              when it has started
#   on disk: TEXT           what sector 1 of its disk held: the count of an earlier life
#   count XXXXXXXX          hexadecimal, about nine times a second; goes on from the disk's
#   got C                   when the character C came in
#   POWEROFF                when it was asked to power down by ACPI, which it then does
# Every eighth count is written to sector 1 as text. Between two ticks of the clock it halts, so it
# costs next to nothing.
#
# Assemble: as --32 -o o boot-sector.S && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o bin o

    .set    SERIAL,        0x3f8        # first UART: data port
    .set    SERIAL_STATUS, 0x3fd        # bit 0: a character is there; bit 5: ready to send
    .set    ACPI_STATUS,   0x600        # PM1 of QEMU's PIIX4 and ICH9
    .set    ACPI_ENABLE,   0x602
    .set    ACPI_CONTROL,  0x604
    .set    POWER_BUTTON,  0x100        # bit 8 of PM1 status and enable
    .set    SOFT_OFF,      0x2000       # sleep enable, sleep type S5
    .set    WRITE_PROTECT, 0x10000      # of CR0; without paging it means nothing
    .set    TICKS,         0x46c        # the BIOS's clock, 18.2 ticks a second
    .set    SECTOR,        0x7e00       # where a sector of the disk is held: behind the code
    .set    COUNT_AT,      24           # behind the text: the count as a number
    .set    BIOS_READ,     0x42
    .set    BIOS_WRITE,    0x43

    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movb    %dl, drive                  # the BIOS tells which disk it booted
    sti
    movw    $ACPI_ENABLE, %dx           # QEMU drops a power-down that nobody listens for
    movw    $POWER_BUTTON, %ax
    outw    %ax, %dx
    movw    $ready, %si
    call    print
    movb    $BIOS_READ, %ah
    call    transfer
    movw    $on_disk, %si
    call    print
    movb    $0, SECTOR+20
    movw    $SECTOR, %si
    call    print
    movw    $newline, %si
    call    print
    movl    SECTOR+COUNT_AT, %eax       # go on from there; zero on a new disk
    movl    %eax, count

next_count:
    movw    TICKS, %bx
    incw    %bx
    incw    %bx
wait:
    movl    %cr0, %eax                  # QEMU before 9.0 forgets, where it emulates, that a page is
    xorl    $WRITE_PROTECT, %eax        # written to again after it was sent: the stack of the BIOS
    movl    %eax, %cr0                  # would arrive torn. This empties its tables of pages
    hlt
    movw    $ACPI_STATUS, %dx
    inw     %dx, %ax
    testb   $(POWER_BUTTON >> 8), %ah
    jnz     power_off
    movw    $SERIAL_STATUS, %dx
    inb     %dx, %al
    testb   $1, %al
    jz      is_it_time
    movw    $SERIAL, %dx
    inb     %dx, %al
    pushw   %ax
    movw    $got, %si
    call    print
    popw    %ax
    call    put
    movw    $newline, %si
    call    print
is_it_time:
    movw    TICKS, %ax                  # more than one tick may come at once
    subw    %bx, %ax
    js      wait

    incl    count
    movw    $count_text, %si            # for print below
    movl    count, %eax
    movw    $digits_end, %di
    movw    $8, %cx
digit:
    movb    %al, %dl
    andb    $15, %dl
    addb    $'0', %dl
    cmpb    $'9', %dl
    jbe     decimal
    addb    $('A' - '9' - 1), %dl
decimal:
    decw    %di
    movb    %dl, (%di)
    shrl    $4, %eax
    loop    digit
    call    print
    testb   $7, count
    jnz     next_count

    movw    $SECTOR, %di
    movw    $count_text, %si
    movw    $20, %cx
    rep movsb
    movl    count, %eax
    movl    %eax, SECTOR+COUNT_AT
    movb    $BIOS_WRITE, %ah
    xorb    %al, %al
    call    transfer
    jnc     next_count
    movw    $disk_error, %si
    call    print
    jmp     next_count

power_off:
    movw    $farewell, %si
    call    print
    movw    $ACPI_CONTROL, %dx
    movw    $SOFT_OFF, %ax
    outw    %ax, %dx
stay:
    hlt
    jmp     stay

transfer:                               # ah: BIOS_READ or BIOS_WRITE; carry is set on an error
    movw    $packet, %si
    movb    drive, %dl
    int     $0x13
    ret

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

ready:      .asciz "TINY READY\r\n"
on_disk:    .asciz "on disk: "
count_text: .ascii "count "
digits:     .ascii "00000000"
digits_end: .asciz "\r\n"
got:        .asciz "got "
newline:    .asciz "\r\n"
disk_error: .asciz "disk error\r\n"
farewell:   .asciz "POWEROFF\r\n"
drive:      .byte 0
count:      .long 0
    .balign 4
packet:     .byte 16, 0                 # the BIOS's disk address packet: one sector, number 1
            .word 1
            .word SECTOR, 0
            .quad 1

    .org 510
    .word 0xaa55
