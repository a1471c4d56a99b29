// oci: where on this host a container's cgroup is to be. Makes none.
#include "runtime/oci/cgroup_place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "runtime/host/small_file.h"

namespace pmos::oci {
namespace {

bool is_cgroup2(const std::string& path) {
    struct statfs st {};
    return ::statfs(path.c_str(), &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

std::string own_cgroup(const std::string& file) {
    const std::string text = "\n" + host::read_small_file(file).value_or("");
    const auto at = text.find("\n0::/");
    if (at == text.npos) return {};
    const std::string path = text.substr(at + 4, text.find('\n', at + 4) - at - 4);
    // Outside of our cgroup namespace, or removed while we are in it.
    if (path.starts_with("/..") || path.ends_with(" (deleted)")) return {};
    return path;
}

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == path.npos ? "/" : path.substr(0, slash);
}

// One slash before each part and none at the end; "" for the root.
Result<std::string> clean(std::string_view path) {
    std::string out;
    for (std::size_t at = 0; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const std::string_view part = path.substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part == ".." || part.find('\n') != part.npos || part.find('\0') != part.npos)
            return fail(Code::usage,
                        fmt::format("'/linux/cgroupsPath' is '{}', which names no cgroup", path),
                        "a part of it is '..' or has a line break");
        out += '/';
        out += part;
    }
    return out;
}

bool may_fill(const std::string& directory) {
    const auto writable = [](const std::string& path) {
        return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
    };
    return writable(directory) && writable(directory + "/cgroup.procs");
}

}  // namespace

std::optional<CgroupTree> find_cgroup_tree(const std::string& at, const std::string& own_file) {
    if (is_cgroup2(at)) return CgroupTree{at, own_cgroup(own_file), false};
    const std::string beside = at + "/unified";
    if (is_cgroup2(beside)) return CgroupTree{beside, own_cgroup(own_file), true};
    return std::nullopt;
}

Result<std::string> cgroup_place(const CgroupTree& tree, std::string_view cgroups_path,
                                 std::string_view id) {
    if (cgroups_path.empty()) return clean(fmt::format("/pmos/{}", id));
    PMOS_ASSIGN(auto place, clean(cgroups_path));
    if (place.empty())
        return fail(
            Code::usage,
            fmt::format("'/linux/cgroupsPath' is '{}', the root of all cgroups", cgroups_path), "",
            "give the container a cgroup of its own below it");
    if (cgroups_path.starts_with('/')) return place;
    const auto beside = parent_of(tree.own);
    return beside == "/" ? place : beside + place;
}

std::string delegated_place(const CgroupTree& tree, bool controllers) {
    if (tree.own.empty()) return {};
    if (!controllers && may_fill(tree.mount + tree.own)) return tree.own;
    const auto parent = parent_of(tree.own);
    return may_fill(tree.mount + parent) ? parent : std::string();
}

}  // namespace pmos::oci
