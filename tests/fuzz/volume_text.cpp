// fuzz: any bytes as what stands on a volume's storage and whoever has that may change: the tokens
// of its header, and the count of wrong secrets. What is accepted is within its bounds, and reads
// the same once it was written.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

#include "policy/hash.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/fido2_token.h"
#include "runtime/volume/key_rotation.h"
#include "runtime/volume/keyslot_change.h"
#include "runtime/volume/throttle.h"
#include "runtime/volume/tpm_token.h"

using namespace pmos::volume;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

template <class Mark>
void take_mark(const std::string& bytes) {
    const auto mark = Mark::parse(bytes);
    if (!mark) return;
    const auto again = Mark::parse(mark->token());
    require(again && again->token() == mark->token());
}

// nullopt: it is refused.
template <class Token>
std::optional<Token> take_token(const std::string& bytes) {
    const auto token = Token::parse(bytes);
    if (!token) {
        require(!token.error().what.empty());
        return std::nullopt;
    }
    const auto again = Token::parse(token->text());
    require(again && again->text() == token->text());
    return *token;
}

void take_count(std::string_view bytes) {
    const auto attempts = read_record(bytes);
    if (!attempts) return;
    const auto again = read_record(write_record(*attempts));
    require(again && again->failures == attempts->failures && again->writes == attempts->writes);
    // As much later as may be in the same boot, and in another one: it never frees an attempt that
    // a later failure would not have.
    const BootMoment now{attempts->last.boot_id, attempts->last.since_boot};
    const auto wait = remaining(*attempts, now), more = remaining(attempts->failed(now), now);
    require(!more || (wait && *wait <= *more));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    static_cast<void>(TokenText::parse(bytes));
    take_mark<DuressMark>(bytes);
    take_mark<KeyRotation>(bytes);
    take_mark<KeyslotChange>(bytes);
    if (const auto token = take_token<TpmToken>(bytes)) {
        require(pmos::tpm::is_pin_handle(token->share.space.handle));
        require(token->cost.lanes > 0 && token->cost.memory_kib >= 8 * token->cost.lanes);
    }
    if (const auto token = take_token<Fido2Token>(bytes))
        require(token->salt.size() == Fido2Token::kSaltBytes && !token->credential.empty());
    take_count(bytes);
    // No fuzzer finds a digest.
    take_count(bytes + "sum " + pmos::policy::sha256_hex(std::as_bytes(std::span(bytes))) + "\n");
    return 0;
}
