// tests: the byte pump by itself.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "cli/exec_stdio.h"
#include "cli/pump.h"

using namespace pmos;
using namespace pmos::cli;

namespace {

struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
        reader.reset(ends[0]);
        writer.reset(ends[1]);
    }
    UniqueFd reader, writer;
};

void run(std::vector<Channel>& channels) {
    for (int i = 0; i < 100 && !channels[0].drained(); ++i) REQUIRE(poll_once(channels, {}, 100));
}

}  // namespace

TEST_CASE("bytes, then what stands for the end, then the end") {
    Pipe in, out;
    REQUIRE(::write(in.writer.get(), "abc", 3) == 3);
    in.writer.reset();
    std::vector<Channel> channels;
    channels.emplace_back(in.reader.borrow(), out.writer.borrow(), "\x04");
    channels[0].own(std::move(out.writer));
    run(channels);
    CHECK(channels[0].drained());
    CHECK_FALSE(channels[0].error());
    char buffer[8];
    CHECK(::read(out.reader.get(), buffer, sizeof buffer) == 4);
    CHECK(std::string(buffer, 4) == "abc\x04");
    CHECK(::read(out.reader.get(), buffer, sizeof buffer) == 0);  // the writer is closed
}

TEST_CASE("a reader that left is an error, or the end where that is expected") {
    std::signal(SIGPIPE, SIG_IGN);
    for (const bool tolerated : {false, true}) {
        Pipe in, out;
        out.reader.reset();
        REQUIRE(::write(in.writer.get(), "abc", 3) == 3);
        std::vector<Channel> channels;
        channels.emplace_back(in.reader.borrow(), out.writer.borrow());
        if (tolerated) channels[0].tolerate_lost_reader();
        run(channels);
        CHECK(channels[0].drained());
        CHECK(channels[0].error().has_value() != tolerated);
    }
}

TEST_CASE("a full reader holds the pump back and loses nothing") {
    Pipe in, out;
    std::vector<Channel> channels;
    channels.emplace_back(in.reader.borrow(), out.writer.borrow());
    const std::string block(16384, 'x');
    std::size_t sent = 0, received = 0;
    char buffer[4096];
    while (received < 1'000'000) {
        if (sent < 1'000'000) {
            const ssize_t n = ::write(in.writer.get(), block.data(), block.size());
            if (n > 0) sent += static_cast<std::size_t>(n);
        }
        REQUIRE(poll_once(channels, {}, 0));
        const ssize_t n = ::read(out.reader.get(), buffer, sizeof buffer);
        if (n > 0) received += static_cast<std::size_t>(n);
        if (sent >= 1'000'000 && received == sent) break;
    }
    CHECK(channels[0].carried() >= received);
    CHECK(received >= 1'000'000);
}

TEST_CASE("a terminal never goes in, a pipe does") {
    Pipe in;
    const UniqueFd tty(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    REQUIRE(tty);
    auto stdio = make_exec_stdio({in.reader.borrow(), tty.borrow(), tty.borrow()});
    REQUIRE(stdio);
    CHECK(stdio->channels.size() == 1);  // output and error share one
    for (const auto& fd : stdio->remote) {
        REQUIRE(fd);
        CHECK(::isatty(fd.get()) == 0);
    }
}
