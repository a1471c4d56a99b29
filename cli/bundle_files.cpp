// cli: bundles and keys on disk. Talks to nobody, needs no root, parses nothing itself.
#include "cli/bundle_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/directory.h"
#include "base/file_hash.h"
#include "base/regular_file.h"
#include "policy/profile.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;
using policy::Pin;

Result<> add_pin(policy::Bundle& bundle, Pin::Kind kind, const std::string& path,
                 const std::string& file) {
    const auto known = std::ranges::find_if(
        bundle.pins, [&](const Pin& p) { return p.kind == kind && p.path == path; });
    if (known != bundle.pins.end()) return {};
    auto hash = hash_file(file);
    if (!hash) {
        hash.error().what = fmt::format("cannot pin the {} '{}': {}", policy::pin_kind_name(kind),
                                        path, hash.error().what);
        if (hash.error().fix.empty())
            hash.error().fix = "say where the phone's files are: --root, --images, --hooks";
        return fail(std::move(hash.error()));
    }
    bundle.pins.push_back({kind, path, hash->size, hash->sha256});
    return {};
}

}  // namespace

Result<policy::Bundle> gather(const PackRequest& request, const CheckedPolicy& checked) {
    policy::Bundle bundle;
    for (const auto& [path, text] : checked.texts)
        bundle.files.push_back({fs::path(path).lexically_relative(request.directory), text});
    const auto below = [&](const std::string& given, const char* usual) {
        return given.empty() ? request.root + usual : given;
    };
    const std::string images = below(request.images, PMOS_IMAGES_DIR);
    const std::string hooks = below(request.hooks, PMOS_HOOKS_DIR);
    for (const auto& mode : checked.modes) {
        for (const auto* image : {&mode.profile->image, &mode.profile->fallback})
            for (const auto& name : {image->name, image->hash_image})
                if (!name.empty())
                    PMOS_TRY(add_pin(bundle, Pin::Kind::image, name, images + "/" + name));
        for (const auto& hook : mode.profile->hooks)
            PMOS_TRY(add_pin(
                bundle, Pin::Kind::hook, hook.path,
                hook.path.starts_with('/') ? request.root + hook.path : hooks + "/" + hook.path));
    }
    return bundle;
}

Result<std::string> read_bundle_file(const std::string& path) {
    return read_regular_file(path, policy::kMaxBundle);
}

Result<> write_file(const std::string& path, std::span<const std::byte> bytes, unsigned mode,
                    bool replace) {
    const std::string fresh = fmt::format("{}.{}.new", path, ::getpid());
    const std::string what = fmt::format("cannot write '{}'", path);
    const UniqueFd fd(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd) return fail(errno_error(errno, what));
    const auto refused = [&](int err) {
        ::unlink(fresh.c_str());
        return fail(errno_error(err, what, err == EEXIST ? "remove it, or choose a name" : ""));
    };
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return refused(n < 0 ? errno : ENOSPC);
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    if (::fsync(fd.get()) != 0) return refused(errno);
    if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(),
                    replace ? 0U : RENAME_NOREPLACE) != 0)
        return refused(errno);
    return {};
}

Result<std::vector<policy::PublicKey>> read_trusted(const std::vector<std::string>& files,
                                                    const std::string& directory) {
    std::vector<std::string> paths = files;
    if (paths.empty()) {
        auto found = list_directory(directory, ".pub");
        if (!found) {
            found.error().fix = "name the public key: --key FILE.pub";
            return fail(std::move(found.error()));
        }
        paths = std::move(*found);
    }
    return policy::read_public_keys(paths, [](const std::string& path) {
        return read_regular_file(path, policy::kMaxPublicKeyFile);
    });
}

}  // namespace pmos::cli
