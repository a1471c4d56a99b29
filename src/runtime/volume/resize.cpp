// volume: makes an open volume larger, while it is in use. Never makes one smaller.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/volume/filesystem.h"
#include "runtime/volume/header.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/usage.h"
#include "runtime/volume/worker.h"

// <ext4/ext4.h> is the kernel's own; the number is its ABI.
#define PMOS_EXT4_IOC_RESIZE_FS _IOW('f', 16, std::uint64_t)

namespace pmos::volume {
namespace {

constexpr std::uint64_t kChunk = 64ULL << 20;

// Each step does nothing where it was done before, so the same request goes on with one that was
// cut short; and none takes away what was there, so at every moment the volume is the old one or
// one with more room below it.
class Growth {
  public:
    Growth(const Request& request, Channel& channel)
        : request_(request), channel_(channel), device_("/dev/mapper/" + dm_name()) {}

    Result<Event> run(const SecretBuffer& secret) {
        PMOS_ASSIGN(auto header, Header::open(request_, false));
        PMOS_TRY(check_open(header));
        CryptDevice& crypt = header.crypt();
        PMOS_TRY(channel_.progress(50, opening_step(request_, crypt, secret, "trying the secret")));
        // The kernel wants the volume key once more for a new table, and nobody has kept it.
        PMOS_ASSIGN(const Opened opened,
                    open_judged(request_, crypt, channel_, secret, [&](int slot, auto passphrase) {
                        return crypt.load_key(passphrase, slot);
                    }));
        if (request_.block_device == 0) {
            PMOS_TRY(grow_file());
            PMOS_TRY(tell_loop(crypt.device()));
        }
        PMOS_TRY(channel_.progress(700, "growing the mapping"));
        PMOS_TRY(crypt.grow(dm_name()));
        PMOS_TRY(channel_.progress(750, "growing the file system"));
        PMOS_TRY(grow_file_system());
        Event event;
        event.kind = EventKind::done;
        opened.not_kept.copy(event.why, sizeof event.why - 1);
        event.provisioned = event.active = 1;
        return event;
    }

  private:
    std::string dm_name() const { return std::string(text(request_.dm_name)); }

    Result<void> check_open(Header& header) const {
        if (header.mapping() == Mapping::active) {
            PMOS_TRY(header.crypt().check_one_key());
            return header.crypt().check_no_integrity("cannot grow");
        }
        return fail(Code::locked, name_of(request_) + " is not open", "it grows while it is open",
                    fmt::format("pmosctl unlock {} --no-start", text(request_.mode)));
    }

    Result<void> grow_file() {
        PMOS_ASSIGN(const UniqueFd file, open_source(request_, false));
        struct stat st {};
        if (::fstat(file.get(), &st) != 0)
            return fail(errno_error(errno, fmt::format("cannot look at '{}'", path())));
        const auto before = static_cast<std::uint64_t>(st.st_size);
        if (request_.size < before)
            return fail(Code::unsupported, name_of(request_) + " cannot become smaller",
                        fmt::format("it has {} bytes", before),
                        "provision a smaller one and copy what is needed");
        auto grown = reserve(file.borrow(), before);
        if (grown) return grown;
        // Nobody uses what was added: the loop device still has its old size.
        Error cause = std::move(grown.error());
        if (::ftruncate(file.get(), st.st_size) != 0)
            cause.undo_failures.push_back(errno_error(errno, "cannot give the room back"));
        return fail(std::move(cause));
    }

    Error no_room(int err, std::uint64_t more) const {
        return errno_error(err,
                           fmt::format("cannot reserve {} MiB more for '{}'", more >> 20, path()),
                           "free some space, or ask for less");
    }

    // Before it takes the last room from everybody else.
    Result<void> check_room(BorrowedFd file, std::uint64_t more) const {
        struct statfs st {};
        if (::fstatfs(file.get(), &st) != 0)
            return fail(errno_error(errno, fmt::format("cannot look at '{}'", path())));
        if (more / static_cast<std::uint64_t>(st.f_bsize) < st.f_bavail) return {};
        return fail(no_room(ENOSPC, more));
    }

    Result<void> reserve(BorrowedFd file, std::uint64_t before) {
        const std::uint64_t more = request_.size - before;
        if (more > 0) PMOS_TRY(check_room(file, more));
        for (std::uint64_t done = 0; done < more; done += kChunk) {
            const auto part = static_cast<std::uint32_t>(done * 500 / more);
            PMOS_TRY(channel_.progress(200 + part, "reserving room"));
            const auto size = std::min(kChunk, more - done);
            if (::fallocate(file.get(), 0, static_cast<off_t>(before + done),
                            static_cast<off_t>(size)) != 0)
                return fail(no_room(errno, more));
        }
        PMOS_TRY(channel_.check());
        if (::fsync(file.get()) != 0)
            return fail(errno_error(errno, fmt::format("cannot sync '{}'", path())));
        return {};
    }

    static Result<void> tell_loop(const std::string& loop) {
        const UniqueFd fd(::open(loop.c_str(), O_RDWR | O_CLOEXEC));
        if (!fd || ::ioctl(fd.get(), LOOP_SET_CAPACITY, 0) != 0)
            return fail(errno_error(errno, fmt::format("cannot grow '{}'", loop)));
        return {};
    }

    // The kernel writes it through the journal: a power cut leaves the old size or the new one.
    Result<void> grow_file_system() {
        PMOS_ASSIGN(const std::uint64_t bytes, size_of_device(device_));
        PMOS_ASSIGN(const UniqueFd root, mount_checked(device_, channel_));
        struct statfs st {};
        if (::fstatfs(root.get(), &st) != 0)
            return fail(errno_error(errno, fmt::format("cannot look at '{}'", device_)));
        std::uint64_t blocks = bytes / static_cast<std::uint64_t>(st.f_bsize);
        const UniqueFd fd(::openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd || ::ioctl(fd.get(), PMOS_EXT4_IOC_RESIZE_FS, &blocks) != 0)
            return fail(errno_error(errno, "cannot grow the volume's file system",
                                    "the volume has more room than it uses; try again"));
        if (::syncfs(fd.get()) != 0)
            return fail(errno_error(errno, "cannot sync the volume's file system"));
        return {};
    }

    std::string path() const { return std::string(text(request_.source)); }

    const Request& request_;
    Channel& channel_;
    std::string device_;
};

}  // namespace

Result<Event> resize(const Request& request, UniqueFd secret_fd, Channel& channel) {
    PMOS_TRY(check_complete(request));
    PMOS_ASSIGN(const auto secret, read_secret_of(request, secret_fd));
    PMOS_TRY(channel.catch_signals());
    return Growth(request, channel).run(secret);
}

}  // namespace pmos::volume
