// sys: execvp(3) for the child after clone and for pmos-init. Header only: no heap, no C library.
#pragma once

#include <errno.h>

#include <cstddef>

#include "runtime/sys/process.h"

namespace pmos::sys {

inline bool has_slash(const char* name) noexcept {
    while (*name != 0 && *name != '/') ++name;
    return *name == '/';
}

// The value of PATH in an environment; what login(1) would set where there is none.
inline const char* search_path_of(const char* const* envp) noexcept {
    for (; *envp != nullptr; ++envp) {
        const char* e = *envp;
        if (e[0] == 'P' && e[1] == 'A' && e[2] == 'T' && e[3] == 'H' && e[4] == '=') return e + 5;
    }
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// "DIR/NAME"; false where it does not fit. An empty or relative DIR is passed over by the caller.
inline bool join_path(const char* dir, std::size_t size, const char* name, char* out,
                      std::size_t room) noexcept {
    std::size_t at = 0;
    for (; at < size; ++at) {
        if (at + 2 >= room) return false;
        out[at] = dir[at];
    }
    out[at++] = '/';
    for (;; ++name, ++at) {
        if (at >= room) return false;
        out[at] = *name;
        if (*name == 0) return true;
    }
}

// Returns -errno only: EACCES rather than ENOENT where something was found but not runnable.
inline int execute_by_search(const char* const* argv, const char* const* envp) noexcept {
    if (has_slash(argv[0])) return sys_execve(argv[0], argv, envp);
    int result = -ENOENT;
    const char* dir = search_path_of(envp);
    for (;;) {
        std::size_t size = 0;
        while (dir[size] != 0 && dir[size] != ':') ++size;
        char path[4096];
        if (dir[0] == '/' && join_path(dir, size, argv[0], path, sizeof path)) {
            const int err = sys_execve(path, argv, envp);
            if (err == -EACCES) {
                result = err;
            } else if (err != -ENOENT && err != -ENOTDIR) {
                return err;
            }
        }
        if (dir[size] == 0) return result;
        dir += size + 1;
    }
}

}  // namespace pmos::sys
