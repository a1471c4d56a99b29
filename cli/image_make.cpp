// cli: makes a mode's image: a directory, an archive or the layers of an OCI image becomes an erofs
// that dm-verity can vouch for. Needs no rights of its own; talks to nobody.
#include "cli/image_make.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <sstream>

#include "base/fd.h"
#include "base/file_hash.h"
#include "base/text.h"
#include "base/verity_tree.h"
#include "cli/oci_files.h"
#include "cli/program.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;

// A directory beside the output that goes, with all that is in it, whatever happens. Ctrl-C is
// heard between two steps and ends the program that runs.
class Workshop {
  public:
    static Result<Workshop> open(const std::string& output) {
        Workshop shop;
        shop.path_ = output + ".XXXXXX";
        if (::mkdtemp(shop.path_.data()) == nullptr) {
            shop.path_.clear();
            return fail(errno_error(errno, fmt::format("cannot make '{}'", output)));
        }
        sigset_t set;
        ::sigemptyset(&set);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
        if (::sigprocmask(SIG_BLOCK, &set, &shop.before_) != 0)
            return fail(errno_error(errno, "cannot block signals"));
        shop.blocked_ = true;
        shop.signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!shop.signals_) return fail(errno_error(errno, "cannot watch signals"));
        return shop;
    }
    Workshop(Workshop&& other) noexcept
        : path_(std::exchange(other.path_, "")),
          signals_(std::move(other.signals_)),
          before_(other.before_),
          blocked_(std::exchange(other.blocked_, false)) {}
    Workshop& operator=(Workshop&&) = delete;
    ~Workshop() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
        // Whoever interrupted is answered by an error, not by death.
        signalfd_siginfo told;
        while (signals_ && ::read(signals_.get(), &told, sizeof told) == sizeof told) {
        }
        if (blocked_) ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    }

    std::string tree() const { return path_ + "/tree"; }
    std::string image() const { return path_ + "/image"; }
    std::string hashes() const { return path_ + "/hashes"; }

    // Output and nothing but a failure's last line of what it says.
    Result<std::string> run(std::vector<std::string> args, BorrowedFd input,
                            const char* package) const {
        const std::string name = args[0];
        auto done = run_program({.args = std::move(args),
                                 .environment = environment_with({"LC_ALL=C.UTF-8"}, {"LC_ALL"}),
                                 .input = input,
                                 .interrupted = signals_.borrow()});
        if (!done && done.error().code == Code::not_found) done.error().fix = package;
        if (!done) return fail(std::move(done.error()));
        if (done->status == 0) return std::move(done->out);
        return fail(to_error(*done, name));
    }

  private:
    Workshop() = default;
    static Error to_error(const Finished& done, const std::string& name) {
        constexpr std::string_view kHint = "hint: ";
        Error error;
        std::istringstream lines(done.err);
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(kHint))
                error.fix = printable(line.substr(kHint.size()));
            else if (!line.empty())
                error.what = printable(line);
        }
        if (error.what.empty())
            error.what = fmt::format("'{}' ended with status {}", name, done.status);
        return error;
    }

    std::string path_;
    UniqueFd signals_;
    sigset_t before_{};
    bool blocked_ = false;
};

Result<UniqueFd> open_file(const std::string& path, int flags) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, 0644));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", path)));
    return fd;
}

Result<> unpack(const Workshop& shop, const ImageRequest& request, BorrowedFd archive, bool layer,
                MadeImage& made) {
    std::vector<std::string> args{request.unpacker, "--limit", fmt::format("{}", request.limit)};
    if (layer) args.emplace_back("--layer");
    if (request.all_root) args.emplace_back("--all-root");
    args.push_back(shop.tree());
    PMOS_ASSIGN(const auto said,
                shop.run(std::move(args), archive, "install it, or say where it is: --unpacker"));
    std::istringstream lines(said);
    for (std::string line; std::getline(lines, line);) made.left_out.push_back(line);
    return {};
}

// Nothing in it but the contents: no time, no name of who made it or where, no attributes (no
// program of a mode gains a right by one).
Result<> make_erofs(const Workshop& shop, const std::string& tree, bool all_root) {
    std::vector<std::string> args{
        "mkfs.erofs", "--quiet", "-zlz4", "-T0", "-x-1", "-U00000000-0000-0000-0000-000000000000"};
    if (all_root) args.emplace_back("--all-root");
    args.push_back(shop.image());
    args.push_back(tree);
    PMOS_TRY(shop.run(std::move(args), {}, "install erofs-utils"));
    return {};
}

// The salt is of the contents: as good as a random one against a table made ahead, and the same
// each time.
verity::Superblock superblock_for(const std::string& sha256, std::uint64_t size) {
    verity::Superblock out;
    out.salt = verity::root_hash_bytes(sha256);
    std::ranges::copy_n(out.salt.begin(), out.uuid.size(), out.uuid.begin());
    out.data_blocks = size / verity::kBlock;
    return out;
}

Result<> put_in_place(const std::string& from, const std::string& to) {
    PMOS_ASSIGN(const auto fd, open_file(from, O_RDONLY));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd.get(), 0644 & ~mask) != 0 || ::fsync(fd.get()) != 0 ||
        ::rename(from.c_str(), to.c_str()) != 0)
        return fail(errno_error(errno, fmt::format("cannot write '{}'", to)));
    return {};
}

// From the erofs in the workshop to what was asked for.
Result<MadeImage> seal(const Workshop& shop, const ImageRequest& request, MadeImage made) {
    PMOS_ASSIGN(const auto image, open_file(shop.image(), O_RDWR));
    PMOS_ASSIGN(const auto size, verity::erofs_size(image.borrow()));
    if (::ftruncate(image.get(), static_cast<off_t>(size)) != 0)
        return fail(errno_error(errno, fmt::format("cannot write '{}'", request.output)));
    PMOS_ASSIGN(const auto hash, hash_file(image.borrow(), shop.image()));
    const auto superblock = superblock_for(hash.sha256, size);
    UniqueFd apart;
    if (!request.hash_image.empty()) {
        PMOS_ASSIGN(apart, open_file(shop.hashes(), O_RDWR | O_CREAT | O_EXCL));
    }
    PMOS_ASSIGN(made.root_hash,
                verity::make_tree(image.borrow(), superblock,
                                  apart ? apart.borrow() : image.borrow(), apart ? 0 : size));
    made.size = apart ? size : size + verity::tree_size(superblock.data_blocks);
    if (apart) PMOS_TRY(put_in_place(shop.hashes(), request.hash_image));
    PMOS_TRY(put_in_place(shop.image(), request.output));
    return made;
}

Result<> make_tree_directory(const Workshop& shop) {
    if (::mkdir(shop.tree().c_str(), 0755) == 0 && ::chmod(shop.tree().c_str(), 0755) == 0)
        return {};
    return fail(errno_error(errno, fmt::format("cannot make '{}'", shop.tree())));
}

// An erofs stays as it is, but for a tree that it had.
Result<bool> take_erofs(const Workshop& shop, const std::string& source) {
    PMOS_ASSIGN(const auto from, open_file(source, O_RDONLY));
    if (!verity::erofs_size(from.borrow())) return false;
    std::error_code error;
    fs::copy_file(source, shop.image(), error);
    if (error) return fail(errno_error(error.value(), fmt::format("cannot copy '{}'", source)));
    if (::chmod(shop.image().c_str(), 0600) != 0)
        return fail(errno_error(errno, fmt::format("cannot copy '{}'", source)));
    return true;
}

}  // namespace

Result<MadeImage> build_image(const ImageRequest& request) {
    PMOS_ASSIGN(const auto shop, Workshop::open(request.output));
    MadeImage made;
    if (is_directory(request.source)) {
        if (fs::exists(request.source + "/" + policy::oci::kMarker))
            return fail(
                Code::usage, fmt::format("'{}' is an OCI layout", request.source), "",
                fmt::format("pmosctl image import {} -o {}", request.source, request.output));
        // Whoever makes it without rights owns all of it, and is nobody in a mode.
        PMOS_TRY(make_erofs(shop, request.source, request.all_root || ::geteuid() != 0));
        return seal(shop, request, std::move(made));
    }
    PMOS_ASSIGN(const bool taken, take_erofs(shop, request.source));
    if (!taken) {
        PMOS_ASSIGN(const auto archive, open_file(request.source, O_RDONLY));
        PMOS_TRY(make_tree_directory(shop));
        PMOS_TRY(unpack(shop, request, archive.borrow(), false, made));
        PMOS_TRY(make_erofs(shop, shop.tree(), request.all_root));
    }
    return seal(shop, request, std::move(made));
}

Result<MadeImage> import_image(const ImageRequest& request) {
    constexpr std::string_view kScheme = "oci:";
    std::string text = request.source;
    if (text.starts_with(kScheme)) text = text.substr(kScheme.size());
    const auto place = split_tag(text);
    PMOS_ASSIGN(const auto index, read_layout(place.directory));
    PMOS_ASSIGN(const auto chosen, policy::oci::choose(place.directory, index, place.tag));
    PMOS_ASSIGN(const auto manifest, read_blob(place.directory, chosen, policy::kMaxFileSize));
    PMOS_ASSIGN(const auto layers, policy::oci::read_image(chosen.digest, manifest));
    PMOS_ASSIGN(const auto shop, Workshop::open(request.output));
    PMOS_TRY(make_tree_directory(shop));
    MadeImage made;
    for (const auto& layer : layers) {
        PMOS_ASSIGN(const auto archive, open_blob(place.directory, layer));
        PMOS_TRY(unpack(shop, request, archive.borrow(), true, made));
    }
    PMOS_TRY(make_erofs(shop, shop.tree(), request.all_root));
    return seal(shop, request, std::move(made));
}

}  // namespace pmos::cli
