// volume: a secret that a machine made and a person copies: 256 random bits as 64 letters that
// every keyboard has in the same place (modhex), in groups of eight. Never tries one.
#include "runtime/volume/recovery.h"

#include <sys/random.h>

#include <cerrno>
#include <string_view>

#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kLetters = "cbdefghijklnrtuv";
constexpr std::size_t kBytes = 32, kGroup = 8;
static_assert(kRecoveryText == 2 * kBytes + 2 * kBytes / kGroup - 1);

// The passphrase is the text with its dashes, and the token says no more than that: what
// systemd-cryptenroll(1) makes and reads.
Result<Enrolled> enroll(const Request&, const CryptDevice&, const SecretBuffer*) {
    PMOS_ASSIGN(auto key, make_recovery_key());
    return Enrolled{R"({"type":"systemd-recovery","keyslots":[]})", std::move(key)};
}

bool fits(const SecretBuffer& entered) { return normal_recovery_key(entered).has_value(); }

Result<SecretBuffer> passphrase(const Request&, const CryptDevice&, const Factor&,
                                const SecretBuffer& entered) {
    auto key = normal_recovery_key(entered);
    if (key) return std::move(*key);
    return fail(Code::wrong_secret, "this is no recovery key");
}

// Appends letters and puts the dashes between them.
class Writer {
  public:
    explicit Writer(SecretBuffer& into) : into_(into) {}
    void letter(char c) {
        if (letters_ != 0 && letters_ % kGroup == 0) put('-');
        put(c);
        ++letters_;
    }
    std::size_t letters() const { return letters_; }

  private:
    void put(char c) {
        into_.storage()[size_++] = static_cast<std::byte>(c);
        into_.set_size(size_);
    }
    SecretBuffer& into_;
    std::size_t size_ = 0, letters_ = 0;
};

}  // namespace

const Method kRecovery{.name = "recovery-key",
                       .token = "systemd-recovery",
                       .random = true,
                       .told = true,
                       .fits = fits,
                       .passphrase = passphrase,
                       .enroll = enroll};

Result<SecretBuffer> make_recovery_key() {
    PMOS_ASSIGN(auto random, SecretBuffer::make(kBytes));
    const auto room = random.storage().first(kBytes);
    if (::getrandom(room.data(), room.size(), 0) != static_cast<ssize_t>(room.size()))
        return fail(errno_error(errno, "cannot get random bytes for a recovery key"));
    PMOS_ASSIGN(auto key, SecretBuffer::make(kRecoveryText));
    Writer writer(key);
    for (const std::byte b : room) {
        writer.letter(kLetters[std::to_integer<std::size_t>(b >> 4)]);
        writer.letter(kLetters[std::to_integer<std::size_t>(b & std::byte{15})]);
    }
    return key;
}

std::optional<SecretBuffer> normal_recovery_key(const SecretBuffer& entered) {
    auto key = SecretBuffer::make(kRecoveryText);
    if (!key) return std::nullopt;
    Writer writer(*key);
    for (const std::byte b : entered.bytes()) {
        char c = std::to_integer<char>(b);
        if (c == '-' || c == ' ') continue;
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (kLetters.find(c) == kLetters.npos || writer.letters() == 2 * kBytes)
            return std::nullopt;
        writer.letter(c);
    }
    if (writer.letters() != 2 * kBytes) return std::nullopt;
    return std::move(*key);
}

}  // namespace pmos::volume
