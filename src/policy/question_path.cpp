// policy: may a mode read, write or execute a path? From the plan's mounts and Landlock rules.
// Permission bits of the file itself are the image's and are not known here.
#include <fmt/format.h>
#include <linux/landlock.h>
#include <linux/mount.h>

#include <algorithm>

#include "policy/names.h"
#include "policy/question.h"

namespace pmos::policy {
namespace {

using image::MountKind;

bool below(std::string_view path, std::string_view tree) {
    return tree == "/" || path == tree ||
           (path.starts_with(tree) && path.size() > tree.size() && path[tree.size()] == '/');
}

// The mount that a path lies on, the last one of the longest target.
const MountOp& mount_of(const LaunchPlan& plan, const std::string& path) {
    const MountOp* found = &plan.mounts.front();
    for (const auto& op : plan.mounts)
        if (below(path, op.target) && op.target.size() >= found->target.size()) found = &op;
    return *found;
}

struct Origin {
    Location at;
    std::string key;  // of the mount in the profile, "" for one that every mode has
};

Origin origin_of(const Profile& p, const MountOp& op) {
    for (std::size_t i = 0; i < p.volumes.size(); ++i)
        if (p.volumes[i].target == op.target)
            return {p.volumes[i].at, fmt::format("volumes/{}", i)};
    for (std::size_t i = 0; i < p.mounts.size(); ++i)
        if (p.mounts[i].target == op.target) return {p.mounts[i].at, fmt::format("mounts/{}", i)};
    return {p.where("root/image"), ""};
}

bool landlock_allows(const LaunchPlan& plan, const std::string& path, std::uint64_t right) {
    if ((plan.landlock_handled & right) == 0) return true;
    return std::ranges::any_of(plan.landlock, [&](const LandlockRule& rule) {
        return below(path, rule.path) && (rule.access & right) != 0;
    });
}

// A mount option put in, with the one it stands against taken out.
void set_option(Node& tree, const std::string& key, std::string_view option,
                std::string_view against) {
    const auto slash = key.find('/');
    Node* list = nullptr;
    for (auto& member : tree.members)
        if (member.key == key.substr(0, slash))
            list = &member.value.items.at(std::stoul(key.substr(slash + 1)));
    if (list == nullptr) return;
    auto it = std::ranges::find(list->members, "options", &Member::key);
    if (it == list->members.end()) {
        Node fresh;
        fresh.kind = Node::Kind::array;
        list->members.push_back({"options", {}, std::move(fresh)});
        it = list->members.end() - 1;
    }
    std::erase_if(it->value.items, [&](const Node& n) { return n.text == against; });
    Node word;
    word.kind = Node::Kind::string;
    word.text = option;
    it->value.items.push_back(std::move(word));
}

Answer refuse_mount(const Subject& s, const MountOp& op, const std::string& path, bool execute) {
    const auto origin = origin_of(s.profile, op);
    Answer a{Ruling::refused,
             execute ? "mount-noexec" : "mount-read-only",
             fmt::format("'{}' is mounted {}", op.target, execute ? "noexec" : "read-only"),
             origin.at,
             {},
             "",
             {}};
    const std::string_view option = execute ? "exec" : "rw", against = execute ? "noexec" : "ro";
    if (!origin.key.empty()) {
        a.change = fmt::format("add the option {} to {}", option, origin.key);
        a.also =
            consequences(s, [&](Node& tree) { set_option(tree, origin.key, option, against); });
        a.also.push_back(fmt::format("it holds for everything below '{}'", op.target));
        a.weighed = true;
    } else if (!execute && op.kind == MountKind::root && path != "/") {
        const auto directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
        a.change =
            fmt::format("mount a tmpfs or a volume on '{}'", directory == "/" ? path : directory);
        a.also.push_back("what the image has there is hidden by it");
    }
    return a;
}

// With procSubset "pid" /proc has its processes and nothing beside them.
bool is_left_out(const Profile& p, const std::string& path) {
    if (!p.proc_pid_only || path == "/proc" || !below(path, "/proc")) return false;
    const auto entry = path.substr(6, path.find('/', 6) - 6);
    return entry != "self" && entry != "thread-self" &&
           entry.find_first_not_of("0123456789") != std::string::npos;
}

Answer left_out(const Subject& s) {
    Answer a{Ruling::refused,
             "proc-subset",
             "/proc holds the mode's processes alone",
             s.profile.where("procSubset"),
             {},
             "write \"procSubset\": \"all\"",
             {}};
    a.also.push_back("the mode then reads how busy the whole machine is");
    return a;
}

}  // namespace

Result<Answer> ask_path(const Subject& s, const std::string& path, const std::string& access) {
    constexpr std::string_view kAccesses[] = {"read", "write", "execute"};
    if (std::ranges::find(kAccesses, access) == std::end(kAccesses))
        return fail(Code::usage, fmt::format("'{}' is no access", shown(access)), "",
                    "one of: read, write, execute");
    if (!is_absolute_path(path))
        return fail(Code::usage, fmt::format("'{}' is not a normal absolute path", shown(path)), "",
                    "begin with /, without '.', '..' or empty parts");
    if (is_left_out(s.profile, path)) return left_out(s);
    const MountOp& op = mount_of(s.plan, path);
    const auto origin = origin_of(s.profile, op);
    if (op.kind == MountKind::mask)
        return Answer{Ruling::refused,
                      "masked",
                      "every mode has an empty file or directory there",
                      s.profile.where(""),
                      {},
                      "",
                      {}};
    if (below(path, "/dev") && op.kind == MountKind::dev && path != "/dev") {
        const auto node = std::ranges::find(s.plan.device_nodes, path.substr(5), &DeviceNode::path);
        if (node == s.plan.device_nodes.end())
            return Answer{Ruling::refused,
                          "device-class",
                          "no such node is made for this mode",
                          s.profile.where("devices"),
                          {},
                          "grant the class of the device in 'devices'",
                          {}};
        const bool own = !node->device_class.empty();
        if (access != "execute")
            return Answer{Ruling::allowed,
                          "device-class",
                          own ? fmt::format("the class {} is granted", node->device_class)
                              : "every mode has it",
                          s.profile.where(own ? "devices/" + node->device_class : "devices"),
                          {},
                          "",
                          {}};
    }
    const bool execute = access == "execute", write = access == "write";
    if (write && (op.attributes & MOUNT_ATTR_RDONLY) != 0) return refuse_mount(s, op, path, false);
    if (execute && (op.attributes & MOUNT_ATTR_NOEXEC) != 0) return refuse_mount(s, op, path, true);
    const std::uint64_t right = execute ? LANDLOCK_ACCESS_FS_EXECUTE
                                : write ? LANDLOCK_ACCESS_FS_WRITE_FILE
                                        : LANDLOCK_ACCESS_FS_READ_FILE;
    if (!landlock_allows(s.plan, path, right)) {
        Answer a{Ruling::refused,
                 "landlock",
                 fmt::format("Landlock admits no {} there; a link counts where it leads", access),
                 s.profile.where("landlock/execute"),
                 {},
                 "",
                 {}};
        const auto directory = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
        if (execute) {
            a.change = fmt::format("add \"{}\" to landlock/execute", directory);
            a.also.push_back(fmt::format("it holds for everything below '{}'", directory));
        }
        return a;
    }
    return Answer{Ruling::allowed,
                  "mount",
                  fmt::format("'{}' admits it, as far as the file's own permissions do", op.target),
                  origin.at,
                  {},
                  "",
                  {}};
}

}  // namespace pmos::policy
