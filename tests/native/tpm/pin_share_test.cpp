// tests: a share behind a PIN in a real, if soft, TPM: what gives it out, what never does again,
// and what whoever commands the TPM can do about that.
#include "runtime/tpm/pin_share.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>

#include "runtime/tpm/nv.h"
#include "runtime/tpm/pin_index.h"
#include "runtime/tpm/pin_key.h"
#include "soft_tpm.h"

using namespace pmos;
using namespace pmos::tpm;
using Catch::Matchers::Contains;
using test::SoftTpm;

namespace {

const std::string kMine = "7d2f0a6e-0000-4000-8000-000000000001";
const std::string kOther = "7d2f0a6e-0000-4000-8000-000000000002";
constexpr std::string_view kRight = "the right PIN, when stretched...";
constexpr std::string_view kWrong = "a wrong PIN, also when stretched";

SecretBuffer stretched(std::string_view text) {
    auto buffer = SecretBuffer::make(kStretchedBytes);
    REQUIRE(buffer);
    REQUIRE(text.size() == kStretchedBytes);
    std::memcpy(buffer->storage().data(), text.data(), text.size());
    buffer->set_size(text.size());
    return std::move(*buffer);
}

std::string text_of(const SecretBuffer& buffer) {
    return {reinterpret_cast<const char*>(buffer.bytes().data()), buffer.bytes().size()};
}

Tpm open(SoftTpm& soft) {
    auto opened = soft.open();
    REQUIRE(opened);
    return std::move(*opened);
}

// Each by another process, as on the phone.
MadeShare make_in(SoftTpm& soft, const std::string& owner, std::string_view pin = kRight) {
    auto tpm = open(soft);
    auto made = make_share(tpm, owner, stretched(pin));
    INFO((made ? "" : made.error().message()));
    REQUIRE(made);
    return std::move(*made);
}
Result<SecretBuffer> try_in(SoftTpm& soft, const PinShare& share, std::string_view pin) {
    auto tpm = open(soft);
    return open_share(tpm, share, stretched(pin));
}
std::string code_in(SoftTpm& soft, const PinShare& share, std::string_view pin = kRight) {
    const auto opened = try_in(soft, share, pin);
    return opened ? "opens" : std::string(code_info(opened.error().code).bus_name);
}
std::string count_in(SoftTpm& soft, const PinShare& share) {
    auto tpm = open(soft);
    const auto state = share_state(tpm, share);
    if (!state) return state.error().message();
    return state->there ? fmt::format("{} of {}", state->failures, state->limit) : "none";
}
std::size_t indices_in(SoftTpm& soft, const std::string& owner) {
    auto tpm = open(soft);
    const auto found = shares_of(tpm, owner);
    REQUIRE(found);
    return found->size();
}
std::size_t all_indices_in(SoftTpm& soft) {
    auto tpm = open(soft);
    const auto found = nv_handles(tpm, kFirstPin, kLastPin);
    REQUIRE(found);
    return found->size();
}
void destroy_in(SoftTpm& soft, const PinSpace& space) {
    auto tpm = open(soft);
    const auto destroyed = destroy_share(tpm, space);
    INFO((destroyed ? "" : destroyed.error().message()));
    CHECK(destroyed);
}

const std::string kWrongSecret(code_info(Code::wrong_secret).bus_name);
const std::string kNever(code_info(Code::throttled).bus_name);
const std::string kGone(code_info(Code::not_found).bus_name);
const std::string kLocked(code_info(Code::busy).bus_name);

}  // namespace

TEST_CASE("the right PIN has the share, a wrong one is counted, and power changes nothing") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    CHECK(count_in(soft, made.share) == "0 of 20");
    const auto again = try_in(soft, made.share, kRight);
    REQUIRE(again);
    CHECK(text_of(*again) == text_of(made.bytes));
    const auto refused = try_in(soft, made.share, kWrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::wrong_secret);
    CHECK_THAT(refused.error().why, Contains("19 attempts"));
    CHECK(count_in(soft, made.share) == "1 of 20");
    soft.pull_plug();
    soft.start();
    CHECK(count_in(soft, made.share) == "1 of 20");
    CHECK(code_in(soft, made.share) == "opens");
    CHECK(count_in(soft, made.share) == "0 of 20");
}

TEST_CASE("after twenty wrong ones in a row there is no right one any more") {
    SoftTpm soft;
    const auto mine = make_in(soft, kMine), other = make_in(soft, kOther);
    for (int i = 0; i < 20; ++i) CHECK(code_in(soft, mine.share, kWrong) == kWrongSecret);
    CHECK(count_in(soft, mine.share) == "20 of 20");
    CHECK(code_in(soft, mine.share) == kNever);
    CHECK(code_in(soft, mine.share, kWrong) == kNever);
    soft.pull_plug();
    soft.start();
    CHECK(code_in(soft, mine.share) == kNever);
    // What one mode's guesses do not do to another's, and not to the rest of the TPM.
    CHECK(code_in(soft, other.share) == "opens");
    destroy_in(soft, mine.share.space);
    CHECK(code_in(soft, mine.share) == kGone);
    CHECK(code_in(soft, other.share) == "opens");
}

TEST_CASE("nobody sets the count back, or reads the share, with the owner's rights") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    const auto count = fmt::format("{:#x}", made.share.space.handle);
    const auto share = fmt::format("{:#x}", made.share.space.share_handle());
    CHECK(code_in(soft, made.share, kWrong) == kWrongSecret);
    const std::string zeros = "head -c 8 /dev/zero | tpm2_nvwrite " + count;
    CHECK(soft.tool(zeros + " -C o -i -") != 0);
    CHECK(soft.tool(zeros + " -C " + count + " -i -") != 0);
    CHECK(
        soft.tool("tpm2_startauthsession -S s --policy-session && tpm2_policynvwritten -S s c && " +
                  zeros + " -C " + count + " -P session:s -i -") != 0);
    CHECK(soft.tool("tpm2_flushcontext s") == 0);
    CHECK(count_in(soft, made.share) == "1 of 20");
    CHECK(soft.tool("tpm2_nvread " + count + " -C o") == 0);  // to show that the tools work
    CHECK(soft.tool("tpm2_nvread " + share + " -C o") != 0);
    CHECK(soft.tool("tpm2_nvread " + share + " -C " + share) != 0);
    CHECK(code_in(soft, made.share) == "opens");
}

TEST_CASE("a count that the owner makes anew does not open the share") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    {
        auto tpm = open(soft);
        auto session = Session::start(tpm, made.share.key);
        REQUIRE(session);
        auto count = PinIndex::find(tpm, count_public(made.share.space));
        REQUIRE(count);
        REQUIRE(count->undefine(*session));
        // By the same Name, with a PIN of his.
        REQUIRE(make_count(tpm, *session, made.share.space, stretched(kWrong)));
    }
    // The count accepts it, the share does not.
    const auto refused = try_in(soft, made.share, kWrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::wrong_secret);
    CHECK_THAT(refused.error().why, Contains("made anew by somebody"));
    CHECK(count_in(soft, made.share) == "0 of 20");
    // That is counted by the TPM's lockout, which then ends it.
    int guesses = 1;
    while (guesses < 50 && code_in(soft, made.share, kWrong) == kWrongSecret) ++guesses;
    CHECK(guesses == 32);
    CHECK(code_in(soft, made.share, kWrong) == kLocked);
    CHECK(soft.tool("tpm2_dictionarylockout -c") != 0);
}

TEST_CASE("a share that is destroyed is gone, and so it stays when it is done again") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine), other = make_in(soft, kOther);
    CHECK(indices_in(soft, kMine) == 1);
    destroy_in(soft, made.share.space);
    CHECK(code_in(soft, made.share) == kGone);
    CHECK(count_in(soft, made.share) == "none");
    destroy_in(soft, made.share.space);
    CHECK(indices_in(soft, kMine) == 0);
    CHECK(all_indices_in(soft) == 2);
    // The place of it may be somebody else's by then.
    const auto handle = fmt::format("{:#x}", made.share.space.handle);
    REQUIRE(soft.tool("tpm2_nvdefine " + handle + " -s 16") == 0);
    destroy_in(soft, made.share.space);
    CHECK(code_in(soft, made.share) == kGone);
    CHECK(all_indices_in(soft) == 3);
    destroy_in(soft, {other.share.space.handle, kMine});
    CHECK(code_in(soft, other.share) == "opens");
    // Nor is it taken for free.
    CHECK(make_in(soft, kMine).share.space.handle > other.share.space.handle);
}

TEST_CASE("two shares of one volume live beside each other while its PIN is changed") {
    SoftTpm soft;
    const auto before = make_in(soft, kMine), after = make_in(soft, kMine, kWrong);
    CHECK(indices_in(soft, kMine) == 2);
    CHECK(code_in(soft, before.share, kRight) == "opens");
    CHECK(code_in(soft, after.share, kWrong) == "opens");
    CHECK(text_of(before.bytes) != text_of(after.bytes));
    destroy_in(soft, before.share.space);
    CHECK(code_in(soft, after.share, kWrong) == "opens");
    CHECK(indices_in(soft, kMine) == 1);
}

TEST_CASE("a TPM that refuses at any command leaves nothing half made, and counts nothing") {
    SoftTpm soft;
    make_in(soft, kOther);
    const auto refuse_after = [&](std::size_t commands) {
        // What was not let go in the last round, because just that was refused.
        soft.pull_plug();
        soft.start();
        soft.refusals.assign(commands, TSS2_RC_SUCCESS);
        soft.refusals.push_back(TPM2_RC_FAILURE);
    };
    std::size_t commands = 0, refused = 0;
    for (;; ++commands) {
        refuse_after(commands);
        auto tpm = open(soft);
        const auto made = make_share(tpm, kMine, stretched(kRight));
        const bool whole = !soft.refusals.empty();
        soft.refusals.clear();
        if (made) destroy_in(soft, made->share.space);
        CHECK(all_indices_in(soft) == 2);
        if (whole) break;
        refused += made ? 0 : 1;
    }
    CHECK(refused > 25);
    const auto made = make_in(soft, kMine);
    for (commands = refused = 0;; ++commands) {
        refuse_after(commands);
        const auto code = code_in(soft, made.share, kRight);
        const bool whole = !soft.refusals.empty();
        soft.refusals.clear();
        CHECK(code != kWrongSecret);
        CHECK(code != kNever);
        CHECK(count_in(soft, made.share) == "0 of 20");
        if (whole) break;
        refused += code == "opens" ? 0 : 1;
    }
    CHECK(refused > 8);
}

TEST_CASE("a TPM that is busy is asked again, and counts each wrong PIN once") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    for (const TSS2_RC busy : {TPM2_RC_RETRY, TPM2_RC_NV_RATE}) {
        soft.refusals.assign(12, busy);
        CHECK(code_in(soft, made.share, kRight) == "opens");
        CHECK(soft.refusals.empty());
        soft.refusals.assign(12, busy);
        CHECK(code_in(soft, made.share, kWrong) == kWrongSecret);
        CHECK(count_in(soft, made.share) == "1 of 20");
    }
}

TEST_CASE("power that goes at any command while a share is made leaves what is found again") {
    std::size_t commands = 0;
    for (;; ++commands) {
        SoftTpm soft;
        // A way that breaks for good: nothing can be undone either.
        soft.refusals.assign(commands, TSS2_RC_SUCCESS);
        soft.refusals.insert(soft.refusals.end(), 200, TSS2_TCTI_RC_IO_ERROR);
        {
            auto tpm = soft.open();
            if (tpm && make_share(*tpm, kMine, stretched(kRight))) break;
        }
        soft.refusals.clear();
        soft.pull_plug();
        soft.start();
        auto tpm = open(soft);
        const auto found = shares_of(tpm, kMine);
        REQUIRE(found);
        CHECK(found->size() <= 1);
        for (const auto& space : *found) CHECK(destroy_share(tpm, space));
        const auto left = nv_handles(tpm, kFirstPin, kLastPin);
        REQUIRE(left);
        CHECK(left->empty());
    }
    CHECK(commands > 15);
}

TEST_CASE("a TPM that was cleared, or is another one, is told of") {
    SoftTpm soft, another;
    const auto made = make_in(soft, kMine);
    const auto elsewhere = try_in(another, made.share, kRight);
    REQUIRE_FALSE(elsewhere);
    CHECK(elsewhere.error().code == Code::not_found);
    CHECK_THAT(elsewhere.error().message(), Contains("not the one"));
    CHECK(count_in(another, made.share) == "none");
    // Not by whoever has the owner's rights: the lockout's password is nobody's.
    CHECK(soft.tool("tpm2_clear") != 0);
    REQUIRE(soft.tool("tpm2_clear -c p") == 0);
    CHECK(code_in(soft, made.share) == kGone);
    CHECK(count_in(soft, made.share) == "none");
    destroy_in(soft, made.share.space);
}

TEST_CASE("others' guesses lock the share for a time, which costs no try") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    REQUIRE(soft.tool("tpm2_nvdefine 0x1800001 -s 8 -a 'authread|authwrite' -p right") == 0);
    for (int i = 0; i < 32; ++i) soft.tool("tpm2_nvread 0x1800001 -C 0x1800001 -P wrong");
    const auto locked = try_in(soft, made.share, kRight);
    REQUIRE_FALSE(locked);
    CHECK(locked.error().code == Code::busy);
    CHECK_THAT(locked.error().message(), Contains("locked after wrong secrets"));
    CHECK(count_in(soft, made.share) == "0 of 20");
}

TEST_CASE("a lockout that is in somebody's hands stays there") {
    SoftTpm soft;
    REQUIRE(soft.tool("tpm2_dictionarylockout -s -n 7 -t 77 -l 77") == 0);
    REQUIRE(soft.tool("tpm2_changeauth -c lockout theirs") == 0);
    make_in(soft, kMine);
    CHECK(soft.tool("tpm2_dictionarylockout -c -p theirs") == 0);
    CHECK(soft.tool("tpm2_getcap properties-variable | grep -q 'LOCKOUT_INTERVAL: 0x4D'") == 0);
}

TEST_CASE("an owner's password is in the way, and said to be") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    REQUIRE(soft.tool("tpm2_changeauth -c owner secret") == 0);
    const auto refused = try_in(soft, made.share, kRight);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().fix, Contains("owner hierarchy has a password"));
    REQUIRE(soft.tool("tpm2_changeauth -c owner -p secret ''") == 0);
    CHECK(code_in(soft, made.share) == "opens");
}

TEST_CASE("a listener between processor and TPM learns neither PIN nor share") {
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    CHECK(code_in(soft, made.share) == "opens");
    CHECK(code_in(soft, made.share, kWrong) == kWrongSecret);
    const auto hears = [&](const std::string& what) {
        return soft.heard.find(what) != soft.heard.npos;
    };
    CHECK_FALSE(hears(text_of(made.bytes)));
    CHECK_FALSE(hears(text_of(made.bytes).substr(0, 8)));
    for (const auto pin : {kRight, kWrong}) {
        CHECK_FALSE(hears(std::string(pin.substr(0, 8))));
        for (const auto use : {Use::count, Use::share, Use::keyslot}) {
            const auto key = derive(stretched(pin), use);
            REQUIRE(key);
            CHECK_FALSE(hears(text_of(*key).substr(0, 8)));
        }
    }
    // What is no secret is heard: the ear is at the right place.
    const auto name = name_of(count_public(made.share.space));
    CHECK(hears(std::string(reinterpret_cast<const char*>(name.name), name.size)));
}

TEST_CASE("a TPM that does not answer is not waited for longer than it may take") {
    using namespace std::chrono_literals;
    SoftTpm soft;
    const auto made = make_in(soft, kMine);
    auto tpm = soft.open(500ms);
    REQUIRE(tpm);
    soft.halt();
    const auto begin = std::chrono::steady_clock::now();
    const auto late = open_share(*tpm, made.share, stretched(kRight));
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
    soft.go_on();
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Code::timed_out);
    CHECK_THAT(late.error().message(), Contains("does not answer"));
}

TEST_CASE("a keyslot's secret is of the share and of the PIN") {
    const auto share = stretched("a share of thirty-two bytes, so!"),
               other = stretched("a share of thirty-two bytes, no!");
    const auto secret = keyslot_secret(share, stretched(kRight));
    REQUIRE(secret);
    CHECK(secret->bytes().size() == 32);
    CHECK(text_of(*keyslot_secret(share, stretched(kRight))) == text_of(*secret));
    CHECK(text_of(*keyslot_secret(other, stretched(kRight))) != text_of(*secret));
    CHECK(text_of(*keyslot_secret(share, stretched(kWrong))) != text_of(*secret));
}
