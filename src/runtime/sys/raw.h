// sys: the one place that traps into the kernel. Never sets errno, never allocates, never locks;
// usable after clone3 and in programs without a C library.
#pragma once

#include <sys/syscall.h>

#include <type_traits>

namespace pmos::sys {

// The kernel's answer as it is: a value, or -errno.
[[gnu::always_inline]] inline long raw6(long nr, long a, long b, long c, long d, long e,
                                        long f) noexcept {
#if defined(__x86_64__)
    long result;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 asm("x8") = nr;
    register long x0 asm("x0") = a;
    register long x1 asm("x1") = b;
    register long x2 asm("x2") = c;
    register long x3 asm("x3") = d;
    register long x4 asm("x4") = e;
    register long x5 asm("x5") = f;
    asm volatile("svc 0"
                 : "+r"(x0)
                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                 : "memory");
    return x0;
#else
#error "pmos has no system call sequence for this processor"
#endif
}

template <class T>
[[gnu::always_inline]] inline long to_register(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<long>(value);
    } else if constexpr (std::is_null_pointer_v<T>) {
        return 0;
    } else {
        return static_cast<long>(value);
    }
}

// raw(SYS_close, fd): missing arguments are zero.
template <class... Args>
[[gnu::always_inline]] inline long raw(long nr, Args... args) noexcept {
    static_assert(sizeof...(Args) <= 6);
    const long a[6] = {to_register(args)...};
    return raw6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

}  // namespace pmos::sys
