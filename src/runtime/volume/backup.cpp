// volume: the header of a volume into a file of the caller's, and back out of it. The file's bytes
// are taken over before they are looked at; never logs.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/volume/files.h"
#include "runtime/volume/header.h"
#include "runtime/volume/undo_header.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

// LUKS2's largest: two copies of 4 MiB and 128 MiB of keyslots.
constexpr std::uint64_t kMaxHeader = 136ULL << 20;

// A header without its volume, as libcryptsetup reads it: checksums and all.
Result<CryptDevice> read_header(const UniqueFd& file, const char* what) {
    PMOS_ASSIGN(auto crypt, CryptDevice::of_device(path_of(file)));
    if (crypt.load()) return crypt;
    return fail(Code::failed, fmt::format("{} is damaged, or it is no header of a volume", what));
}

Result<struct stat> regular(const UniqueFd& file) {
    struct stat st {};
    if (!file || ::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode))
        return fail(Code::usage, "the header's backup is not a regular file");
    return st;
}

Event done() {
    Event event;
    event.kind = EventKind::done;
    event.provisioned = 1;
    return event;
}

// What the caller gave can change while it is looked at: a copy cannot.
Result<UniqueFd> take_over(const UniqueFd& file) {
    PMOS_ASSIGN(const struct stat st, regular(file));
    if (st.st_size <= 0 || static_cast<std::uint64_t>(st.st_size) > kMaxHeader)
        return fail(Code::usage, "the file is no backup of a header",
                    fmt::format("it has {} bytes", st.st_size));
    PMOS_ASSIGN(UniqueFd copy, make_memory_file());
    PMOS_TRY(copy_bytes(file.borrow(), copy.borrow(), static_cast<std::uint64_t>(st.st_size)));
    return copy;
}

// A header that says another uuid, mode or volume belongs elsewhere; one with another volume key
// would turn all data into noise. Where the present header cannot be read, the mark of completeness
// in the backup is what says whose it is.
Result<void> check_belongs(const Request& request, CryptDevice& backup, const std::string& device) {
    if (!backup.has_complete_token(request) || !backup.has_keyslot())
        return fail(Code::denied, "the backup is of another volume",
                    fmt::format("it is not marked as {}", name_of(request)));
    PMOS_TRY(backup.check_one_key());
    PMOS_ASSIGN(auto present, CryptDevice::of_device(device));
    if (!present.load()) return {};
    if (present.uuid() != backup.uuid())
        return fail(Code::denied, "the backup is of another volume",
                    fmt::format("its uuid is {}, the volume's {}", backup.uuid(), present.uuid()));
    PMOS_TRY(present.check_one_key());
    PMOS_ASSIGN(const auto ours, present.key_digests());
    PMOS_ASSIGN(const auto theirs, backup.key_digests());
    if (ours != theirs)
        return fail(
            Code::denied, "the backup is older than the volume's key",
            "the volume was re-encrypted since; with the old key nothing in it can be read");
    return {};
}

}  // namespace

Result<Event> backup(const Request& request, UniqueFd file, Channel& channel) {
    PMOS_TRY(regular(file));
    PMOS_TRY(check_complete(request));
    PMOS_TRY(channel.progress(100, "reading the header"));
    PMOS_ASSIGN(auto header, Header::open(request, true));
    PMOS_TRY(header.crypt().check_one_key());
    const std::string device = header.crypt().header_device();
    const UniqueFd from(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!from) return fail(errno_error(errno, fmt::format("cannot open '{}'", device)));
    PMOS_ASSIGN(const UniqueFd copy, make_memory_file());
    PMOS_TRY(copy_bytes(from.borrow(), copy.borrow(), header.crypt().header_bytes()));
    PMOS_ASSIGN(auto read_back, read_header(copy, "the copy of the header"));
    if (read_back.uuid() != header.crypt().uuid())
        return fail(Code::failed, "the copy of the header is of another volume");
    PMOS_TRY(channel.progress(500, "writing the file"));
    PMOS_TRY(copy_bytes(copy.borrow(), file.borrow(), header.crypt().header_bytes()));
    return done();
}

Result<Event> restore(const Request& request, UniqueFd file, Channel& channel) {
    PMOS_TRY(channel.progress(50, "reading the file"));
    PMOS_ASSIGN(const UniqueFd copy, take_over(file));
    PMOS_ASSIGN(auto backup, read_header(copy, "the backup"));
    if (mapping_state(std::string(text(request.dm_name))) != Mapping::absent)
        return fail(Code::busy, name_of(request) + " is open", "",
                    fmt::format("pmosctl lock {}", text(request.mode)));
    PMOS_TRY(put_header_back(request));
    PMOS_TRY(check_unused(request));
    PMOS_ASSIGN(const auto device, SourceDevice::attach(request, false));
    PMOS_TRY(device.crypt());
    PMOS_TRY(check_belongs(request, backup, device.header()));
    PMOS_TRY(channel.progress(300, "keeping the present header"));
    PMOS_TRY(channel.catch_signals());
    PMOS_TRY(keep_header(request, device.header(), backup.header_bytes()));
    // Cancelled before the first byte or not at all: either the new header is whole in the end, or
    // the old one is back.
    auto written = [&]() -> Result<void> {
        PMOS_TRY(channel.progress(600, "writing the header"));
        PMOS_ASSIGN(auto target, CryptDevice::of_device(device.header()));
        PMOS_TRY(target.restore(path_of(copy)));
        PMOS_ASSIGN(auto again, CryptDevice::of_device(device.header()));
        return again.load();
    }();
    if (written) {
        PMOS_TRY(forget_header(request));
        return done();
    }
    Error cause = std::move(written.error());
    if (auto back = put_header_back(request, device.header()); !back)
        cause.undo_failures.push_back(std::move(back.error()));
    return fail(std::move(cause));
}

}  // namespace pmos::volume
