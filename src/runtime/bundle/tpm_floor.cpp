// bundle: the version floor in an NV index of the TPM, which a writer of the phone's storage does
// not reach. Whoever commands the TPM does: docs/bundles.md says what that is worth.
#include "runtime/bundle/tpm_floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/bundle.h"

namespace pmos::bundle {
namespace {

using namespace std::chrono_literals;

// "pmos-fl1" and the version, its highest byte first.
using Record = std::array<std::byte, 16>;
constexpr std::string_view kMagic = "pmos-fl1";
static_assert(std::tuple_size_v<Record> == kFloorIndex.size);

Record encode(std::uint64_t version) {
    Record record{};
    std::ranges::copy(std::as_bytes(std::span(kMagic)), record.begin());
    for (std::size_t i = record.size(); i-- > kMagic.size(); version >>= 8U)
        record[i] = static_cast<std::byte>(version & 0xffU);
    return record;
}

Result<std::uint64_t> decode(std::span<const std::byte> bytes) {
    std::uint64_t version = 0;
    for (const std::byte b : bytes.subspan(kMagic.size()))
        version = version << 8U | std::to_integer<std::uint64_t>(b);
    if (!std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic))) ||
        version > policy::kMaxBundleVersion)
        return fail(Code::failed,
                    fmt::format("the TPM's NV index {:#x} holds no version", kFloorIndex.handle),
                    "something else has written there");
    return version;
}

}  // namespace

std::unique_ptr<FloorKeeper> make_tpm_keeper() {
    return std::make_unique<TpmFloor>([](bool expected) { return open_tpm(expected, {}); });
}

Result<tpm::Tpm> open_tpm(bool expected, const TpmPlace& place) {
    if (expected) return tpm::Tpm::open(place.device, place.comes_late);
    auto opened = tpm::Tpm::open(place.device, 0ms);
    if (opened || opened.error().code != Code::not_found || !tpm::is_announced(place.sys))
        return opened;
    opened = tpm::Tpm::open(place.device, place.comes_late);
    if (!opened && opened.error().code == Code::not_found)
        return fail(Code::failed, opened.error().what,
                    "the firmware names one, and its driver does not come",
                    "have it loaded before pmosd");
    return opened;
}

Result<tpm::Tpm*> TpmFloor::tpm(bool expected) {
    if (!tpm_) {
        PMOS_ASSIGN(auto opened, open_(expected));
        tpm_.emplace(std::move(opened));
    }
    return &*tpm_;
}

Result<std::optional<std::uint64_t>> TpmFloor::read(bool expected) {
    PMOS_ASSIGN(auto* const opened, tpm(expected));
    PMOS_ASSIGN(const auto index, tpm::NvIndex::find(*opened, kFloorIndex));
    // Power went between making and writing it.
    if (!index || !index->written()) return std::nullopt;
    PMOS_ASSIGN(const auto bytes, index->read());
    PMOS_ASSIGN(const auto version, decode(bytes));
    return version;
}

Result<> TpmFloor::raise(std::uint64_t version) {
    PMOS_ASSIGN(const auto kept, read(true));
    if (kept && *kept >= version) return {};
    PMOS_ASSIGN(auto index, tpm::NvIndex::find(*tpm_, kFloorIndex));
    if (!index) {
        PMOS_ASSIGN(index, tpm::NvIndex::define(*tpm_, kFloorIndex));
    }
    PMOS_TRY(index->write(encode(version)));
    // Believed once it is read back.
    PMOS_ASSIGN(const auto now, read(true));
    if (now != version)
        return fail(Code::failed, "the TPM has not kept the version floor",
                    fmt::format("{} was written, {} was read", version, now.value_or(0)));
    return {};
}

}  // namespace pmos::bundle
