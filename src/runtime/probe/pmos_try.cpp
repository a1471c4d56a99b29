// probe: pmos-try, which tries things for real inside a mode. pmosd has it executed from a sealed
// memory file, as one more process of the mode and under all of its confinement. One attempt a line
// on standard input (attempts.h), one answer a line on standard output, in the same order:
//
//   ok VALUE         it worked
//   errno N STAGE    it did not, and what of it
//   killed SIGNAL    the kernel killed who tried
//   broken N         nothing was tried: errno of fork(2)
//   bad              no such attempt, or too long a line
//
// Judges nothing. No C library, no heap: a filter that admits little admits all that it needs.
#include <errno.h>
#include <sys/wait.h>

#include "runtime/probe/attempts.h"
#include "runtime/sys/entry.h"
#include "runtime/sys/file.h"
#include "runtime/sys/number.h"
#include "runtime/sys/process.h"

namespace pmos::probe {
namespace {

using Line = sys::TextBuffer<64>;

bool say(Line& line) noexcept {
    line.add('\n');
    return sys::sys_write(1, line.text(), line.size()) == static_cast<long>(line.size());
}

bool say(const char* word, long number, const char* stage = "") noexcept {
    Line line;
    line.add(word);
    line.add(' ');
    line.add(static_cast<std::int64_t>(number));
    if (*stage != 0) line.add(' ');
    line.add(stage);
    return say(line);
}

bool say(const Outcome& outcome) noexcept {
    if (!outcome.understood) {
        Line line;
        line.add("bad");
        return say(line);
    }
    if (outcome.value < 0) return say("errno", -outcome.value, outcome.stage);
    return say("ok", outcome.value);
}

// In a process of its own: a filter may kill it, and a program may take its place.
bool try_apart(char* line) noexcept {
    const bool loads = loads_a_program(line);
    const int pid = sys::sys_fork(static_cast<unsigned long>(SIGCHLD));
    if (pid == 0) {
        const bool said = say(attempt(line));
        sys::sys_exit(said ? 0 : 1);
    }
    if (pid < 0) return say("broken", -pid);
    int status = 0;
    int waited = 0;
    do waited = sys::sys_wait4(pid, &status, 0);
    while (waited == -EINTR);
    if (waited < 0) return say("broken", -waited);
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status) == 0;
    const int signal = WTERMSIG(status);
    if (loads && (signal == SIGSEGV || signal == SIGKILL)) return say("ok", 0);
    return say("killed", signal);
}

bool try_line(char* line) noexcept {
    return is_lasting(line) ? say(attempt(line)) : try_apart(line);
}

// Every line whole, or false where there are no more.
class Lines {
  public:
    bool next(char*& line, bool& fits) noexcept {
        for (fits = true;;) {
            for (unsigned i = scanned_; i < filled_; ++i) {
                if (data_[i] != '\n') continue;
                data_[i] = 0;
                line = data_ + begin_;
                begin_ = scanned_ = i + 1;
                return true;
            }
            scanned_ = filled_;
            if (begin_ == 0 && filled_ == sizeof data_) {
                fits = false;  // its beginning is dropped
                filled_ = scanned_ = 0;
            }
            if (!fill()) return false;
        }
    }

  private:
    bool fill() noexcept {
        for (unsigned i = begin_; i < filled_; ++i) data_[i - begin_] = data_[i];
        filled_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
        long size = 0;
        do size = sys::sys_read(0, data_ + filled_, sizeof data_ - filled_);
        while (size == -EINTR);
        if (size > 0) filled_ += static_cast<unsigned>(size);
        return size > 0;
    }

    char data_[8192]{};
    unsigned begin_ = 0, scanned_ = 0, filled_ = 0;
};

int run() noexcept {
    static constinit Lines lines;
    char* line = nullptr;
    bool fits = true;
    while (lines.next(line, fits)) {
        const bool told = fits ? try_line(line) : say(Outcome{0, "", false});
        if (!told) return 1;
    }
    return 0;
}

}  // namespace
}  // namespace pmos::probe

void pmos_entry(long*) { pmos::sys::sys_exit(pmos::probe::run()); }
