// volume: the last wrong secrets of this boot, to know one that is entered again. Keeps nothing
// that is cheaper to guess than the volume itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "runtime/volume/secret_hash.h"

namespace pmos::volume {

// A bit each; LUKS2 has 32.
using Keyslots = std::uint32_t;
constexpr Keyslots only(int keyslot) { return Keyslots{1} << keyslot; }

// A file below /run: gone with the boot. It holds a salt and, of each of the last five, an Argon2
// hash at the full cost of the volume's own keyslot. A keyed hash with its key in memory would be
// quicker, but a wrong PIN is mostly a slip away from the right one: whoever reads the memory of a
// locked phone could find the slip in a moment, and the PIN beside it. So a guess at this file
// takes what a guess at the volume's header takes, and gains less. Beside each hash stands where
// the secret was wrong: at an authenticator that was not plugged in it may be the right one.
class Repeats {
  public:
    static constexpr std::size_t kKept = 5;

    explicit Repeats(std::string path) : path_(std::move(path)) {}

    // Of those that are kept; random where there are none.
    Result<HashBytes> salt() const;
    bool has_any() const;
    // Where it was wrong; nothing: it is none of the last wrong ones.
    std::optional<Keyslots> knows(const SecretHash& hash) const;
    // Whether it is one of them; from now on it is, there as well. With another salt it begins
    // anew.
    Result<bool> again(const SecretHash& hash, Keyslots wrong_at);
    // The right one was given.
    Result<void> forget();

  private:
    std::string path_;
};

}  // namespace pmos::volume
