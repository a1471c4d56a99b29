// tests: exec and shell against the fake service, which runs the command on this machine.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <sstream>

#include "harness.h"

using namespace pmos;
using namespace pmos::cli::test;
using Catch::Matchers::Contains;

TEST_CASE("the command's output, error output and exit code come through") {
    const Service service;
    const auto r =
        service.run({"exec", "personal", "--", "sh", "-c", "echo out; echo err >&2; exit 42"});
    CHECK(r.status == 42);
    CHECK(r.out == "out\n");
    CHECK(r.err == "err\n");
    CHECK(service.run({"exec", "personal", "--", "sh", "-c", "kill -9 $$"}).status == 128 + 9);
    CHECK(service.run({"exec", "personal", "true"}).status == 0);
}

TEST_CASE("options of the command are the command's, also names of verbs") {
    const Service service;
    CHECK(service.run({"exec", "personal", "--", "echo", "-t", "--", "start"}).out ==
          "-t -- start\n");
    CHECK(service.run({"exec", "personal", "echo", "status"}).out == "status\n");
}

TEST_CASE("input is passed on to its end") {
    const Service service;
    CHECK(service.run({"exec", "personal", "--", "cat"}, "hello\nworld").out == "hello\nworld");
    CHECK(service.run({"exec", "personal", "--", "wc", "-c"}, "").out == "0\n");
}

TEST_CASE("environment and directory") {
    const Service service;
    const auto r = service.run({"exec", "personal", "-e", "A=1", "-e", "B=two words", "-w", "/usr",
                                "--", "sh", "-c", "echo $A $B $PWD"});
    CHECK(r.out == "1 two words /usr\n");
    CHECK(service.run({"exec", "personal", "-e", "novalue", "--", "true"}).status == 125);
    CHECK(service.run({"exec", "personal", "-u", "joe", "--", "true"}).status == 125);
    CHECK(service.run({"exec", "personal", "-u", "7:", "--", "true"}).status == 125);
}

TEST_CASE("125, 126 and 127") {
    const Service service;
    CHECK(service.run({"exec", "personal", "--", "/nonexistent/program"}).status == 127);
    CHECK(service.run({"exec", "personal", "--", "/etc/passwd"}).status == 126);
    CHECK(service.run({"exec", "personal"}).status == 125);
    CHECK(service.run({"exec", "nobody", "--", "true"}).status == 125);
    const auto frozen = service.run({"exec", "cold", "--", "true"});
    CHECK(frozen.status == 125);
    CHECK(frozen.err == "pmosctl: mode 'cold' is frozen\nhint: pmosctl switch cold\n");
}

TEST_CASE("files are carried, a directory never goes in") {
    const Service service;
    const std::string name = service.log() + ".out";
    {
        UniqueFd in(::open(service.log().c_str(), O_RDONLY | O_CLOEXEC));
        UniqueFd out(::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        const Args args{pmosctl(),
                        "--socket",
                        service.socket(),
                        "exec",
                        "personal",
                        "--",
                        "sh",
                        "-c",
                        "cat; for i in 1 2 3; do echo o$i; echo e$i >&2; done; "
                        "readlink /proc/self/fd/0 /proc/self/fd/1"};
        CHECK(wait_status(spawn(args, in.get(), out.get(), out.get())) == 0);
    }
    std::stringstream text;
    text << std::ifstream(name).rdbuf();
    CHECK_THAT(text.str(), Contains("one\ntwo\nthree\no1\ne1\no2\ne2\no3\ne3\npipe:"));
    CHECK(text.str().find("/log") == std::string::npos);

    UniqueFd directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const Args args{pmosctl(), "--socket", service.socket(), "exec", "personal", "--", "true"};
    CHECK(wait_status(spawn(args, directory.get(), null.get(), null.get())) == 125);
}

TEST_CASE("a closed standard output is a closed standard output") {
    const Service service;
    const Args args{"/bin/sh", "-c",       "exec \"$0\" \"$@\" >&-",
                    pmosctl(), "--socket", service.socket(),
                    "exec",    "personal", "--",
                    "sh",      "-c",       "trap '' PIPE; echo x || exit 7"};
    UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    CHECK(wait_status(spawn(args, null.get(), null.get(), null.get())) == 7);
}

TEST_CASE("large output is whole") {
    const Service service;
    const auto r = service.run({"exec", "personal", "--", "sh", "-c", "head -c 3000000 /dev/zero"});
    CHECK(r.status == 0);
    CHECK(r.out.size() == 3000000);
    // Through a pump too, and with an end right after the last byte.
    Terminal tty(service, {"exec", "-T", "personal", "--", "sh", "-c",
                           "i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done; "
                           "printf END; exit 3"});
    CHECK(tty.finish() == 3);
    CHECK(tty.seen().size() == 20000 * 12 + 3);  // the local terminal adds carriage returns
    CHECK_THAT(tty.seen(), Catch::Matchers::EndsWith("END"));
}

TEST_CASE("signals are forwarded") {
    const Service service;
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        Terminal tty(service, {"exec", "-T", "personal", "--", "sh", "-c",
                               "trap 'echo got; exit 5' INT TERM HUP QUIT USR1 USR2; echo up; "
                               "while :; do sleep 0.05; done"});
        REQUIRE(tty.wait_for("up"));
        tty.signal(number);
        CHECK(tty.finish() == 5);
        CHECK_THAT(tty.seen(), Contains("got"));
    }
}

TEST_CASE("a second SIGTERM ends pmosctl itself") {
    const Service service;
    Terminal tty(service, {"exec", "-t", "personal", "--", "sh", "-c",
                           "trap 'echo ignored' TERM; echo up; while :; do sleep 0.05; done"});
    REQUIRE(tty.wait_for("up"));
    CHECK_FALSE(tty.canonical());
    tty.signal(SIGTERM);
    REQUIRE(tty.wait_for("ignored"));
    tty.signal(SIGTERM);
    CHECK(tty.finish() == 128 + SIGTERM);
    CHECK(tty.canonical());
    CHECK(tty.echoes());
}

TEST_CASE("on a terminal: a pty inside, raw outside, size and keys passed on") {
    const Service service;
    Terminal tty(service,
                 {"exec", "personal", "--", "sh", "-c",
                  "tty; stty size; echo $TERM; trap 'stty size' WINCH; trap 'echo int' INT; "
                  "echo up; while ! read -r x; do :; done; echo \"<$x>\"; exit 9"});
    REQUIRE(tty.wait_for("up"));
    CHECK_FALSE(tty.canonical());
    CHECK_THAT(tty.seen(), Contains("/dev/pts/") && Contains("30 100") && Contains("xterm"));
    tty.resize(41, 123);
    CHECK(tty.wait_for("41 123"));
    tty.type("\x03");  // to the command, not to pmosctl
    CHECK(tty.wait_for("int"));
    tty.type("line\r");
    CHECK(tty.finish() == 9);
    CHECK_THAT(tty.seen(), Contains("<line>"));
    CHECK(tty.canonical());
    CHECK(tty.echoes());
}

TEST_CASE("-T on a terminal: the command sees pipes") {
    const Service service;
    Terminal tty(service, {"exec", "-T", "personal", "--", "sh", "-c",
                           "test -t 0 || test -t 1 || test -t 2 || echo none; cat"});
    REQUIRE(tty.wait_for("none"));
    CHECK(tty.canonical());
    tty.type("abc\n");
    REQUIRE(tty.wait_for("abc\r\nabc"));
    tty.type("\x04");
    CHECK(tty.finish() == 0);
}

TEST_CASE("-t with a pipe for input ends the command's input") {
    const Service service;
    const auto r = service.run({"exec", "-t", "personal", "--", "cat"}, "abc\n");
    CHECK(r.status == 0);
    CHECK_THAT(r.out, Contains("abc\r\n"));
}

TEST_CASE("shell runs a login shell") {
    const Service service;
    const auto r = service.run({"shell", "personal"}, "echo $0; exit 6\n");
    CHECK(r.status == 6);
    CHECK(r.out == "/bin/sh\n");
    CHECK(service.run({"shell", "personal", "--", "true"}).status == 125);
}

TEST_CASE("a descendant that keeps the output open does not hold exec") {
    const Service service;
    Terminal tty(service, {"exec", "-T", "personal", "--", "sh", "-c", "sleep 20 & echo done"});
    CHECK(tty.finish() == 0);
    CHECK_THAT(tty.seen(), Contains("done"));
}
