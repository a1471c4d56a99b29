// volume: the keys of a mode's tunnel and the files that have them: its own (X25519), and a
// symmetric one for each peer that is to have one (wg(8): preshared). Knows no request. A key is in
// a SecretBuffer and in its file, and nowhere else.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/secret.h"
#include "policy/x25519.h"

namespace pmos::volume {

inline constexpr std::size_t kTunnelKeyBytes = 32;

// Which key, and so which file of the private part.
struct TunnelKeyFile {
    std::string name, what;  // "key of a tunnel"
};
TunnelKeyFile own_key_file();
TunnelKeyFile preshared_key_file(const policy::PublicKey& peer);

Result<SecretBuffer> make_tunnel_key();
// Out of one line, base64 of 32 bytes as `wg genkey` writes it. Code::usage: it is none.
Result<SecretBuffer> parse_tunnel_key(const SecretBuffer& line);
// The same, as `wg genpsk` writes it.
Result<SecretBuffer> parse_preshared_key(const SecretBuffer& line);
// In base64.
Result<std::string> public_key_of(const SecretBuffer& key);

// Of the directory `part`. Code::not_found: there is none.
Result<SecretBuffer> load_tunnel_key(BorrowedFd part, const TunnelKeyFile& file = own_key_file());
// On the storage, whole, when it returns; before that the one that was there. Code::already_exists:
// there is one, and it is not to be replaced.
Result<> store_tunnel_key(BorrowedFd part, const SecretBuffer& key, bool replaces,
                          const TunnelKeyFile& file = own_key_file());

}  // namespace pmos::volume
