// modem: which message is whose, across restarts. On the storage is a digest of each and a mode's
// name, nothing of a number or a text.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/modem/radio.h"

namespace pmos::modem {

// Of a message as the modem keeps it; the same in every life of ModemManager.
std::string digest_of(const std::string& line_id, const RadioText& text);

class Owners {
  public:
    // A file that cannot be read is left as it is, and it is not known whose any message was.
    static Owners open(const std::string& dir);
    // Why that is; no rule may give a message away that was another mode's.
    const std::optional<Error>& unread() const noexcept { return unread_; }

    // "" where nobody was.
    std::string find(const std::string& digest) const;
    // Without waiting for the storage: what a power cut takes goes by the rules again, and a
    // storage that hangs must not hold a call up.
    Result<> keep(const std::string& digest, const std::string& mode);
    Result<> forget(const std::string& digest);

  private:
    Result<> append(const std::string& line);
    std::map<std::string, std::string> owners_;
    UniqueFd file_;
    std::optional<Error> unread_;
};

// What a file holds, of lines "DIGEST MODE" and, of a message that is gone, "DIGEST -"; what is
// cut short or makes no sense is left out. Pure.
std::map<std::string, std::string> read_owners(std::string_view bytes);

}  // namespace pmos::modem
