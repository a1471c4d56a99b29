// bench: a mode with N processes, to see what a switch costs when there are many to freeze. Each
// waits in the kernel; nothing else happens in them.
#include <unistd.h>

#include <cstdlib>

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 1;
    for (int i = 1; i < count; ++i) {
        const pid_t child = ::fork();
        if (child < 0) return 1;
        if (child == 0) break;
    }
    for (;;) ::pause();
}
