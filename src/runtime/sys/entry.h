// sys: where a program without a C library begins. Included by the one file that has pmos_entry.
#pragma once

// The kernel leaves argc, argv, envp on the stack; there is no C library to fetch them for us.
extern "C" [[noreturn, gnu::used]] void pmos_entry(long* stack);

#if defined(__x86_64__)
asm(".globl _start\n"
    ".type _start, @function\n"
    "_start:\n"
    "    xor %ebp, %ebp\n"
    "    mov %rsp, %rdi\n"
    "    and $-16, %rsp\n"
    "    call pmos_entry\n"
    "    hlt\n");
#elif defined(__aarch64__)
asm(".globl _start\n"
    ".type _start, %function\n"
    "_start:\n"
    "    mov x29, #0\n"
    "    mov x0, sp\n"
    "    bl pmos_entry\n"
    "    brk #0\n");
#endif
