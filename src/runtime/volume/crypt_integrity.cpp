// volume: libcryptsetup as values and Results: the tags of a volume with integrity. Never logs.
#include <fmt/core.h>

#include <cerrno>
#include <optional>

#include "runtime/volume/crypt_context.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kPart = 1 << 20;

struct Telling {
    const std::function<Result<void>(std::uint32_t)>& tell;
    std::optional<Error> error;
};

// Not 0 ends it.
int tell_progress(std::uint64_t size, std::uint64_t offset, void* self) {
    auto& telling = *static_cast<Telling*>(self);
    auto told = telling.tell(static_cast<std::uint32_t>(offset * 1000 / std::max(size, 1UL)));
    if (!told) telling.error = std::move(told.error());
    return told ? 0 : 1;
}

}  // namespace

// Without the journal everything would be written twice; a volume that is cut short here is made
// anew.
Result<void> CryptDevice::map_untagged(const std::string& dm_name) {
    const int r =
        ::crypt_activate_by_volume_key(context_->cd, dm_name.c_str(), nullptr, 0,
                                       CRYPT_ACTIVATE_PRIVATE | CRYPT_ACTIVATE_NO_JOURNAL);
    if (r >= 0) return {};
    return fail(error(r, fmt::format("cannot map the new volume as '{}'", dm_name),
                      "are the kernel modules 'dm-crypt' and 'dm-integrity' there?"));
}

Result<void> CryptDevice::write_tags(
    const std::string& dm_name, const std::function<Result<void>(std::uint32_t permille)>& tell) {
    Telling telling{tell, {}};
    const int r = ::crypt_wipe(context_->cd, ("/dev/mapper/" + dm_name).c_str(), CRYPT_WIPE_ZERO, 0,
                               0, kPart, 0, tell_progress, &telling);
    if (telling.error) return fail(std::move(*telling.error));
    if (r >= 0) return {};
    return fail(error(r, "cannot write the tags of the new volume"));
}

}  // namespace pmos::volume
