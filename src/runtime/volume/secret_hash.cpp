// volume: what tells one secret from another without opening anything, never cheaper to guess at
// than a keyslot. Keeps nothing.
#include "runtime/volume/secret_hash.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "runtime/volume/stretch.h"

namespace pmos::volume {

Result<HashBytes> random_salt() {
    HashBytes salt{};
    if (::getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size()))
        return fail(errno_error(errno, "cannot get random bytes"));
    return salt;
}

Result<SecretHash> hash_secret(std::span<const std::byte> secret, const HashBytes& salt,
                               const KeyslotCost& cost) {
    SecretHash hash;
    hash.salt = salt;
    std::array<char, sizeof hash.duress + sizeof hash.repeat> both{};
    PMOS_TRY(stretch(secret, std::as_bytes(std::span(salt)), cost,
                     std::as_writable_bytes(std::span(both))));
    std::copy_n(both.begin(), hash.duress.size(), hash.duress.begin());
    std::copy_n(both.begin() + sizeof hash.duress, hash.repeat.size(), hash.repeat.begin());
    return hash;
}

}  // namespace pmos::volume
