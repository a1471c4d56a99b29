// volume: makes unreadable what opens a mode's volumes, on the storage. Knows no secret, asks
// nobody, and touches no data; never logs.
#include "runtime/volume/destroy.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/volume/ending.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/method.h"
#include "runtime/volume/source.h"
#include "runtime/volume/undo_header.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr std::uint64_t kFirstBlow = 4096, kPart = 1 << 20;
constexpr const char* kFault = "cannot overwrite a keyslot";

Result<UniqueFd> open_to_write(const std::string& device) {
    UniqueFd fd(::open(device.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", device)));
    return fd;
}

Result<void> fill_random(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::getrandom(bytes.data(), bytes.size(), 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return fail(errno_error(errno, "cannot get random bytes"));
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> sync(BorrowedFd fd) {
    if (::fsync(fd.get()) == 0) return {};
    return fail(errno_error(errno, kFault));
}

Result<void> overwrite(BorrowedFd fd, Area area) {
    std::vector<std::byte> noise;
    for (std::uint64_t done = 0; done < area.length; done += noise.size()) {
        noise.resize(std::min(kPart, area.length - done));
        PMOS_TRY(fill_random(noise));
        PMOS_TRY(write_at(fd, noise, area.offset + done, kFault));
    }
    return {};
}

// Where a header is, as long as this lives.
struct Place {
    std::optional<SourceDevice> device;
    std::string header;
};

std::vector<Place> places_of_others(const Request& request) {
    std::vector<Place> places;
    for (const auto& volume : other_volumes(request)) {
        if (!volume.header.empty()) {
            places.push_back({std::nullopt, volume.header});
            continue;
        }
        Request other = request;
        std::ranges::fill(other.source, '\0');
        std::ranges::fill(other.header, '\0');
        volume.source.copy(other.source, sizeof other.source - 1);
        other.block_device = volume.block_device ? 1 : 0;
        auto device = SourceDevice::attach(other, false);
        if (!device) continue;
        const std::string header = device->header();
        places.push_back({std::move(*device), header});
    }
    return places;
}

// Through the device that an open volume stands on; who only looks has a device of its own, which
// cannot be written to.
Place place_to_write(const Request& request, const std::string& otherwise) {
    if (!text(request.header).empty()) return {std::nullopt, std::string(text(request.header))};
    const std::string dm_name(text(request.dm_name));
    if (mapping_state(dm_name) != Mapping::absent)
        if (const auto open = CryptDevice::of_mapping(dm_name))
            return {std::nullopt, open->header_device()};
    auto device = SourceDevice::attach(request, false);
    if (!device) return {std::nullopt, otherwise};
    const std::string header = device->header();
    return {std::move(*device), header};
}

void destroy_keyslots_on(const std::string& header) {
    auto crypt = CryptDevice::of_device(header);
    if (crypt && crypt->load())
        static_cast<void>(overwrite_keyslots(header, crypt->keyslot_areas()));
}

// What headers speak of that is outside of them.
class Outside {
  public:
    explicit Outside(const Request& request) : request_(request) {}

    void destroy_for(const std::string& header) {
        auto crypt = CryptDevice::of_device(header);
        if (!crypt || !crypt->load()) return;
        for (const auto& token : crypt->tokens())
            if (const auto said = TokenText::parse(token.json); said && !is_lost_)
                note(destroy_outside(request_, said->type(), token.json));
    }
    Result<void> all() && { return std::move(all_); }

  private:
    // Whoever waited for one that does not answer would be waited for by the keyslots.
    void note(Result<void> one) {
        if (one) return;
        const Error& error = one.error();
        is_lost_ = error.code == Code::timed_out || error.sys_errno != 0;
        if (all_) all_ = std::move(one);
    }

    const Request& request_;
    bool is_lost_ = false;
    Result<void> all_;
};

}  // namespace

void maybe_die_at([[maybe_unused]] const char* moment) {
#ifdef PMOS_FAULTS
    const UniqueFd file(::open("/run/pmos/fail-step", O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : 0;
    std::string_view step(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (step.ends_with('\n')) step.remove_suffix(1);
    if (step == fmt::format("destroy/{}", moment)) ::kill(::getpid(), SIGKILL);
#endif
}

Result<void> overwrite_keyslots(const std::string& device, const std::vector<Area>& areas) {
    PMOS_ASSIGN(const UniqueFd fd, open_to_write(device));
    Result<void> all;
    const auto keep_going = [&](Result<void> one) {
        if (all && !one) all = std::move(one);
    };
    for (const auto& area : areas) {
        keep_going(overwrite(fd.borrow(), {area.offset, std::min(kFirstBlow, area.length)}));
        maybe_die_at("first-write");
    }
    keep_going(sync(fd.borrow()));
    maybe_die_at("first-blow");
    for (const auto& area : areas) keep_going(overwrite(fd.borrow(), area));
    keep_going(sync(fd.borrow()));
    return all;
}

Result<void> destroy_keyslots(const Request& request, const std::string& header) {
    maybe_die_at("begin");
    // A storage that takes no new file any more takes the keys with it all the same.
    static_cast<void>(mark_ending(request));
    maybe_die_at("marked");
    auto own = kept_headers(request);
    own.push_back(header);
    const auto others = places_of_others(request);
    Outside outside(request);
    for (const auto& place : own) outside.destroy_for(place);
    for (const auto& place : others) outside.destroy_for(place.header);
    for (const auto& place : own) destroy_keyslots_on(place);
    maybe_die_at("keyslots");
    for (const auto& place : others) destroy_keyslots_on(place.header);
    // Also what is no header yet, of a worker that was killed while it kept one.
    static_cast<void>(forget_all_headers(request));
    static_cast<void>(unmark_ending(request));
    return std::move(outside).all();
}

void destroy_unseen(const Request& request, const CryptDevice& crypt) {
    const Place place = place_to_write(request, crypt.header_device());
    static_cast<void>(destroy_keyslots(request, place.header));
}

bool finish_destruction(const Request& request) {
    if (!is_ending(request)) return false;
    const Place place = place_to_write(request, "");
    static_cast<void>(destroy_keyslots(request, place.header));
    return true;
}

Result<void> wipe_header(const std::string& device) {
    std::uint64_t bytes = kHeaderBytes;
    if (auto crypt = CryptDevice::of_device(device); crypt && crypt->load())
        bytes = std::max(bytes, crypt->header_bytes());
    PMOS_ASSIGN(const UniqueFd fd, open_to_write(device));
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < 0) return fail(errno_error(errno, fmt::format("cannot measure '{}'", device)));
    bytes = std::min(bytes, static_cast<std::uint64_t>(size));
    const std::vector<std::byte> zeros(kPart);
    for (std::uint64_t at = 0; at < bytes; at += kPart)
        PMOS_TRY(
            write_at(fd.borrow(), std::span(zeros).first(std::min(kPart, bytes - at)), at, kFault));
    return sync(fd.borrow());
}

}  // namespace pmos::volume
