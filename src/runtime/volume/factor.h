// volume: the ways into a volume, as its header tells them. Tries none, opens none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// A keyslot, and what has to be had to open it.
struct Factor {
    std::string method;  // as profiles have it; of an unknown token its type
    int keyslot = -1;
    int token = -1;    // none speaks of the keyslot: the secret is its passphrase
    std::string type;  // of the token
    std::string json;  // the token
};

// What a token says, "" where it does not. Tokens come with the volume and may say anything.
class TokenText {
  public:
    // Code::failed: it is none.
    static Result<TokenText> parse(const std::string& json);
    const std::string& type() const { return type_; }
    const std::vector<int>& keyslots() const { return keyslots_; }
    std::string text(std::string_view member) const;
    bool flag(std::string_view member) const;
    std::vector<int> numbers(std::string_view member) const;

  private:
    std::string type_;
    std::vector<int> keyslots_;
    std::vector<std::pair<std::string, std::string>> members_;  // those that are texts or booleans
    std::vector<std::pair<std::string, std::vector<int>>> lists_;  // those that are of numbers
};

// Ordered by keyslot. bare: what the profile calls a secret that no token speaks of.
std::vector<Factor> factors_of(const CryptDevice& crypt, std::string_view bare);

}  // namespace pmos::volume
