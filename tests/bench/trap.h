// bench: one system call without a C library. For the payloads only.
#pragma once

#include <asm/unistd.h>

namespace pmos::bench {

inline long trap(long number, long a, long b, long c) {
#if defined(__x86_64__)
    long result;
    register long r10 asm("r10") = 0;
    register long r8 asm("r8") = 0;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = number;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = 0;
    register long x4 asm("x4") = 0;
    asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#else
#error "no system call sequence for this processor"
#endif
}

}  // namespace pmos::bench
