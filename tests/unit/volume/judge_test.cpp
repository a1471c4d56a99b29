// tests: a secret is counted before it is tried, and what becomes of the count. The volume is the
// test's word; the record and the clock are this machine's.
#include "runtime/volume/judge.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/volume/attempts.h"

using namespace pmos;
using namespace pmos::volume;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

SecretBuffer secret_of(std::string_view text) {
    auto buffer = SecretBuffer::make(kMaxSecret);
    REQUIRE(buffer);
    std::ranges::copy(std::as_bytes(std::span(text)), buffer->storage().begin());
    buffer->set_size(text.size());
    return std::move(*buffer);
}

struct World {
    std::string dir = "/tmp/pmos-judge-test-XXXXXX";
    Request request;
    Guard guard;
    int tried = 0, destroyed = 0;
    std::uint32_t counted = 0;  // while the last one was tried

    World() {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        attempts().copy(request.attempts, sizeof request.attempts - 1);
        (dir + "/run/secure").copy(request.repeats, sizeof request.repeats - 1);
        guard.cost = KeyslotCost{"argon2id", 1, 64, 1};
        guard.destroy = [this] { ++destroyed; };
        guard.answer_after = std::chrono::milliseconds(1);
    }
    ~World() { fs::remove_all(dir); }

    std::string attempts() const { return dir + "/state/secure"; }
    std::uint32_t failures() const { return look_at_attempts(attempts()).failures; }

    Result<std::string> attempt(std::string_view text, Result<void> outcome) {
        return judge(request, secret_of(text), guard, [&](Keyslots& wrong_at) {
            wrong_at = only(0);
            ++tried;
            counted = failures();
            return outcome;
        });
    }
    Error refused(std::string_view text) {
        auto answer = attempt(text, fail(Code::wrong_secret, "PIN refused", "", "try again"));
        REQUIRE_FALSE(answer);
        return answer.error();
    }
    // As it was left by `boot` at that moment of its clock.
    void set(std::uint32_t count, const std::string& boot, std::chrono::seconds at) const {
        auto directory = AttemptDirectory::lock(attempts());
        REQUIRE(directory);
        AttemptRecord record(*directory);
        Attempts a;
        a.failures = count;
        a.last = {boot, at};
        REQUIRE(record.write(a));
    }
};

}  // namespace

TEST_CASE("each wrong secret is on the storage before it is tried, and the fifth begins a delay") {
    World world;
    for (std::uint32_t n = 1; n <= 4; ++n) {
        const Error error = world.refused(fmt::format("guess-{}", n));
        CHECK(error.code == Code::wrong_secret);
        CHECK(error.fix == "try again");
        CHECK(world.counted == n);
        CHECK(world.failures() == n);
    }
    CHECK_THAT(world.refused("guess-5").fix, Contains("try again in 1 min"));
    CHECK(world.tried == 5);
    // Nothing is tried any more, not even the right one.
    const auto right = world.attempt("right", {});
    REQUIRE_FALSE(right);
    CHECK(right.error().code == Code::throttled);
    CHECK(right.error().message() == "too many wrong PINs: 5 in a row; this one was not tried");
    CHECK_THAT(right.error().fix, Contains("try again in "));
    CHECK(world.tried == 5);
    CHECK(world.failures() == 5);
}

TEST_CASE("the right one clears the count, and what was wrong before counts once more") {
    World world;
    for (const char* guess : {"one1", "two2", "three3"}) world.refused(guess);
    REQUIRE(world.failures() == 3);
    const auto opened = world.attempt("right", {});
    REQUIRE(opened);
    CHECK(opened->empty());
    CHECK(world.counted == 4);
    CHECK(world.failures() == 0);
    world.refused("one1");
    CHECK(world.failures() == 1);
}

TEST_CASE("the last wrong ones, and what is too short to be one, are not counted") {
    World world;
    world.refused("slip-1");
    world.refused("slip-2");
    for (int i = 0; i < 30; ++i)
        CHECK_THAT(world.refused(i % 2 == 0 ? "slip-1" : "slip-2").why, Contains("not counted"));
    CHECK(world.failures() == 2);
    const int before = world.tried;
    for (int i = 0; i < 30; ++i) {
        const Error error = world.refused("123");
        CHECK(error.code == Code::wrong_secret);
        CHECK_THAT(error.fix, Contains("secrets have 4 characters or more"));
    }
    CHECK(world.failures() == 2);
    CHECK(world.tried == before);
    // Counted while it was tried, like any other.
    CHECK(world.counted == 3);
    world.guard.cost.reset();
    world.refused("slip-1");
    CHECK(world.failures() == 3);
}

TEST_CASE("the duress secret destroys, and is refused and counted like any other wrong one") {
    World world;
    const auto salt = random_salt();
    REQUIRE(salt);
    const auto hash =
        hash_secret(std::as_bytes(std::span(std::string_view("duress"))), *salt, *world.guard.cost);
    REQUIRE(hash);
    world.guard.salt = *salt;
    world.guard.duress = hash->duress;
    const Error other = world.refused("another");
    CHECK(world.destroyed == 0);
    const Error error = world.refused("duress");
    CHECK(world.destroyed == 1);
    CHECK(error.message() == other.message());
    CHECK(error.fix == other.fix);
    CHECK(world.failures() == 2);
    const Error once_more = world.refused("duress");
    CHECK(once_more.message() == world.refused("another").message());
    CHECK(world.failures() == 2);
    // What opens is no duress, whatever the header says.
    const int before = world.destroyed;
    REQUIRE(world.attempt("duress", {}));
    CHECK(world.destroyed == before);
    // A TPM that is not there counts nothing, and keeps nobody from it.
    const auto untried = world.attempt("duress", fail(Code::unreachable, "no TPM"));
    REQUIRE_FALSE(untried);
    CHECK(untried.error().code == Code::unreachable);
    CHECK(world.destroyed == before + 1);
    CHECK(world.failures() == 0);
    CHECK_FALSE(world.attempt("another", fail(Code::unreachable, "no TPM")));
    CHECK(world.destroyed == before + 1);
    // The file of repeats does not tell which of them it was.
    world.refused("duress");
    std::ifstream stream(world.dir + "/run/secure", std::ios::binary);
    const std::string kept{std::istreambuf_iterator<char>(stream), {}};
    CHECK(kept.find(std::string(hash->duress.data(), hash->duress.size())) == std::string::npos);
    CHECK(kept.find(std::string(hash->repeat.data(), hash->repeat.size())) != std::string::npos);
}

TEST_CASE("so many counted wrong ones destroy, and repeats do not") {
    World world;
    world.guard.erase_after = 3;
    for (const char* guess : {"one1", "two2", "two2", "one1", "two2"}) world.refused(guess);
    CHECK(world.destroyed == 0);
    const Error error = world.refused("three3");
    CHECK(world.destroyed == 1);
    CHECK(error.fix == "try again");
    // One that was killed before it could: the next one does.
    world.refused("four4");
    CHECK(world.destroyed == 2);
}

TEST_CASE("a wrong secret is answered at a fixed time, whatever there was to be done") {
    World world;
    world.guard.answer_after = std::chrono::milliseconds(100);
    world.guard.erase_after = 2;
    world.guard.destroy = [] { ::usleep(40'000); };
    const auto took = [&](const char* guess) {
        const auto begin = std::chrono::steady_clock::now();
        world.refused(guess);
        return std::chrono::steady_clock::now() - begin;
    };
    CHECK(took("one1") >= std::chrono::milliseconds(100));
    CHECK(took("two2") >= std::chrono::milliseconds(100));
    world.guard.destroy = [] { ::usleep(140'000); };
    CHECK(took("three3") >= std::chrono::milliseconds(200));
    // Nothing else waits.
    world.guard.answer_after = std::chrono::seconds(10);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(world.refused("123").fix.find("4 characters") != std::string::npos);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("what says nothing of the secret is not counted") {
    World world;
    world.refused("slip-1");
    const auto full = world.attempt("other", fail(Code::no_space, "no memory"));
    REQUIRE_FALSE(full);
    CHECK(full.error().code == Code::no_space);
    CHECK(world.failures() == 1);
}

TEST_CASE("a worker that is killed while it tries has failed") {
    World world;
    const auto secret = secret_of("right");
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        // The buffer is wiped in a child: the secret plays no part here.
        static_cast<void>(judge(world.request, secret, world.guard, [](Keyslots&) -> Result<void> {
            ::raise(SIGKILL);
            return {};
        }));
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    CHECK(world.failures() == 1);
    // Its lock has gone with it.
    REQUIRE(world.attempt("right", {}));
    CHECK(world.failures() == 0);
}

TEST_CASE("two at once: the second is told to wait") {
    World world;
    const auto held = AttemptDirectory::lock(world.attempts());
    REQUIRE(held);
    const auto second = world.attempt("right", {});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Code::busy);
    CHECK(world.tried == 0);
}

TEST_CASE("a reboot begins the delay again, and after the last failure there is none") {
    World world;
    world.set(19, "another boot", std::chrono::hours(1));
    auto answer = world.attempt("right", {});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::throttled);
    world.set(20, "another boot", std::chrono::hours(1));
    answer = world.attempt("right", {});
    REQUIRE_FALSE(answer);
    CHECK_THAT(answer.error().fix, Contains("ever"));
    CHECK(world.tried == 0);
}

TEST_CASE("a record that cannot be read refuses, and a new volume begins a new one") {
    World world;
    world.refused("slip-1");
    for (const char* copy : {"/a", "/b"}) std::ofstream(world.attempts() + copy) << "garbage";
    const auto answer = world.attempt("right", {});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::throttled);
    CHECK_THAT(answer.error().message(), Contains("cannot be read"));
    CHECK(world.tried == 1);
    REQUIRE(begin_count(world.request));
    CHECK_FALSE(look_at_attempts(world.attempts()).damaged);
    CHECK(world.attempt("right", {}));
}

TEST_CASE("what cannot be counted is not tried") {
    World world;
    world.refused("slip-1");
    // No file can be made or written: for root too, where permissions say nothing.
    fs::remove(world.attempts() + "/a");
    fs::create_directories(world.attempts() + "/a.new");
    fs::remove(world.attempts() + "/b");
    fs::create_directories(world.attempts() + "/b.new");
    const auto answer = world.attempt("right", {});
    REQUIRE_FALSE(answer);
    CHECK_THAT(answer.error().what, Contains("not tried"));
    CHECK(world.tried == 1);
}

TEST_CASE("a copy that cannot be written locks nobody out, and is told") {
    World world;
    world.refused("slip-1");
    for (const char* lost : {"/a", "/b"}) {
        const std::string path = world.attempts() + lost;
        // Neither written, replaced nor removed: for root too.
        fs::remove(path);
        fs::create_directories(path + "/stuck");
        CHECK(look_at_attempts(world.attempts()).damaged);
        CHECK(world.failures() == 1);
        world.refused("slip-2");
        CHECK(world.counted == 2);
        CHECK(world.failures() == 2);
        auto opened = world.attempt("right", {});
        REQUIRE(opened);
        CHECK_THAT(*opened, Contains("in one copy only") && Contains(path));
        CHECK(world.failures() == 0);
        CHECK(look_at_attempts(world.attempts()).damaged);
        fs::remove_all(path);
        // Gone is told as well, and the next attempt makes it again.
        CHECK(look_at_attempts(world.attempts()).damaged);
        world.refused("slip-1");
        CHECK_FALSE(look_at_attempts(world.attempts()).damaged);
        CHECK(fs::is_regular_file(path));
    }
}

TEST_CASE("a device key is not counted") {
    World world;
    world.request.key = KeyKind::device_key;
    for (int i = 0; i < 9; ++i) CHECK(world.refused("wrong key").code == Code::wrong_secret);
    CHECK(world.tried == 9);
    CHECK_FALSE(fs::exists(world.attempts()));
}
