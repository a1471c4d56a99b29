// tests: which keyslots a secret is tried at, and that every try is counted first.
#include "runtime/volume/opening.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <filesystem>
#include <vector>

#include "luks_file.h"
#include "runtime/volume/attempts.h"
#include "runtime/volume/client.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/enrollment.h"
#include "secret_text.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

// A volume with a PIN in keyslot 0 and a recovery key in keyslot 1.
struct World : LuksFile {
    std::string dir = "/tmp/pmos-opening-test-XXXXXX";
    std::array<int, 2> ends{-1, -1};
    std::string recovery;
    std::vector<int> tried;
    std::uint32_t counted = 0;  // when the first keyslot was tried

    World() {
        REQUIRE(::mkdtemp(dir.data()) != nullptr);
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                             ends.data()) == 0);
        (dir + "/state").copy(request.attempts, sizeof request.attempts - 1);
        (dir + "/repeats").copy(request.repeats, sizeof request.repeats - 1);
        allow("pin|recovery-key");
        auto crypt = open();
        auto key = crypt.unseal(bytes("old secret"));
        REQUIRE(key);
        const auto made = kRecovery.enroll(request, crypt, nullptr);
        REQUIRE(made);
        REQUIRE(enroll(request, crypt, kRecovery, *made, key->key.bytes(), kCheap));
        recovery = text_of(made->passphrase);
    }
    // In keyslot 2. It is nowhere, or there is nothing that could ask it.
    void enroll_authenticator() {
        auto crypt = open();
        auto key = crypt.unseal(bytes("old secret"));
        REQUIRE(key);
        Enrolled made{R"({"type":"systemd-fido2","keyslots":[],"fido2-credential":"+/8AAQ==",)"
                      R"("fido2-salt":"Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8=",)"
                      R"("fido2-clientPin-required":true,"fido2-up-required":true})",
                      secret_of("what it makes of the salt")};
        REQUIRE(enroll(request, crypt, kFido2, made, key->key.bytes(), kCheap));
        allow("pin|fido2");
    }
    ~World() {
        for (const int end : ends) ::close(end);
        std::filesystem::remove_all(dir);
    }

    void allow(std::string_view methods) { set(request.methods, methods); }
    void ask_for(std::string_view method) { set(request.method, method); }
    std::uint32_t failures() const { return look_at_attempts(dir + "/state").failures; }

    Result<Opened> enter(std::string_view secret) {
        tried.clear();
        auto crypt = open();
        Channel channel{BorrowedFd(ends[0])};
        return open_judged(request, crypt, channel, secret_of(secret),
                           [&](int slot, auto passphrase) -> Result<void> {
                               if (tried.empty()) counted = failures();
                               tried.push_back(slot);
                               PMOS_TRY(crypt.unseal(passphrase, slot));
                               return {};
                           });
    }

    // As systemd-cryptenroll does without a PIN, in keyslot 2; of a TPM that is not there.
    void enroll_tpm() {
        auto crypt = open();
        auto key = crypt.unseal(bytes("old secret"));
        REQUIRE(key);
        Enrolled made{R"({"type":"systemd-tpm2","keyslots":[],"tpm2-blob":"AAAA","tpm2-pcrs":[7],)"
                      R"("tpm2-pcr-bank":"sha256","tpm2-primary-alg":"ecc",)"
                      R"("tpm2-policy-hash":"00","tpm2-pin":false})",
                      secret_of("what it has sealed")};
        REQUIRE(enroll(request, crypt, kTpmAlone, made, key->key.bytes(), kCheap));
        allow("pin|tpm2|recovery-key");
        request.key = KeyKind::tpm;
    }

    // That the keys have ended, and nothing else, was told since this was asked last.
    bool told_of_end() const {
        const auto event = receive_event(BorrowedFd(ends[1]));
        return event && *event && (*event)->kind == EventKind::keys_ended;
    }

  private:
    template <std::size_t N>
    static void set(char (&field)[N], std::string_view value) {
        std::fill(field, field + N, '\0');
        value.copy(field, N - 1);
    }
};

}  // namespace

TEST_CASE("a PIN is tried at no keyslot that a token speaks of") {
    World world;
    const auto opened = world.enter("old secret");
    REQUIRE(opened);
    CHECK(opened->keyslot == 0);
    CHECK(opened->method == "pin");
    CHECK(world.tried == std::vector{0});
    CHECK_FALSE(world.enter("a wrong one"));
    CHECK(world.tried == std::vector{0});
}

TEST_CASE("a recovery key opens as people type it, its own keyslot first") {
    World world;
    std::string typed = world.recovery;
    for (char& c : typed) c = c == '-' ? ' ' : static_cast<char>(std::toupper(c));
    for (const std::string& entered : {world.recovery, typed}) {
        const auto opened = world.enter(entered);
        REQUIRE(opened);
        CHECK(opened->keyslot == 1);
        CHECK(opened->method == "recovery-key");
        CHECK(world.tried == std::vector{1});
    }
}

TEST_CASE("a wrong secret of any method is counted before it is tried, the right one clears") {
    World world;
    std::string wrong = world.recovery;
    wrong[0] = wrong[0] == 'c' ? 'b' : 'c';
    const auto first = world.enter(wrong);
    REQUIRE_FALSE(first);
    CHECK(first.error().code == Code::wrong_secret);
    CHECK(world.counted == 1);
    CHECK(world.tried == std::vector{1, 0});
    CHECK_FALSE(world.enter("a wrong one"));
    CHECK(world.counted == 2);
    CHECK(world.failures() == 2);
    // What cannot be one is counted as well: it was asked for.
    world.ask_for("recovery-key");
    const auto none = world.enter("no recovery key");
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::wrong_secret);
    CHECK(world.tried.empty());
    CHECK(world.failures() == 3);
    REQUIRE(world.enter(world.recovery));
    CHECK(world.failures() == 0);
}

TEST_CASE("only what the profile lets open is tried, and only what was asked for") {
    World world;
    world.allow("pin");
    CHECK_FALSE(world.enter(world.recovery));
    CHECK(world.tried == std::vector{0});
    world.allow("");
    CHECK_FALSE(world.enter(world.recovery));
    CHECK(world.tried == std::vector{0});
    REQUIRE(world.enter("old secret"));
    world.allow("pin|recovery-key");
    world.ask_for("recovery-key");
    CHECK_FALSE(world.enter("old secret"));
    CHECK(world.tried.empty());
    world.ask_for("escrow");
    const auto absent = world.enter("old secret");
    REQUIRE_FALSE(absent);
    CHECK(absent.error().code == Code::not_found);
    CHECK(world.failures() == 1);
    world.ask_for("");
    world.allow("tpm2+pin");
    CHECK_FALSE(world.enter("old secret"));
    CHECK(world.tried.empty());
}

TEST_CASE("a wrong one is kept from an authenticator only where it was wrong there") {
    World world;
    world.enroll_authenticator();
    const auto first = world.enter("its PIN");
    REQUIRE_FALSE(first);
    CHECK(first.error().code == Code::wrong_secret);
    // It is asked again: with the authenticator there it would have opened.
    world.ask_for("fido2");
    const auto again = world.enter("its PIN");
    REQUIRE_FALSE(again);
    CHECK(again.error().code != Code::wrong_secret);
    CHECK(world.failures() == 1);
    world.ask_for("");
    const auto whole = world.enter("its PIN");
    REQUIRE_FALSE(whole);
    CHECK(whole.error().code == Code::wrong_secret);
    CHECK(whole.error().why == first.error().why);
    CHECK(world.failures() == 1);
}

TEST_CASE("an authenticator that is not there says nothing of a secret, and hides no wrong one") {
    World world;
    world.enroll_authenticator();
    const auto wrong = world.enter("a wrong one");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == Code::wrong_secret);
    CHECK(wrong.error().why != "");
    CHECK(world.tried == std::vector{0});
    CHECK(world.failures() == 1);
    world.ask_for("fido2");
    const auto absent = world.enter("its PIN");
    REQUIRE_FALSE(absent);
    CHECK(absent.error().code != Code::wrong_secret);
    CHECK(world.tried.empty());
    CHECK(world.failures() == 1);
    world.ask_for("");
    REQUIRE(world.enter("old secret"));
    CHECK(world.failures() == 0);
}

TEST_CASE("the duress secret destroys every way in, whichever was asked for") {
    World world;
    auto crypt = world.open();
    REQUIRE(set_duress(crypt, bytes("panic")));
    SECTION("none") {}
    SECTION("one that no PIN can be") { world.ask_for("recovery-key"); }
    const auto other = world.enter("another");
    REQUIRE_FALSE(other);
    CHECK(world.opens("old secret"));
    CHECK_FALSE(world.told_of_end());
    const auto refused = world.enter("panic");
    REQUIRE_FALSE(refused);
    CHECK(world.told_of_end());
    CHECK(refused.error().code == Code::wrong_secret);
    CHECK(refused.error().message() == other.error().message());
    CHECK(world.failures() == 2);
    world.ask_for("");
    for (const std::string& secret : {std::string("old secret"), world.recovery}) {
        const auto gone = world.enter(secret);
        REQUIRE_FALSE(gone);
        CHECK(gone.error().code == Code::wrong_secret);
    }
}

TEST_CASE("one wrong secret too many destroys, a recovery key as well as a PIN") {
    World world;
    world.request.erase_after = 2;
    std::string wrong = world.recovery;
    wrong[0] = wrong[0] == 'c' ? 'b' : 'c';
    CHECK_FALSE(world.enter("a wrong one"));
    CHECK(world.opens("old secret"));
    CHECK_FALSE(world.told_of_end());
    CHECK_FALSE(world.enter(wrong));
    CHECK(world.told_of_end());
    CHECK_FALSE(world.opens("old secret"));
    CHECK_FALSE(world.enter(world.recovery));
}

TEST_CASE("the mark of a duress secret is no way in") {
    World world;
    const auto before = factors_of(world.open(), "pin");
    auto crypt = world.open();
    REQUIRE(set_duress(crypt, bytes("panic")));
    const auto after = factors_of(world.open(), "pin");
    REQUIRE(after.size() == before.size());
    CHECK(after[0].method == "pin");
    CHECK(world.open().others_than(0).size() == 1);
    REQUIRE(settle(world.request, crypt, 0));
    CHECK(duress_mark(world.open()));
}

TEST_CASE("where nobody was asked only the TPM is, and nothing is counted") {
    World world;
    world.allow("pin|tpm2|recovery-key");
    world.request.key = KeyKind::tpm;
    const auto none = world.enter("");
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::not_found);
    CHECK(none.error().what == "the volume has no keyslot that the TPM opens");
    world.enroll_tpm();
    const auto opened = world.enter("");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().what == "the TPM does not open the volume");
    CHECK(opened.error().fix.find("pmosctl unlock secure --ask") != std::string::npos);
    CHECK(world.tried.empty());
    CHECK(world.failures() == 0);
    world.ask_for("recovery-key");
    const auto asked = world.enter("");
    REQUIRE_FALSE(asked);
    CHECK(asked.error().code == Code::usage);
    CHECK(asked.error().fix.find("'recovery-key' wants one") != std::string::npos);
    world.ask_for("");
    world.allow("pin|recovery-key");
    CHECK(world.enter("").error().what == "the volume has no keyslot that the TPM opens");
}

TEST_CASE(
    "what is entered where the TPM opens by itself is judged as anywhere, and not asked of it") {
    World world;
    world.enroll_tpm();
    CHECK_FALSE(world.enter("a wrong one"));
    CHECK(world.tried == std::vector{0});
    CHECK(world.failures() == 1);
    const auto opened = world.enter("old secret");
    REQUIRE(opened);
    CHECK(opened->method == "pin");
    CHECK(world.failures() == 0);
    REQUIRE(world.enter(world.recovery));
    // A volume that asks for a PIN has no other answer to none.
    world.request.key = KeyKind::descriptor;
    CHECK(world.enter("").error().code == Code::wrong_secret);
}

TEST_CASE("where the TPM has to count, nothing opens that it does not") {
    World world;
    world.enroll_tpm();
    world.allow("pin|tpm2|tpm2+pin|recovery-key");
    world.request.key = KeyKind::descriptor;
    world.request.tpm_throttle = 1;
    CHECK_FALSE(world.enter("old secret"));
    CHECK(world.tried.empty());
    REQUIRE(world.enter(world.recovery));
    std::vector<std::string> why;
    for (const auto& factor : factors_of(world.open(), "pin"))
        why.emplace_back(refusal(world.request, factor));
    REQUIRE(why.size() == 3);
    CHECK(why[0].find("does not count") != std::string::npos);
    CHECK(why[1].empty());
    CHECK(why[2].find("lies in the header") != std::string::npos);
    const Factor with_pin{"tpm2+pin", 3, 4, "systemd-tpm2", ""};
    CHECK_FALSE(may_open(world.request, with_pin));
    const Factor ours{"tpm2+pin", 3, 4, "pmos-tpm", ""};
    CHECK(may_open(world.request, ours));
    world.request.tpm_throttle = 0;
    CHECK(may_open(world.request, with_pin));
}
