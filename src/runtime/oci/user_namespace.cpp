// oci: a user namespace that is there already. Nobody comes back from one: who goes there is a
// child.
#include "runtime/oci/user_namespace.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "runtime/host/small_file.h"
#include "runtime/oci/rights.h"
#include "runtime/sys/beside.h"
#include "runtime/sys/file.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

using policy::IdMap;
using policy::oci::Namespace;

// In memory that is its parent's: nobody in there may trace it.
int enter(int ns) noexcept {
    const int err = sys::sys_setns(ns, CLONE_NEWUSER);
    return err < 0 ? err : sys::sys_prctl(PR_SET_DUMPABLE, 0);
}

// A process in the namespace for as long as this lives; /proc tells of it as we see it.
class Visitor {
  public:
    Visitor() = default;
    Visitor(const Visitor&) = delete;
    Visitor& operator=(const Visitor&) = delete;
    ~Visitor() {
        if (!pidfd_) return;
        sys::sys_pidfd_send_signal(pidfd_.get(), SIGKILL);
        sys::reap_beside(pidfd_.get());
    }
    // 0 once it is there, or -errno.
    int go(int ns) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return -errno;
        const UniqueFd told(ends[0]);
        UniqueFd tells(ends[1]);
        visit_ = {ns, tells.get(), ::getpid()};
        int pidfd = -1;
        pid_ = sys::clone_beside(stay, &visit_, stack_.top(), 0, &pidfd);
        if (pid_ < 0) return pid_;
        pidfd_.reset(pidfd);
        tells.reset();
        int err = 0;
        return ::read(told.get(), &err, sizeof err) == sizeof err ? err : -ESRCH;
    }
    int pid() const noexcept { return pid_; }

  private:
    struct Visit {
        int ns = -1, tells = -1, parent = 0;
    };
    static int stay(void* argument) {
        const auto& visit = *static_cast<const Visit*>(argument);
        const int err = enter(visit.ns);
        sys::sys_end_with(visit.parent);
        sys::sys_write(visit.tells, &err, sizeof err);
        sys::sys_close(visit.tells);
        for (;;) sys::raw(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
    }
    Visit visit_;
    sys::BesideStack stack_;
    int pid_ = 0;
    UniqueFd pidfd_;
};

Result<std::vector<IdMap>> read_map(int pid, const char* name) {
    const auto path = fmt::format("/proc/{}/{}", pid, name);
    const auto text = host::read_small_file(path);
    if (!text) return fail(errno_error(errno, fmt::format("cannot read '{}'", path)));
    std::vector<IdMap> map;
    const auto words = host::split_words(*text);
    for (std::size_t at = 0; at + 2 < words.size(); at += 3) {
        IdMap row;
        const auto number = [&](std::size_t index, std::uint32_t& out) {
            std::from_chars(words[index].data(), words[index].data() + words[index].size(), out);
        };
        number(at, row.inside);
        number(at + 1, row.outside);
        number(at + 2, row.count);
        map.push_back(row);
    }
    if (map.size() > launch::kMaxIdMaps)
        return fail(Code::unsupported, fmt::format("'{}' has {} lines", path, map.size()),
                    fmt::format("at most {} are taken", launch::kMaxIdMaps));
    return map;
}

bool are_same(std::vector<IdMap> left, std::vector<IdMap> right) {
    std::ranges::sort(left, {}, &IdMap::inside);
    std::ranges::sort(right, {}, &IdMap::inside);
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

bool is_ours(const UniqueFd& fd) {
    struct stat own {};
    struct stat that {};
    return ::stat("/proc/self/ns/user", &own) != 0 || ::fstat(fd.get(), &that) != 0 ||
           (own.st_ino == that.st_ino && own.st_dev == that.st_dev);
}

struct Birth {
    launch::Launch& launch;
    const clone_args& args;
    int result = -ESRCH;  // the child's number, or -errno
};

// Its own pid namespace stays ours: nobody in the other sees it, and the number is one of ours.
int join_others(const launch::ContainerParts& parts) noexcept {
    for (const launch::Joined& joined : parts.joined)
        if (joined.fd >= 0 && joined.type == CLONE_NEWPID)
            if (const int err = sys::sys_setns(joined.fd, CLONE_NEWPID); err < 0) return err;
    return enter(parts.user_ns);
}

// Not watched: a sanitizer knows no stack but the thread's.
__attribute__((no_sanitize("address"))) int give_birth(void* argument) {
    auto& birth = *static_cast<Birth*>(argument);
    if (const int err = join_others(*birth.launch.container); err < 0) {
        birth.result = err;
        return 0;
    }
    const int pid = sys::sys_clone3(birth.args);
    // On a copy of all this.
    if (pid == 0) launch::run_child(birth.launch);
    birth.result = pid;
    return 0;
}

// What the child goes on with, where it was born: as deep as a copied tree (copy_up), and what is
// below it is nobody's.
class ChildStack {
  public:
    ChildStack()
        : base_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0)),
          guarded_(base_ != MAP_FAILED && ::mprotect(base_, kGuard, PROT_NONE) == 0) {}
    ChildStack(const ChildStack&) = delete;
    ChildStack& operator=(const ChildStack&) = delete;
    ~ChildStack() {
        if (base_ != MAP_FAILED) ::munmap(base_, kSize);
    }
    bool is_there() const noexcept { return guarded_; }
    void* top() const noexcept { return static_cast<std::byte*>(base_) + kSize; }

  private:
    static constexpr std::size_t kSize = 4 << 20, kGuard = 64 << 10;
    void* base_;
    bool guarded_;
};

}  // namespace

Result<std::optional<JoinedUser>> join_user_namespace(policy::oci::Config& config) {
    const auto at = std::ranges::find_if(config.namespaces, [](const Namespace& ns) {
        return ns.type == CLONE_NEWUSER && !ns.path.empty();
    });
    if (at == config.namespaces.end()) return std::nullopt;
    JoinedUser joined{UniqueFd(::open(at->path.c_str(), O_RDONLY | O_CLOEXEC))};
    if (!joined.ns) return fail(errno_error(errno, fmt::format("cannot open '{}'", at->path)));
    if (::ioctl(joined.ns.get(), NS_GET_NSTYPE) != CLONE_NEWUSER)
        return fail(Code::usage, fmt::format("'{}' is no namespace of that type", at->path),
                    at->at.pointer);
    // A pod whose first process has died leaves a number that may be anybody's.
    if (is_ours(joined.ns))
        return fail(Code::usage, fmt::format("'{}' is this machine's own", at->path),
                    at->at.pointer, "leave the user namespace out, if that is what is meant");
    Visitor visitor;
    if (const int err = visitor.go(joined.ns.get()); err < 0)
        return fail(errno_error(-err, fmt::format("cannot join '{}'", at->path),
                                "it is for who is root of the namespace that it was made in"));
    PMOS_ASSIGN(auto uid, read_map(visitor.pid(), "uid_map"));
    PMOS_ASSIGN(auto gid, read_map(visitor.pid(), "gid_map"));
    joined.denies_groups = !may_set_groups(visitor.pid());
    PMOS_TRY(take_map(*at, "uidMappings", std::move(uid), config.uid_map));
    PMOS_TRY(take_map(*at, "gidMappings", std::move(gid), config.gid_map));
    return joined;
}

Result<> take_maps_of(int pid, policy::oci::Config& config) {
    if (!config.has(CLONE_NEWUSER)) return {};
    for (const auto& [name, map] :
         {std::pair{"uid_map", &config.uid_map}, {"gid_map", &config.gid_map}}) {
        if (!says_nothing(*map)) continue;
        PMOS_ASSIGN(*map, read_map(pid, name));
    }
    return {};
}

int clone_in_user_namespace(launch::Launch& launch, const clone_args& args) {
    const ChildStack stack;
    if (!stack.is_there()) return -ENOMEM;
    Birth birth{launch, args};
    int pidfd = -1;
    const int pid =
        sys::clone_beside(give_birth, &birth, stack.top(), CLONE_VFORK | CLONE_FILES, &pidfd);
    if (pid < 0) return pid;
    const UniqueFd helper(pidfd);
    sys::reap_beside(helper.get());
    return birth.result;
}

}  // namespace pmos::oci
