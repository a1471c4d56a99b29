// volume: the secret that destroys what it pretends to open, as the header keeps it. Destroys
// nothing itself; never logs.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/volume/crypt.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/secret_hash.h"

namespace pmos::volume {

// A LUKS2 token "pmos-duress". Every volume that a person's secret opens has one from its making
// on, with random bytes for a hash until a duress secret is set and after it is removed: that it is
// there tells nothing. Its cost is its own, so that it outlives a change of the other secret.
struct DuressMark {
    HashBytes salt{}, hash{};
    KeyslotCost cost;

    std::string token() const;
    // Empty: it is another token.
    static std::optional<DuressMark> parse(std::string_view token);
};

// Of this header; empty: it has none.
std::optional<DuressMark> duress_mark(const CryptDevice& crypt);
// In place of what there is; an empty secret: none, but the mark. Code::unsupported: nothing that
// is typed has Argon2, so a guess at the mark would cost less than one at the volume.
Result<void> set_duress(CryptDevice& crypt, std::span<const std::byte> secret);
// A header that was made by an earlier pmos gets its mark; one without Argon2 has none.
Result<void> ensure_duress_mark(CryptDevice& crypt);
// Code::usage: it is the duress secret, which must stay another than the one that opens.
Result<void> check_not_duress(const CryptDevice& crypt, std::span<const std::byte> secret);

// What judge() is to know of this volume, but how it is destroyed.
Guard guard_of(const Request& request, const CryptDevice& crypt);

}  // namespace pmos::volume
