// launch: main of pmos-launch. Single-threaded; started by pmosd with its socket and pmos-init at
// fixed descriptors; ends when the socket does. Logs nothing but why it cannot start.
#include <errno.h>

#include "runtime/launch/launcher.h"
#include "runtime/launch/serve.h"
#include "runtime/sys/file.h"
#include "runtime/sys/number.h"

namespace {

// sysexits(3): what pmosd sees in the exit status.
constexpr int kCannotStart = 71;   // EX_OSERR
constexpr int kBrokenSocket = 76;  // EX_PROTOCOL

}  // namespace

int main() {
    pmos::launch::Self self;
    if (const int err = pmos::launch::prepare_self(self); err < 0) {
        pmos::sys::TextBuffer<64> text;
        text.add("pmos-launch: cannot start: errno ");
        text.add(static_cast<std::int64_t>(-err));
        text.add('\n');
        pmos::sys::sys_write(2, text.text(), text.size());
        return kCannotStart;
    }
    for (;;) {
        const int err = pmos::launch::serve_one(self);
        if (err == -EPIPE || err == -ECONNRESET) return 0;
        if (err < 0) return kBrokenSocket;
    }
}
