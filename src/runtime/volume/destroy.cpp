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

#include "base/fault_points.h"
#include "runtime/volume/ending.h"
#include "runtime/volume/factor.h"
#include "runtime/volume/header.h"
#include "runtime/volume/method.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/request.h"
#include "runtime/volume/source.h"
#include "runtime/volume/undo_header.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

constexpr std::uint64_t kFirstBlow = 4096, kPart = 1 << 20;
// Of a header as pmos makes it.
constexpr std::size_t kBothMetadata = 32 << 10;
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
    std::string header;  // "": nothing is there that could open
};

Result<Place> place_of_file(std::string path) {
    if (::access(path.c_str(), F_OK) == 0) return Place{std::nullopt, std::move(path)};
    if (errno == ENOENT) return Place{};
    return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
}

// Neither does pmos open it then.
bool is_no_volume(const Error& error) {
    return error.code == Code::usage || error.sys_errno == ENOENT || error.sys_errno == ENOTDIR ||
           error.sys_errno == ELOOP;
}

// Through the device that an open volume stands on.
Result<Place> place_of(const Request& request) {
    if (!text(request.header).empty()) return place_of_file(std::string(text(request.header)));
    const std::string dm_name(text(request.dm_name));
    if (mapping_state(dm_name) != Mapping::absent)
        if (const auto open = CryptDevice::of_mapping(dm_name))
            return Place{std::nullopt, open->header_device()};
    auto device = SourceDevice::attach(request, false);
    if (!device && is_no_volume(device.error())) return Place{};
    if (!device) return fail(std::move(device.error()));
    const std::string header = device->header();
    return Place{std::move(*device), header};
}

// As if it was asked for that one; what it has open is not known by this.
std::vector<Request> requests_for_others(const Request& request) {
    std::vector<Request> requests;
    for (const auto& volume : other_volumes(request)) {
        Request& other = requests.emplace_back(request);
        for (const std::span<char> field :
             {std::span<char>(other.source), std::span<char>(other.header),
              std::span<char>(other.dm_name)})
            std::ranges::fill(field, '\0');
        volume.source.copy(other.source, sizeof other.source - 1);
        volume.header.copy(other.header, sizeof other.header - 1);
        other.block_device = volume.block_device ? 1 : 0;
    }
    return requests;
}

// Where libcryptsetup finds none, it may only be that it could not read.
Result<void> check_readable(const std::string& device) {
    const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    std::vector<std::byte> both(kBothMetadata);
    if (!fd || ::pread(fd.get(), both.data(), both.size(), 0) < 0)
        return fail(errno_error(errno, fmt::format("cannot read '{}'", device)));
    return {};
}

Result<void> destroy_keyslots_on(const std::string& header) {
    PMOS_ASSIGN(auto crypt, CryptDevice::of_device(header));
    if (auto loaded = crypt.load(); !loaded)
        return loaded.error().sys_errno == EINVAL ? check_readable(header) : loaded;
    return overwrite_keyslots(header, crypt.keyslot_areas());
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

void maybe_die_at(const char* moment) {
    if constexpr (!kFaultPoints) return;
    const UniqueFd file(::open("/run/pmos/fail-step", O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t n = file ? ::read(file.get(), text, sizeof text) : 0;
    std::string_view step(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    if (step.ends_with('\n')) step.remove_suffix(1);
    if (step == fmt::format("destroy/{}", moment)) ::kill(::getpid(), SIGKILL);
}

std::vector<Area> first_blows(std::vector<Area> areas) {
    const auto part = [](const Area& area) { return std::min(kFirstBlow, area.length); };
    std::ranges::sort(areas, {}, &Area::offset);
    std::vector<Area> blows;
    for (auto first = areas.begin(); first != areas.end();) {
        const std::uint64_t begin = first->offset + first->length - part(*first);
        auto next = std::next(first);
        Area blow{first->offset, part(*first)};
        for (; next != areas.end() && next->offset + part(*next) - begin <= kPart; ++next)
            blow = {begin, next->offset + part(*next) - begin};
        blows.push_back(blow);
        first = next;
    }
    return blows;
}

Result<void> overwrite_keyslots(const std::string& device, const std::vector<Area>& areas) {
    PMOS_ASSIGN(const UniqueFd fd, open_to_write(device));
    Result<void> all;
    const auto keep_going = [&](Result<void> one) {
        if (all && !one) all = std::move(one);
    };
    for (const auto& blow : first_blows(areas)) {
        keep_going(overwrite(fd.borrow(), blow));
        maybe_die_at("first-write");
    }
    keep_going(sync(fd.borrow()));
    maybe_die_at("first-blow");
    for (const auto& area : areas) keep_going(overwrite(fd.borrow(), area));
    keep_going(sync(fd.borrow()));
    return all;
}

namespace {

Destroyed destroy_all(const Request& request, Result<Place> own) {
    maybe_die_at("begin");
    // A storage that takes no new file any more takes the keys with it all the same.
    static_cast<void>(mark_ending(request));
    maybe_die_at("marked");
    Destroyed all;
    const auto keep_going = [&all](Result<void> one) {
        if (all.keyslots && !one) all.keyslots = std::move(one);
    };
    bool worked_on = is_being_reencrypted(request);
    std::vector<Place> first, then;
    const auto add = [&](std::vector<Place>& places, Result<Place> found) {
        if (!found) return keep_going(fail(std::move(found.error())));
        if (!found->header.empty()) places.push_back(std::move(*found));
    };
    for (auto& kept : kept_headers(request)) add(first, place_of_file(std::move(kept)));
    add(first, std::move(own));
    for (const auto& other : requests_for_others(request)) {
        worked_on = worked_on || is_being_reencrypted(other);
        add(then, place_of(other));
    }
    Outside outside(request);
    for (const auto* places : {&first, &then})
        for (const auto& place : *places) outside.destroy_for(place.header);
    for (const auto& place : first) keep_going(destroy_keyslots_on(place.header));
    maybe_die_at("keyslots");
    for (const auto& place : then) keep_going(destroy_keyslots_on(place.header));
    // Also what is no header yet, of a worker that was killed while it kept one.
    keep_going(forget_all_headers(request));
    if (all.keyslots && !worked_on) static_cast<void>(unmark_ending(request));
    all.outside = std::move(outside).all();
    return all;
}

}  // namespace

Destroyed destroy_keyslots(const Request& request, const std::string& header) {
    return destroy_all(request, Place{std::nullopt, header});
}

void destroy_unseen(const Request& request, const CryptDevice& crypt) {
    auto place = place_of(request);
    // Who only looks has a device of its own, which cannot be written to.
    if (!place || place->header.empty()) place = Place{std::nullopt, crypt.header_device()};
    static_cast<void>(destroy_all(request, std::move(place)));
}

Result<bool> finish_destruction(const Request& request) {
    PMOS_ASSIGN(const bool ending, is_ending(request));
    if (!ending) return false;
    const auto destroyed = destroy_all(request, place_of(request));
    if (destroyed.keyslots) return true;
    const int fault = destroyed.keyslots.error().sys_errno;
    // Whoever forces the user to enter something is not told what had been entered.
    return fail(errno_error(fault != 0 ? fault : EIO,
                            fmt::format("cannot write to the storage of {}", name_of(request)),
                            kIsItSound));
}

Result<void> wipe_header(const std::string& device) {
    std::uint64_t bytes = kHeaderBytes;
    if (auto crypt = CryptDevice::of_device(device); crypt && crypt->load())
        bytes = std::max(bytes, crypt->header_bytes());
    PMOS_ASSIGN(const UniqueFd fd, open_to_write(device));
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < 0) return fail(errno_error(errno, fmt::format("cannot measure '{}'", device)));
    bytes = std::min(bytes, static_cast<std::uint64_t>(size));
    return write_zeros(fd.borrow(), bytes, kFault);
}

}  // namespace pmos::volume
