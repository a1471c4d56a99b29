// volume: that what a header speaks of is on the storage before that header. Writes nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::volume {

// libcryptsetup (2.6 to 2.8, LUKS2_keyslot_reencrypt_store) writes the journal and then the header,
// and has the storage flush its cache once, behind both: if that has let go of the header first,
// and the power goes, the piece is mended by what the journal held before. A piece that is mended
// (reencrypt_recovery) is not flushed before the header that says so, either. But libcryptsetup
// tells of each header before it writes it.
class JournalFirst {
  public:
    static Result<JournalFirst> on(const std::string& header_device,
                                   const std::string& data_device);
    void before(std::string_view step) noexcept;
    // Asked after each piece: whether what was written before its headers was flushed before them.
    // A fault of the storage is told again and again.
    Result<void> held();

  private:
    JournalFirst(UniqueFd header, UniqueFd data)
        : header_(std::move(header)), data_(std::move(data)) {}

    UniqueFd header_, data_;
    bool told_ = false;
    int fault_ = 0;
};

}  // namespace pmos::volume
