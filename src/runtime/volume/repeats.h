// volume: the last wrong secrets of this boot, to know one that is entered again. Keeps nothing
// that is cheaper to guess than the volume itself.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "runtime/volume/secret_hash.h"

namespace pmos::volume {

// A file below /run: gone with the boot. It holds a salt and, of each of the last five, an Argon2
// hash at the full cost of the volume's own keyslot. A keyed hash with its key in memory would be
// quicker, but a wrong PIN is mostly a slip away from the right one: whoever reads the memory of a
// locked phone could find the slip in a moment, and the PIN beside it. So a guess at this file
// takes what a guess at the volume's header takes, and gains less.
class Repeats {
  public:
    static constexpr std::size_t kKept = 5;

    explicit Repeats(std::string path) : path_(std::move(path)) {}

    // Of those that are kept; random where there are none.
    Result<HashBytes> salt() const;
    bool has_any() const;
    // Whether it is one of the last wrong ones.
    bool knows(const SecretHash& hash) const;
    // The same; from now on it is. With another salt it begins anew.
    Result<bool> again(const SecretHash& hash);
    // The right one was given.
    Result<void> forget();

  private:
    std::string path_;
};

}  // namespace pmos::volume
