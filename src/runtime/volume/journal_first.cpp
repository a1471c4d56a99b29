// volume: that what a header speaks of is on the storage before that header. Writes nothing.
#include "runtime/volume/journal_first.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/volume/crypt.h"

namespace pmos::volume {
namespace {

constexpr std::string_view kHeaderNext = "Trying to write LUKS2 header";

Result<UniqueFd> open_device(const std::string& device) {
    UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", device)));
    return fd;
}

}  // namespace

Result<JournalFirst> JournalFirst::on(const std::string& header_device,
                                      const std::string& data_device) {
    PMOS_ASSIGN(UniqueFd header, open_device(header_device));
    PMOS_ASSIGN(UniqueFd data, open_device(data_device));
    return JournalFirst(std::move(header), std::move(data));
}

void JournalFirst::before(std::string_view step) noexcept {
    if (!step.starts_with(kHeaderNext)) return;
    told_ = true;
    if (::fsync(data_.get()) != 0 || ::fsync(header_.get()) != 0) fault_ = errno;
}

Result<void> JournalFirst::held() {
    if (fault_ != 0)
        return fail(
            errno_error(fault_, "cannot have the volume's storage keep its journal", kIsItSound));
    if (std::exchange(told_, false)) return {};
    return fail(Code::unsupported, "this libcryptsetup does not tell when it writes a header",
                "the loss of power could damage the volume meanwhile");
}

}  // namespace pmos::volume
