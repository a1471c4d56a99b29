// bench: the payload of a mode that stays until it is ended. No C library: all memory that an idle
// mode costs beyond this page is pmos's own. Ends on SIGTERM.
#include "trap.h"

extern "C" [[noreturn]] void _start() {
    const char byte = '!';
    pmos::bench::trap(__NR_write, 1, reinterpret_cast<long>(&byte), 1);
    for (;;) pmos::bench::trap(__NR_ppoll, 0, 0, 0);
}
