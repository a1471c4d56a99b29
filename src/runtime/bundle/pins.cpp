// bundle: whether images and hooks are what a bundle pins. Reads them, changes nothing but the
// notes it keeps of what it has read.
#include "runtime/bundle/pins.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/file_hash.h"
#include "base/regular_file.h"

namespace pmos::bundle {
namespace {

constexpr std::size_t kMaxNotes = 4U << 20;

std::string note_of(const VerifiedPin& pin, const std::string& sha256) {
    const auto& id = pin.identity;
    return fmt::format("{} {} {} {} {} {} {}\n", sha256, id.device, id.inode, id.size,
                       id.modified_ns, id.changed_ns, pin.path);
}

void keep(const std::string& path, const std::string& notes) {
    // Lost notes cost time at the next start, nothing else.
    const std::string fresh = path + ".new";
    const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd && ::write(fd.get(), notes.data(), notes.size()) == static_cast<ssize_t>(notes.size()))
        ::rename(fresh.c_str(), path.c_str());
}

}  // namespace

Result<VerifiedPin> PinCheck::check(const policy::Pin& pin, std::string& notes) const {
    VerifiedPin out;
    out.path = pin.path.starts_with('/')
                   ? pin.path
                   : (pin.kind == policy::Pin::Kind::image ? images_ : hooks_) + "/" + pin.path;
    const auto differs = [&](std::string why) {
        return fail(Code::failed,
                    fmt::format("the {} '{}' is not the one of this policy",
                                policy::pin_kind_name(pin.kind), out.path),
                    std::move(why), "install the image or hook that the bundle was packed with");
    };
    PMOS_ASSIGN(out.identity, identity_of(out.path));
    if (notes.find(note_of(out, pin.sha256)) != notes.npos) return out;
    PMOS_ASSIGN(const auto hash, hash_file(out.path));
    // What was changed while it was read has another identity now.
    PMOS_ASSIGN(const auto after, identity_of(out.path));
    if (!(after == out.identity)) return differs("it was changed while it was read");
    if (hash.size != pin.size)
        return differs(fmt::format("it has {} bytes, not {}", hash.size, pin.size));
    if (hash.sha256 != pin.sha256)
        return differs(fmt::format("its SHA-256 is {}, not {}", hash.sha256, pin.sha256));
    notes += note_of(out, pin.sha256);
    return out;
}

Result<std::vector<VerifiedPin>> PinCheck::check(const policy::Bundle& bundle) const {
    const std::string before =
        notes_.empty() ? "" : read_regular_file(notes_, kMaxNotes).value_or("");
    std::string notes = before;
    std::vector<VerifiedPin> out;
    for (const auto& pin : bundle.pins) {
        PMOS_ASSIGN(auto verified, check(pin, notes));
        out.push_back(std::move(verified));
    }
    if (!notes_.empty() && notes != before && notes.size() < kMaxNotes) keep(notes_, notes);
    return out;
}

}  // namespace pmos::bundle
