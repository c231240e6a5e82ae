# The guest of the KVM probe: a boot sector that goes to 64-bit mode with paging, as every real guest
# does, works for a while, and then says so on the first serial line.
#
# Real mode alone proves nothing: some hosts interpret it, and never run what comes after it.
#
# Assemble: as --64 -o o probe.S && ld -Ttext 0x7c00 --oformat binary -o bin o

    .set    SERIAL,     0x3f8
    .set    LEVEL4,     0x1000          # page tables: identity, the first GiB in pages of 2 MiB
    .set    LEVEL3,     0x2000
    .set    LEVEL2,     0x3000
    .set    EFER,       0xc0000080
    .set    ROUNDS,     100000000

    .code16
    .globl _start
_start:
    cli
    cld
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movw    $LEVEL4, %di
    movw    $(0x3000 / 2), %cx
    rep stosw
    movw    $(LEVEL3 + 3), LEVEL4
    movw    $(LEVEL2 + 3), LEVEL3
    movw    $0x83, LEVEL2
    lgdt    gdt_register
    movl    $0x20, %eax                 # physical address extension
    movl    %eax, %cr4
    movl    $LEVEL4, %eax
    movl    %eax, %cr3
    movl    $EFER, %ecx
    rdmsr
    orl     $0x100, %eax                # long mode
    wrmsr
    movl    %cr0, %eax
    orl     $0x80000001, %eax           # paging and protection
    movl    %eax, %cr0
    ljmp    $8, $long_mode

    .code64
long_mode:
    movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %ss
    movl    $ROUNDS, %ecx
work:
    decl    %ecx
    jnz     work
    movl    $word, %esi
    movl    $SERIAL, %edx
next:
    lodsb
    testb   %al, %al
    jz      stay
    outb    %al, %dx
    jmp     next
stay:
    hlt
    jmp     stay

word:
    .asciz "GUEST RUNS"
    .balign 8
gdt:
    .quad 0
    .quad 0x00209a0000000000            # 64-bit code
    .quad 0x0000920000000000            # data
gdt_register:
    .word   gdt_register - gdt - 1
    .long   gdt

    .org 510
    .word 0xaa55
