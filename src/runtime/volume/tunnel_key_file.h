// volume: the key of a mode's tunnel (X25519) and the file that has it. Knows no request. A key is
// in a SecretBuffer and in that file, and nowhere else.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/secret.h"

namespace pmos::volume {

inline constexpr std::size_t kTunnelKeyBytes = 32;

Result<SecretBuffer> make_tunnel_key();
// Out of one line, base64 of 32 bytes as `wg genkey` writes it. Code::usage: it is none.
Result<SecretBuffer> parse_tunnel_key(const SecretBuffer& line);
// In base64.
Result<std::string> public_key_of(const SecretBuffer& key);

// Of the directory `part`. Code::not_found: there is none.
Result<SecretBuffer> load_tunnel_key(BorrowedFd part);
// On the storage, whole, when it returns; before that the one that was there. Code::already_exists:
// there is one, and it is not to be replaced.
Result<> store_tunnel_key(BorrowedFd part, const SecretBuffer& key, bool replaces);

}  // namespace pmos::volume
