// oci: what is kept of a container between two commands. See state.h.
#include "runtime/oci/state.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "base/text.h"
#include "policy/json_reader.h"
#include "policy/json_writer.h"
#include "policy/names.h"
#include "policy/oci_config.h"
#include "runtime/host/small_file.h"
#include "runtime/oci/rights.h"

namespace pmos::oci {
namespace {

constexpr const char* kState = "state.json";
constexpr const char* kConfig = "config.json";
constexpr const char *kStart = "start", *kResult = "result";
constexpr std::size_t kMaxId = 255;

// Root's, and nobody else's to look into: configurations have what is theirs in them.
Result<UniqueFd> open_root(const std::string& root, bool make) {
    if (make) {
        for (std::size_t at = 1; at != std::string::npos;) {
            at = root.find('/', at + 1);
            const std::string part = root.substr(0, at);
            if (::mkdir(part.c_str(), 0711) != 0 && errno != EEXIST)
                return fail(errno_error(errno, "cannot make '" + part + "'",
                                        "name another place with --root"));
        }
    }
    UniqueFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot open '" + root + "'"));
    return fd;
}

std::string text_at(const policy::Node& node, std::string_view key) {
    const auto* value = node.find(key);
    return value == nullptr ? "" : value->text;
}
std::uint64_t number_at(const policy::Node& node, std::string_view key) {
    const auto* value = node.find(key);
    return value == nullptr ? 0 : value->magnitude;
}

void write_annotations(policy::JsonWriter& w, const Record& record) {
    w.key("annotations").open_object();
    for (const auto& [name, value] : record.annotations) w.key(name).text(value);
    w.close();
}

}  // namespace

std::string_view status_name(Status status) {
    constexpr std::string_view kNames[] = {"creating", "created", "running", "paused", "stopped"};
    return kNames[static_cast<std::size_t>(status)];
}

std::string state_json(const Record& record, Status status, bool full) {
    policy::JsonWriter w;
    w.open_object().key("ociVersion").text(policy::oci::kVersion).key("id").text(record.id);
    w.key("status").text(status_name(status));
    w.key("pid").number(status == Status::stopped ? 0 : record.pid);
    w.key("bundle").text(record.bundle);
    if (full) {
        w.key("rootfs").text(record.rootfs).key("created").text(record.created);
        w.key("owner").text(record.owner == 0 ? "root" : std::to_string(record.owner));
    }
    write_annotations(w, record);
    w.close();
    return w.take();
}

std::string default_root() {
    const char* runtime = ::getenv("XDG_RUNTIME_DIR");
    if (runtime == nullptr || runtime[0] != '/' || is_machines_root()) return "/run/pmos-oci";
    return std::string(runtime) + "/pmos-oci";
}

Result<> check_id(const std::string& id) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '+' || c == '-' || c == '.';
    };
    if (!id.empty() && id.size() <= kMaxId && id != "." && id != ".." &&
        std::ranges::all_of(id, plain))
        return {};
    return fail(Code::usage, fmt::format("'{}' is no name of a container", printable(id)), "",
                "letters, digits, '_', '+', '-' and '.', 255 at most");
}

Result<StateDirectory> StateDirectory::create(const std::string& root, const std::string& id) {
    PMOS_TRY(check_id(id));
    PMOS_ASSIGN(auto place, open_root(root, true));
    if (::mkdirat(place.get(), id.c_str(), 0700) != 0) {
        if (errno == EEXIST)
            return fail(Code::already_exists, fmt::format("container '{}' exists", id), "",
                        "see: pmos-oci state " + id);
        return fail(errno_error(errno, fmt::format("cannot make '{}/{}'", root, id)));
    }
    UniqueFd directory(::openat(place.get(), id.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return fail(errno_error(errno, "cannot open the container's directory"));
    return StateDirectory(std::move(place), std::move(directory), id);
}

Result<StateDirectory> StateDirectory::open(const std::string& root, const std::string& id) {
    PMOS_TRY(check_id(id));
    const auto missing = [&] {
        return fail(Code::not_found, fmt::format("container '{}' does not exist", id), "",
                    "see: pmos-oci list");
    };
    auto place = open_root(root, false);
    if (!place) return missing();
    UniqueFd directory(::openat(place->get(), id.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return missing();
    return StateDirectory(std::move(*place), std::move(directory), id);
}

// Whole, or what was there before.
Result<> StateDirectory::write_file(const char* name, std::string_view bytes) const {
    const std::string next = fmt::format("{}.new", name);
    const UniqueFd fd(
        ::openat(directory_.get(), next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd || ::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
        return fail(
            errno_error(errno, fmt::format("cannot write '{}' of container '{}'", name, id_)));
    if (::renameat(directory_.get(), next.c_str(), directory_.get(), name) != 0)
        return fail(
            errno_error(errno, fmt::format("cannot keep '{}' of container '{}'", name, id_)));
    return {};
}

Result<> StateDirectory::write(const Record& record) const {
    policy::JsonWriter w;
    w.open_object().key("id").text(record.id).key("pid").number(record.pid);
    w.key("startTime").number(record.start_time).key("bundle").text(record.bundle);
    w.key("rootfs").text(record.rootfs);
    w.key("cgroupManager").text(policy::word_at(kCgroupManagerNames, record.cgroup.manager));
    w.key("cgroup").text(record.cgroup.path).key("scope").text(record.cgroup.scope);
    w.key("rootless").boolean(record.cgroup.rootless);
    w.key("created").text(record.created).key("owner").number(record.owner);
    write_annotations(w, record);
    w.close();
    return write_file(kState, w.take());
}

Result<Record> StateDirectory::read() const {
    const auto bytes = host::read_small_file(directory_.borrow(), kState);
    std::vector<policy::Diagnostic> faults;
    const auto node = bytes ? policy::read_json(kState, *bytes, faults) : std::nullopt;
    if (!node)
        return fail(Code::failed, fmt::format("container '{}' was never finished", id_), "",
                    "pmos-oci delete --force " + id_);
    Record record;
    record.id = text_at(*node, "id");
    record.pid = static_cast<int>(number_at(*node, "pid"));
    record.start_time = number_at(*node, "startTime");
    record.bundle = text_at(*node, "bundle");
    record.rootfs = text_at(*node, "rootfs");
    const auto managers = policy::split_list(kCgroupManagerNames);
    const auto manager = std::ranges::find(managers, text_at(*node, "cgroupManager"));
    if (manager != managers.end())
        record.cgroup.manager = static_cast<CgroupManager>(manager - managers.begin());
    record.cgroup.path = text_at(*node, "cgroup");
    record.cgroup.scope = text_at(*node, "scope");
    record.cgroup.helper = kSystemdHelper;
    if (const auto* rootless = node->find("rootless")) record.cgroup.rootless = rootless->boolean;
    record.created = text_at(*node, "created");
    record.owner = static_cast<std::uint32_t>(number_at(*node, "owner"));
    if (const auto* annotations = node->find("annotations"))
        for (const auto& member : annotations->members)
            record.annotations.emplace_back(member.key, member.value.text);
    return record;
}

Result<> StateDirectory::keep_config(std::string_view bytes) const {
    return write_file(kConfig, bytes);
}

Result<std::string> StateDirectory::config() const {
    auto bytes = host::read_small_file(directory_.borrow(), kConfig);
    if (!bytes) return fail(Code::not_found, "the configuration of '" + id_ + "' is gone");
    return std::move(*bytes);
}

Result<StateDirectory::Fifos> StateDirectory::make_fifos() const {
    Fifos made;
    for (const char* name : {kStart, kResult}) {
        if (::mkfifoat(directory_.get(), name, 0600) != 0)
            return fail(errno_error(errno, "cannot make a fifo for the start"));
        UniqueFd fd(::openat(directory_.get(), name, O_RDWR | O_CLOEXEC));
        if (!fd) return fail(errno_error(errno, "cannot open a fifo for the start"));
        (name == kStart ? made.start : made.result) = std::move(fd);
    }
    return made;
}

Result<StateDirectory::Fifos> StateDirectory::take_fifos() const {
    Fifos made;
    made.result.reset(::openat(directory_.get(), kResult, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    made.start.reset(::openat(directory_.get(), kStart, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (!made.start && errno == ENXIO)
        return fail(Code::not_running, fmt::format("container not running: '{}'", id_));
    if (!made.start || !made.result || ::unlinkat(directory_.get(), kStart, 0) != 0)
        return fail(Code::not_found, fmt::format("container '{}' was started already", id_));
    ::unlinkat(directory_.get(), kResult, 0);
    return made;
}

bool StateDirectory::waits() const { return ::faccessat(directory_.get(), kStart, F_OK, 0) == 0; }

Result<> StateDirectory::remove() const {
    const UniqueFd again(::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(::dup(again.get())), &::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr)
        if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
            ::unlinkat(directory_.get(), entry->d_name, 0);
    if (::unlinkat(root_.get(), id_.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
        return fail(errno_error(errno, fmt::format("cannot remove what is kept of '{}'", id_)));
    return {};
}

std::optional<std::uint64_t> start_time_of(int pid) {
    const auto stat = host::read_small_file(fmt::format("/proc/{}/stat", pid));
    // The name may have blanks and parentheses; behind the last one come state (field 3) and
    // numbers.
    const auto close = stat ? stat->rfind(')') : std::string::npos;
    if (close == std::string::npos) return std::nullopt;
    const auto fields = host::split_words(std::string_view(*stat).substr(close + 1));
    std::uint64_t time = 0;
    if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return std::nullopt;
    const auto& text = fields[19];
    if (std::from_chars(text.data(), text.data() + text.size(), time).ec != std::errc())
        return std::nullopt;
    return time;
}

bool is_alive(const Record& record) {
    return record.pid > 0 && start_time_of(record.pid) == record.start_time;
}

Status status_of(const StateDirectory& directory, const Record& record) {
    if (!is_alive(record)) return Status::stopped;
    if (record.cgroup.manager != CgroupManager::none) {
        const auto cgroup = ContainerCgroup::open(record.cgroup);
        const auto frozen = cgroup ? cgroup->is_frozen() : Result<bool>(false);
        if (frozen && *frozen) return Status::paused;
    }
    return directory.waits() ? Status::created : Status::running;
}

Result<UniqueFd> process_of(const Record& record) {
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, record.pid, 0)));
    // Looked at behind the descriptor: until then the number could become another's.
    if (!pidfd || !is_alive(record))
        return fail(Code::not_running, fmt::format("container not running: '{}'", record.id));
    return pidfd;
}

std::vector<std::string> list_containers(const std::string& root) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(root.c_str()), &::closedir);
    while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr)
        if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    std::ranges::sort(names);
    return names;
}

}  // namespace pmos::oci
