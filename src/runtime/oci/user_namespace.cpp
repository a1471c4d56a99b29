// oci: a user namespace that is there already. Nobody comes back from one: who goes there is a
// child.
#include "runtime/oci/user_namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "runtime/host/small_file.h"
#include "runtime/sys/beside.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

using policy::IdMap;
using policy::oci::Namespace;

struct Maps {
    int ns = -1;
    int uid = -1, gid = -1;  // descriptors of this process's, or -errno
    int err = 0;
};

// Whoever opens it there is told whose ids of ours they are.
int open_maps(void* argument) {
    auto& maps = *static_cast<Maps*>(argument);
    maps.err = sys::sys_setns(maps.ns, CLONE_NEWUSER);
    if (maps.err < 0) return 0;
    maps.uid = sys::sys_openat(AT_FDCWD, "/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    maps.gid = sys::sys_openat(AT_FDCWD, "/proc/self/gid_map", O_RDONLY | O_CLOEXEC);
    return 0;
}

Result<std::vector<IdMap>> read_map(int number) {
    constexpr const char* kWhat = "cannot look at the mappings of a user namespace";
    const UniqueFd fd(number);
    if (!fd) return fail(errno_error(-number, kWhat));
    std::string text(16384, '\0');  // of 340 lines (user_namespaces(7))
    const ssize_t size = ::read(fd.get(), text.data(), text.size());
    if (size < 0) return fail(errno_error(errno, kWhat));
    text.resize(static_cast<std::size_t>(size));
    std::vector<IdMap> map;
    const auto words = host::split_words(text);
    for (std::size_t at = 0; at + 2 < words.size(); at += 3)
        map.push_back({static_cast<std::uint32_t>(std::stoul(words[at])),
                       static_cast<std::uint32_t>(std::stoul(words[at + 1])),
                       static_cast<std::uint32_t>(std::stoul(words[at + 2]))});
    return map;
}

bool are_same(std::vector<IdMap> left, std::vector<IdMap> right) {
    const auto order = [](std::vector<IdMap>& map) { std::ranges::sort(map, {}, &IdMap::inside); };
    order(left);
    order(right);
    return std::ranges::equal(left, right, [](const IdMap& a, const IdMap& b) {
        return a.inside == b.inside && a.outside == b.outside && a.count == b.count;
    });
}

// What Podman says for a runc that wants to be told something.
bool says_nothing(const std::vector<IdMap>& map) {
    return map.empty() || are_same(map, {{0, 0, 1}});
}

Result<> take_map(const Namespace& ns, std::string_view key, std::vector<IdMap> found,
                  std::vector<IdMap>& said) {
    if (!says_nothing(said) && !are_same(said, found))
        return fail(Code::usage, fmt::format("'{}' are not those of '{}'", key, ns.path),
                    ns.at.pointer, "leave the mappings out: the namespace has its own");
    said = std::move(found);
    return {};
}

Result<> take_maps(const Namespace& ns, const UniqueFd& fd, policy::oci::Config& config) {
    Maps maps{.ns = fd.get()};
    sys::BesideStack stack;
    int pidfd = -1;
    const int pid = sys::clone_beside(open_maps, &maps, stack, CLONE_VFORK, &pidfd);
    if (pid < 0) return fail(errno_error(-pid, "cannot look at a user namespace"));
    const UniqueFd child(pidfd);
    sys::reap_beside(child.get());
    if (maps.err < 0)
        return fail(errno_error(-maps.err, fmt::format("cannot join '{}'", ns.path),
                                "it is for who is root of the namespace that it was made in"));
    auto uid = read_map(maps.uid);
    auto gid = read_map(maps.gid);
    if (!uid) return fail(std::move(uid.error()));
    if (!gid) return fail(std::move(gid.error()));
    PMOS_TRY(take_map(ns, "uidMappings", std::move(*uid), config.uid_map));
    return take_map(ns, "gidMappings", std::move(*gid), config.gid_map);
}

bool is_ours(const UniqueFd& fd) {
    struct stat own {};
    struct stat that {};
    return ::stat("/proc/self/ns/user", &own) == 0 && ::fstat(fd.get(), &that) == 0 &&
           own.st_ino == that.st_ino && own.st_dev == that.st_dev;
}

struct Birth {
    launch::Launch& launch;
    const clone_args& args;
    int pid = 0;
};

// Not watched: a sanitizer knows no stack but the thread's.
__attribute__((no_sanitize("address"))) int give_birth(void* argument) {
    auto& birth = *static_cast<Birth*>(argument);
    birth.pid = sys::sys_setns(birth.launch.container->user_ns, CLONE_NEWUSER);
    if (birth.pid < 0) return 0;
    const int pid = sys::sys_clone3(birth.args);
    // On a copy of all this.
    if (pid == 0) launch::run_child(birth.launch);
    birth.pid = pid;
    return 0;
}

// Room for the child, which goes on where it was born.
constexpr std::size_t kStack = 256 << 10;

}  // namespace

Result<std::optional<UniqueFd>> join_user_namespace(policy::oci::Config& config) {
    const auto at = std::ranges::find_if(config.namespaces, [](const Namespace& ns) {
        return ns.type == CLONE_NEWUSER && !ns.path.empty();
    });
    if (at == config.namespaces.end()) return std::nullopt;
    UniqueFd fd(::open(at->path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", at->path)));
    if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWUSER)
        return fail(Code::usage, fmt::format("'{}' is no namespace of that type", at->path),
                    at->at.pointer);
    if (is_ours(fd)) {
        config.namespaces.erase(at);
        config.uid_map.clear();
        config.gid_map.clear();
        return std::nullopt;
    }
    PMOS_TRY(take_maps(*at, fd, config));
    return fd;
}

Result<> take_maps_of(int pid, policy::oci::Config& config) {
    if (!config.has(CLONE_NEWUSER) || !says_nothing(config.uid_map)) return {};
    for (const auto& [name, map] :
         {std::pair{"uid_map", &config.uid_map}, {"gid_map", &config.gid_map}}) {
        const auto path = fmt::format("/proc/{}/{}", pid, name);
        PMOS_ASSIGN(*map, read_map(sys::sys_openat(AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC)));
    }
    return {};
}

int clone_in_user_namespace(launch::Launch& launch, const clone_args& args) {
    Birth birth{launch, args};
    sys::BesideStack stack(kStack);
    int pidfd = -1;
    const int pid = sys::clone_beside(give_birth, &birth, stack, CLONE_VFORK, &pidfd);
    if (pid < 0) return pid;
    const UniqueFd helper(pidfd);
    sys::reap_beside(helper.get());
    return birth.pid;
}

}  // namespace pmos::oci
