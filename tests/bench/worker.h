// bench: how a contender is driven: one line in asks for one turn, one line out has its times in
// nanoseconds, or "error: ...". The conductor (run) interleaves the contenders. Measures nothing
// itself.
#pragma once

#include <cstdint>
#include <cstdio>
#include <ctime>

namespace pmos::bench {

inline std::int64_t now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

struct Times {
    const char* error = nullptr;      // what failed, nullptr when nothing did
    int sys_errno = 0;                // of what failed
    std::int64_t ready = 0, end = 0;  // payload executed; gone again, where that is measured
};

// Runs `turn` for every line on stdin until it ends.
template <class Turn>
int serve_turns(Turn turn) {
    char line[256];
    std::puts("hello");
    std::fflush(stdout);
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        const Times times = turn();
        if (times.error != nullptr)
            std::printf("error: %s: errno %d\n", times.error, times.sys_errno);
        else
            std::printf("%lld %lld\n", static_cast<long long>(times.ready),
                        static_cast<long long>(times.end));
        std::fflush(stdout);
        if (times.error != nullptr) return 1;
    }
    return 0;
}

}  // namespace pmos::bench
