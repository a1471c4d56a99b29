// policy: the flat, sealed form of a LaunchPlan that crosses into the launcher and is read after
// clone3: offsets and plain old data, no pointers. Includes nothing of policy; allocates nothing.
//
// Layout: Header at offset 0, then tables and texts in any order. Every offset is from the start
// of the image, every table is 8-byte aligned, every text is followed by a NUL. A reader checks
// all of that once (launch/plan_view.h) before it follows any offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pmos::policy::image {

inline constexpr char kMagic[8] = {'P', 'M', 'O', 'S', 'P', 'L', 'N', '1'};
inline constexpr std::uint32_t kVersion = 4;
inline constexpr std::uint32_t kMaxSize = 4U << 20;

struct Text {
    std::uint32_t offset = 0, size = 0;  // size without the NUL; {0,0} is the empty text
};
template <class T>
struct Table {
    std::uint32_t offset = 0, count = 0;
};

// Of a volume's file system a mode sees one directory. Beside it is what only the host sees.
inline constexpr const char* kModePart = "mode";
inline constexpr const char* kPrivatePart = "private";

enum class MountKind : std::uint32_t {
    root,        // the mode's root tree, passed as a descriptor
    dev,         // tmpfs with the device nodes, built by the launcher before clone3
    volume,      // file system on a block device, mounted by the launcher before clone3
    bind,        // host path, cloned by the launcher before clone3
    filesystem,  // proc, tmpfs, devpts, mqueue: made by the child in its own namespaces
    mask,        // /dev/null over a file, a shared empty read-only tmpfs over a directory
    read_only,   // the target, bound over itself read-only, recursively
};
enum class NodeType : std::uint32_t { character, block, symlink, directory, fifo };

// Of a container of an OCI bundle alone; a mode has none of these.
enum MountFlag : std::uint32_t {
    mount_recursive = 1,  // bind: with all that is mounted below it
    mount_follows = 2,  // links in its target lead on, inside the root; in its source, on the host
    mount_copy_up = 4,  // tmpfs: begins with what the target has
    mount_maps_deep = 8,  // idmapped: so is all that is mounted below it
};
enum ContainerFlag : std::uint32_t {
    container_is = 1,  // it is one: the plan's program is PID 1, what a mode must have it may lack
    container_gains = 2,       // set-user-id programs work: no_new_privs is not set
    container_read_only = 4,   // its root, once everything is mounted
    container_finds_home = 8,  // HOME is by its /etc/passwd
};

enum Tell : std::uint32_t { tell_capabilities = 1, tell_landlock = 2 };

struct IdMap {
    std::uint32_t inside = 0, outside = 0, count = 0, reserved = 0;
};
struct Option {
    Text key, value;
};
struct MountOp {
    MountKind kind{};
    std::uint32_t idmapped = 0;
    std::uint64_t attributes = 0;
    Text source, target;
    Table<Option> options;
    // Of containers.
    std::uint32_t flags = 0;            // MountFlag
    std::uint32_t propagation = 0;      // MS_PRIVATE, ... with MS_REC; 0: MS_PRIVATE
    std::uint64_t cleared = 0;          // attributes
    std::uint64_t deep_attributes = 0;  // of everything below as well
    std::uint64_t deep_cleared = 0;
};
// What a container runs by itself, between the clone and its program.
struct ContainerHook {
    std::uint32_t at_start = 0;    // inside, before the program; else outside its root
    std::uint32_t timeout_ms = 0;  // 0: none
    Text path;
    Table<Text> args, env;
};
struct DeviceNode {
    NodeType type{};
    std::uint32_t major = 0, minor = 0, mode = 0, uid = 0, gid = 0;
    Text path;
    Text link;  // target of a symlink
};
struct Rlimit {
    std::uint32_t resource = 0, reserved = 0;
    std::uint64_t soft = 0, hard = 0;
};
struct LandlockRule {
    Text path;
    std::uint64_t access = 0;
};
struct Instruction {  // struct sock_filter
    std::uint16_t code = 0;
    std::uint8_t jt = 0, jf = 0;
    std::uint32_t k = 0;
};

struct Header {
    char magic[8]{};
    std::uint32_t version = 0;
    std::uint32_t size = 0;  // of the whole image
    Text mode, hostname, cwd, apparmor;
    std::uint64_t namespaces = 0;
    std::int64_t monotonic_offset = 0, boottime_offset = 0;
    Table<IdMap> uid_map, gid_map;
    Table<MountOp> mounts;
    Table<DeviceNode> device_nodes;
    Table<Text> args, env;
    Table<std::uint32_t> additional_gids;
    Table<Rlimit> rlimits;
    Table<Instruction> seccomp;
    std::uint32_t seccomp_flags = 0;
    std::uint32_t tell = 0;  // Tell; for pmosd
    Table<LandlockRule> landlock;
    std::uint64_t landlock_handled = 0;
    std::uint64_t cap_bounding = 0, cap_effective = 0, cap_permitted = 0, cap_inheritable = 0,
                  cap_ambient = 0;
    std::uint32_t uid = 0, gid = 0, umask = 0;
    std::int32_t oom_score_adj = 0;
    // What the launcher does not read but the digest must cover: what a listener answers by, the
    // device filter (struct bpf_insn) and the readable form of the whole plan (limits, hooks,
    // volumes).
    Table<Instruction> seccomp_answer;
    Table<std::uint64_t> device_filter;
    Text json;
    // Of containers.
    std::uint32_t container = 0;         // ContainerFlag
    std::uint32_t root_propagation = 0;  // as of a mount; 0: as it is
    std::uint64_t joined = 0;            // of the namespaces: those that are there already
    std::int64_t personality = -1;
    Text domainname;
    Table<Option> sysctl;  // path below /proc/sys, value
    Table<ContainerHook> hooks;
};

static_assert(std::is_trivially_copyable_v<Header> && std::is_standard_layout_v<Header>);
static_assert(sizeof(Instruction) == 8 && sizeof(MountOp) == 72);

}  // namespace pmos::policy::image
