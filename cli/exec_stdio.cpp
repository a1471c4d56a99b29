// cli: which descriptors a command inside a mode gets. Pipes go in as they are; all else stays
// outside and is carried.
#include "cli/exec_stdio.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>

namespace pmos::cli {
namespace {

constexpr std::array<const char*, 3> kNames{"input", "output", "error"};

struct Pipe {
    UniqueFd reader, writer;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> duplicate(BorrowedFd fd) {
    UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy) return fail(errno_error(errno, "cannot duplicate a descriptor"));
    return copy;
}

// Empty when the descriptor is closed.
std::optional<struct stat> kind_of(BorrowedFd fd) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return std::nullopt;
    return st;
}

bool same_file(const std::optional<struct stat>& a, const std::optional<struct stat>& b) {
    return a && b && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

Result<> carry_input(BorrowedFd local, ExecStdio& stdio) {
    PMOS_ASSIGN(auto pipe, make_pipe());
    PMOS_TRY(set_nonblocking(pipe.writer.borrow()));
    stdio.remote[0] = std::move(pipe.reader);
    Channel channel(local, pipe.writer.borrow());
    channel.own(std::move(pipe.writer));
    channel.tolerate_lost_reader();
    stdio.channels.push_back(std::move(channel));
    return {};
}

Result<> carry_output(BorrowedFd local, std::size_t index, ExecStdio& stdio) {
    PMOS_ASSIGN(auto pipe, make_pipe());
    PMOS_TRY(set_nonblocking(pipe.reader.borrow()));
    stdio.remote[index] = std::move(pipe.writer);
    Channel channel(pipe.reader.borrow(), local);
    channel.own(std::move(pipe.reader));
    stdio.channels.push_back(std::move(channel));
    return {};
}

// A closed descriptor is a pipe whose other end is gone: end of file, or EPIPE.
Result<> stand_in(std::size_t index, ExecStdio& stdio) {
    PMOS_ASSIGN(auto pipe, make_pipe());
    stdio.remote[index] = std::move(index == 0 ? pipe.reader : pipe.writer);
    return {};
}

}  // namespace

Result<ExecStdio> make_exec_stdio(std::array<BorrowedFd, 3> local) {
    ExecStdio stdio;
    std::array<std::optional<struct stat>, 3> kinds;
    for (std::size_t i = 0; i < 3; ++i) {
        kinds[i] = kind_of(local[i]);
        if (!kinds[i]) {
            PMOS_TRY(stand_in(i, stdio));
        } else if (S_ISDIR(kinds[i]->st_mode)) {
            return fail(Code::usage, std::string("standard ") + kNames[i] + " is a directory", "",
                        "redirect it to a file or a pipe");
        } else if (S_ISFIFO(kinds[i]->st_mode)) {
            PMOS_ASSIGN(stdio.remote[i], duplicate(local[i]));
        } else if (i == 2 && same_file(kinds[1], kinds[2])) {
            // One pipe for both keeps their order.
            PMOS_ASSIGN(stdio.remote[2], duplicate(stdio.remote[1].borrow()));
        } else if (i == 0) {
            PMOS_TRY(carry_input(local[0], stdio));
        } else {
            PMOS_TRY(carry_output(local[i], i, stdio));
        }
    }
    return stdio;
}

}  // namespace pmos::cli
