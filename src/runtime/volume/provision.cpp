// volume: makes a volume. Under a temporary name, its mark of completeness last, then renamed;
// whatever fails or interrupts it, nothing half-made carries the final name. Never logs.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

#include "runtime/volume/apart.h"
#include "runtime/volume/cipher.h"
#include "runtime/volume/cost.h"
#include "runtime/volume/duress.h"
#include "runtime/volume/ending.h"
#include "runtime/volume/enrollment.h"
#include "runtime/volume/files.h"
#include "runtime/volume/filesystem.h"
#include "runtime/volume/flag_probe.h"
#include "runtime/volume/header.h"
#include "runtime/volume/judge.h"
#include "runtime/volume/key.h"
#include "runtime/volume/opening.h"
#include "runtime/volume/private_part.h"
#include "runtime/volume/source.h"
#include "runtime/volume/undo.h"
#include "runtime/volume/worker.h"
#include "runtime/volume/write_at.h"

namespace pmos::volume {
namespace {

std::unexpected<Error> exists(const std::string& path, const std::string& why,
                              const std::string& fix) {
    return fail(Code::already_exists, fmt::format("'{}' exists and is not overwritten", path), why,
                fix);
}

class Provisioner {
  public:
    Provisioner(const Request& request, Channel& channel)
        : request_(request),
          channel_(channel),
          source_(text(request.source)),
          header_(text(request.header)) {}

    Result<Event> run(const UniqueFd& secret) {
        PMOS_TRY(check_cipher(text(request_.cipher)));
        PMOS_TRY(check_unmarked());
        PMOS_TRY(check_absent());
        PMOS_TRY(clear_leftovers());
        auto made = make(secret);
        if (!made) return fail(undo_.run(std::move(made.error())));
        Event event;
        event.kind = EventKind::done;
        event.provisioned = 1;
        return event;
    }

  private:
    // What is made beside the mark of an earlier destruction would be destroyed by it.
    Result<void> check_unmarked() {
        PMOS_ASSIGN(const bool ending, is_ending(request_));
        if (!ending) return {};
        return fail(Code::failed, fmt::format("cannot make {}", name_of(request_)),
                    "what it was before has not been brought to its end", kIsItSound);
    }

    Result<void> check_absent() {
        if (!header_.empty() && ::access(header_.c_str(), F_OK) == 0)
            return exists(header_, "it is to hold the volume's header",
                          "move the file away if it is not needed");
        if (request_.block_device != 0) return check_empty_device();
        struct stat st {};
        if (::lstat(source_.c_str(), &st) != 0) {
            if (errno == ENOENT) return {};
            return fail(errno_error(errno, fmt::format("cannot look at '{}'", source_)));
        }
        const auto found = inspect_source(request_);
        if (found && found->content == Content::complete)
            return exists(source_, "it is a finished volume", "unlock it, or move the file away");
        return exists(source_,
                      found ? "it is an unfinished volume: " + found->why
                            : "it is no volume of this mode: " + found.error().message(),
                      "move the file away if nothing in it is needed");
    }

    Result<void> check_empty_device() {
        PMOS_ASSIGN(const UniqueFd device, open_source(request_, true));
        PMOS_TRY(check_unused(request_));
        PMOS_ASSIGN(const bool marked, is_marked_apart(source_));
        if (marked)
            return exists(source_, "a volume is on it whose header is elsewhere",
                          fmt::format("if nothing on it is needed: wipe its first sector: dd "
                                      "if=/dev/zero of={} bs=512 count=1",
                                      source_));
        PMOS_ASSIGN(const std::string signature, find_signature(source_));
        if (signature.empty()) return {};
        return exists(source_, fmt::format("it carries '{}'", signature),
                      fmt::format("if nothing on it is needed: wipefs --all {}", source_));
    }

    // What a killed worker left: its mapping would keep a key in the kernel.
    Result<void> clear_leftovers() {
        if (request_.block_device == 0 && is_being_made(source_))
            return fail(Code::busy, fmt::format("volume '{}' is being made already", source_));
        PMOS_TRY(unmap(temporary_dm_name(text(request_.dm_name))));
        if (!header_.empty()) PMOS_TRY(remove_leftovers(header_));
        if (request_.block_device != 0) return {};
        PMOS_TRY(remove_leftovers(source_));
        return {};
    }

    Result<void> make(const UniqueFd& secret) {
        PMOS_TRY(prepare_key(secret));
        PMOS_TRY(channel_.catch_signals());
        PMOS_TRY(request_.block_device != 0 ? lock_device() : make_file());
        if (!header_.empty()) PMOS_TRY(make_header_file());
        PMOS_TRY(make_header());
        if (has_integrity(request_)) PMOS_TRY(write_tags());
        PMOS_TRY(make_file_system());
        PMOS_TRY(channel_.progress(950, "finishing"));
        PMOS_TRY(begin_count(request_));
        if (request_.key != KeyKind::device_key) PMOS_TRY(ensure_duress_mark(*crypt_));
        PMOS_TRY(crypt_->write_token(complete_token(request_)));
        crypt_.reset();
        loop_.reset();
        header_loop_.reset();
        PMOS_TRY(channel_.check());
        PMOS_TRY(name_it());
        undo_.forget();
        return {};
    }

    // A header without its volume would look like one; a volume without its header is missed by
    // name. So the header, by which it is complete, comes last.
    Result<void> name_it() {
        if (header_file_ && device_fd_) PMOS_TRY(mark_apart(device_fd_.borrow()));
        if (file_) PMOS_TRY(file_->keep());
        if (!header_file_) return {};
        if (file_)
            undo_.push([path = source_]() -> Result<void> {
                if (::unlink(path.c_str()) == 0) return {};
                return fail(errno_error(errno, fmt::format("cannot remove '{}'", path)));
            });
        return header_file_->keep();
    }

    Result<void> prepare_key(const UniqueFd& secret) {
        if (request_.key != KeyKind::device_key) {
            PMOS_ASSIGN(secret_, read_secret_of(request_, secret));
            return check_chosen();
        }
        const std::string path(text(request_.key_file));
        PMOS_ASSIGN(const bool made, make_device_key(path));
        if (made)
            undo_.push([path]() -> Result<void> {
                if (::unlink(path.c_str()) == 0) return {};
                return fail(errno_error(errno, fmt::format("cannot remove '{}'", path)));
            });
        PMOS_ASSIGN(secret_, read_device_key(path));
        return {};
    }

    Result<void> check_chosen() const {
        if (is_unasked(request_, secret_->bytes())) return {};
        if (secret_->bytes().size() < kMinSecret)
            return fail(Code::usage, "the secret is too short", "",
                        fmt::format("choose one of {} characters or more", kMinSecret));
        if (request_.key == KeyKind::descriptor || takes_secret(request_)) return {};
        return fail(Code::usage, "the volume is made without a secret",
                    "its profile names no pin, no passphrase and nothing else to choose one for");
    }

    // Opened once more: the loop device keeps the open file, and with it a flock(2) on it, which
    // must end with this process.
    static Result<LoopDevice> attach(const std::string& path) {
        const UniqueFd backing(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (!backing) return fail(errno_error(errno, fmt::format("cannot open '{}'", path)));
        return LoopDevice::attach(backing.borrow(), path, false);
    }

    Result<void> make_file() {
        PMOS_TRY(channel_.progress(10, "making the file"));
        const std::string directory = directory_of(source_);
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
            return fail(errno_error(errno, fmt::format("cannot make directory '{}'", directory)));
        PMOS_ASSIGN(file_, TemporaryFile::make(source_));
        undo_.push([this] { return file_->remove(); });
        if (::fallocate(file_->fd().get(), 0, 0, static_cast<off_t>(request_.size)) != 0)
            return fail(errno_error(
                errno, fmt::format("cannot reserve {} MiB for '{}'", request_.size >> 20, source_),
                errno == ENOSPC ? "free some space, or make the volume smaller in the profile"
                                : "the file system below must support fallocate(2)"));
        PMOS_ASSIGN(loop_, attach(file_->path()));
        device_ = loop_->path();
        undo_.push([this]() -> Result<void> {
            loop_.reset();
            return {};
        });
        return {};
    }

    // By a loop device: libcryptsetup locks a header that is a file, as we do.
    Result<void> make_header_file() {
        PMOS_ASSIGN(header_file_, TemporaryFile::make(header_));
        undo_.push([this] { return header_file_->remove(); });
        if (::fallocate(header_file_->fd().get(), 0, 0, static_cast<off_t>(kHeaderBytes)) != 0)
            return fail(errno_error(
                errno, fmt::format("cannot reserve {} MiB for '{}'", kHeaderBytes >> 20, header_)));
        PMOS_ASSIGN(header_loop_, attach(header_file_->path()));
        undo_.push([this]() -> Result<void> {
            header_loop_.reset();
            return {};
        });
        return {};
    }

    // Two workers on one device, and udev's probing of what is half-made, are kept out by flock(2).
    // udev looks at a device for a moment whenever somebody has closed it after writing to it.
    Result<void> lock_device() {
        using namespace std::chrono_literals;
        PMOS_ASSIGN(device_fd_, open_source(request_, false));
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (::flock(device_fd_.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR)
                return fail(errno_error(errno, fmt::format("cannot lock '{}'", source_)));
            if (std::chrono::steady_clock::now() > end)
                return fail(
                    errno_error(EBUSY, fmt::format("cannot lock '{}'", source_),
                                "another process is at work on it: lslocks(8) shows which"));
            PMOS_TRY(channel_.check());
            std::this_thread::sleep_for(20ms);
        }
        device_ = source_;
        undo_.push([this] {
            return write_zeros(device_fd_.borrow(), kHeaderBytes,
                               fmt::format("cannot wipe '{}'", source_));
        });
        return {};
    }

    Result<void> make_header() {
        PMOS_TRY(channel_.progress(100, "making the header"));
        PMOS_ASSIGN(crypt_, header_loop_ ? CryptDevice::of_device(header_loop_->path(), device_)
                                         : CryptDevice::of_device(device_));
        undo_.push([this]() -> Result<void> {
            crypt_.reset();
            return {};
        });
        PMOS_TRY(crypt_->format(request_));
        const bool asked = request_.key == KeyKind::device_key || !secret_->bytes().empty();
        if (asked) PMOS_TRY(add_first_keyslot());
        secret_.reset();  // the rest needs the volume key only
        if (request_.key == KeyKind::tpm) PMOS_TRY(add_way(kTpmAlone));
        if (!text(request_.escrow).empty()) PMOS_TRY(add_way(kEscrow));
        return {};
    }

    Result<void> add_way(const Method& method) {
        PMOS_ASSIGN(const Enrolled enrolled, method.enroll(request_, *crypt_, nullptr));
        PMOS_TRY(enroll(request_, *crypt_, method, enrolled, {}, cost_of(request_)));
        return {};
    }

    // A sector without its tag is an I/O error, also for who only looks at it.
    Result<void> write_tags() {
        const std::string dm_name = temporary_dm_name(text(request_.dm_name));
        PMOS_TRY(crypt_->map_untagged(dm_name));
        undo_.push([dm_name] { return unmap(dm_name); });
        PMOS_TRY(crypt_->write_tags(dm_name, [this](std::uint32_t permille) {
            return channel_.progress(300 + permille / 4, "writing the tags");
        }));
        PMOS_TRY(unmap(dm_name));
        undo_.drop_last();
        return {};
    }

    Result<void> add_first_keyslot() {
        const auto* const first = first_method(request_);
        const bool asks = first != nullptr && !first->asks.empty();
        PMOS_TRY(channel_.progress(200, asks ? first->asks : "deriving the key"));
        if (first == nullptr) return crypt_->add_keyslot(cost_of(request_), secret_->bytes());
        PMOS_ASSIGN(const Enrolled enrolled, first->enroll(request_, *crypt_, &*secret_));
        if (first->destroy != nullptr)
            undo_.push(
                [this, first, token = enrolled.token] { return first->destroy(request_, token); });
        PMOS_TRY(enroll(request_, *crypt_, *first, enrolled, {}, cost_of(request_)));
        return {};
    }

    Result<void> make_file_system() {
        const std::string dm_name = temporary_dm_name(text(request_.dm_name));
        PMOS_TRY(crypt_->map_fresh(dm_name));
        undo_.push([dm_name] { return unmap(dm_name); });
        PMOS_TRY(choose_flags(dm_name));
        PMOS_TRY(channel_.progress(600, "making the file system"));
        PMOS_TRY(make_ext4("/dev/mapper/" + dm_name, channel_));
        PMOS_TRY(make_parts("/dev/mapper/" + dm_name));
        PMOS_TRY(unmap(dm_name));
        undo_.drop_last();
        return {};
    }

    // Of one with integrity the kernel knows one way only.
    Result<void> choose_flags(const std::string& dm_name) {
        MapFlags flags;
        if (!has_integrity(request_)) {
            PMOS_TRY(channel_.progress(550, "measuring the device"));
            PMOS_ASSIGN(flags, probe_flags(*crypt_, dm_name, channel_));
        }
        flags.discards = may_discard(request_);
        return flags == MapFlags{} ? Result<void>{} : crypt_->store_flags(flags);
    }

    const Request& request_;
    Channel& channel_;
    std::string source_, header_, device_;
    std::optional<SecretBuffer> secret_;
    std::optional<TemporaryFile> file_, header_file_;
    UniqueFd device_fd_;
    std::optional<LoopDevice> loop_, header_loop_;
    std::optional<CryptDevice> crypt_;
    Undo undo_;
};

}  // namespace

Result<Event> provision(const Request& request, UniqueFd secret, Channel& channel) {
    return Provisioner(request, channel).run(secret);
}

}  // namespace pmos::volume
