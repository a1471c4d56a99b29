// oci: the commands that launch nothing. See commands.h.
#include "runtime/oci/commands.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "policy/json_writer.h"
#include "policy/names.h"
#include "policy/oci_config.h"
#include "policy/oci_plan.h"
#include "runtime/host/small_file.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/cgroup.h"
#include "runtime/oci/state.h"
#include "runtime/sys/process.h"

namespace pmos::oci {
namespace {

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// "9", "KILL" or "SIGKILL".
Result<int> read_signal(std::string_view word) {
    int number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error == std::errc() && end == word.data() + word.size() && number >= 0 &&
        number <= SIGRTMAX)
        return number;
    const std::string_view bare = word.starts_with("SIG") ? word.substr(3) : word;
    for (int signal = 1; signal < NSIG; ++signal)
        if (const char* name = ::sigabbrev_np(signal); name != nullptr && bare == name)
            return signal;
    return fail(Code::usage, fmt::format("no signal '{}'", word));
}

struct Row {
    Record record;
    Status status;
};

std::vector<Row> rows(const std::string& root) {
    std::vector<Row> out;
    for (const auto& name : list_containers(root)) {
        const auto directory = StateDirectory::open(root, name);
        const auto record = directory ? directory->read() : Result<Record>(fail(directory.error()));
        if (record) out.push_back({*record, status_of(*directory, *record)});
    }
    return out;
}

std::string pid_namespace_of(const std::string& process) {
    char text[64]{};
    const auto path = fmt::format("/proc/{}/ns/pid", process);
    return ::readlink(path.c_str(), text, sizeof text - 1) > 0 ? std::string(text) : "";
}

// Without a cgroup only a pid namespace of its own tells whose a process is: in ours is everybody.
Result<std::vector<int>> processes_of(const Record& record) {
    std::vector<int> out;
    const std::string own = pid_namespace_of(std::to_string(record.pid));
    if (!is_alive(record)) return out;
    if (own.empty() || own == pid_namespace_of("self"))
        return fail(Code::unsupported,
                    fmt::format("nothing tells the processes of container '{}'", record.id),
                    "it has neither a cgroup nor a pid namespace of its own");
    for (const auto& name : list_containers("/proc")) {
        int pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error == std::errc() && *end == 0 && pid_namespace_of(name) == own) out.push_back(pid);
    }
    std::ranges::sort(out);
    return out;
}

Result<std::vector<int>> all_of(const Record& record) {
    if (record.cgroup.manager == CgroupManager::none) return processes_of(record);
    PMOS_ASSIGN(const auto cgroup, ContainerCgroup::open(record.cgroup));
    return cgroup.pids();
}

Result<> signal_all(const Record& record, int signal) {
    if (record.cgroup.manager != CgroupManager::none) {
        auto cgroup = ContainerCgroup::open(record.cgroup);
        if (cgroup) return cgroup->kill(signal);
        return cgroup.error().code == Code::not_found ? Result<>() : fail(cgroup.error());
    }
    PMOS_ASSIGN(const auto pids, processes_of(record));
    for (const int pid : pids) ::kill(pid, signal);
    return {};
}

void namespaces(policy::JsonWriter& w) {
    constexpr std::pair<const char*, const char*> kKinds[] = {
        {"cgroup", "cgroup"}, {"ipc", "ipc"},   {"mount", "mnt"}, {"network", "net"},
        {"pid", "pid"},       {"time", "time"}, {"user", "user"}, {"uts", "uts"}};
    w.key("namespaces").open_array();
    for (const auto& [name, file] : kKinds)
        if (::access(fmt::format("/proc/self/ns/{}", file).c_str(), F_OK) == 0) w.text(name);
    w.close();
}

}  // namespace

Result<> print_state(const Options& options) {
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(const auto record, directory.read());
    print(state_json(record, status_of(directory, record), true));
    return {};
}

Result<> print_list(const Options& options) {
    const auto all = rows(options.root);
    if (options.quiet) {
        for (const auto& row : all) fmt::print("{}\n", row.record.id);
        return {};
    }
    if (options.format == "json") {
        std::string text;
        for (const auto& row : all)
            text += (text.empty() ? "[" : ",") + state_json(row.record, row.status, true);
        print(text.empty() ? "null\n" : text + "]\n");
        return {};
    }
    fmt::print("{:<24} {:<8} {:<10} {:<32} {}\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
    for (const auto& row : all)
        fmt::print("{:<24} {:<8} {:<10} {:<32} {}\n", row.record.id,
                   row.status == Status::stopped ? 0 : row.record.pid, status_name(row.status),
                   row.record.bundle, row.record.created);
    return {};
}

Result<> print_processes(const Options& options) {
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(const auto record, directory.read());
    PMOS_ASSIGN(const auto pids, all_of(record));
    if (options.format == "json") {
        policy::JsonWriter w;
        w.compact(true).open_array();
        for (const int pid : pids) w.number(pid);
        w.close();
        print(w.take());
        return {};
    }
    fmt::print("PID      COMMAND\n");
    for (const int pid : pids)
        fmt::print("{:<8} {}", pid,
                   host::read_small_file(fmt::format("/proc/{}/comm", pid)).value_or("\n"));
    return {};
}

Result<> print_features() {
    policy::JsonWriter w;
    w.open_object();
    w.key("ociVersionMin").text(policy::oci::kOldestVersion);
    w.key("ociVersionMax").text(policy::oci::kNewestVersion);
    w.key("hooks").open_array();
    for (const auto point : policy::split_list(policy::oci::kHookPointNames)) w.text(point);
    w.close();
    w.key("mountOptions").open_array();
    for (const auto word : policy::oci::known_options()) w.text(word);
    w.close();
    w.key("linux").open_object();
    namespaces(w);
    w.key("capabilities").open_array();
    for (const auto& c : policy::capability_names()) w.text(c.name);
    w.close();
    w.key("cgroup").compact(true).open_object();
    const bool systemd = ::access(kSystemdHelper, X_OK) == 0;
    w.key("v1").boolean(false).key("v2").boolean(true).key("systemd").boolean(systemd);
    w.key("systemdUser").boolean(systemd).key("rdma").boolean(true).close().compact(false);
    w.key("seccomp").compact(true).open_object().key("enabled").boolean(true);
    w.key("actions").open_array();
    for (const char* action : {"ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG",
                               "NOTIFY", "TRACE", "TRAP"})
        w.text(fmt::format("SCMP_ACT_{}", action));
    w.close().close();
    const bool apparmor = look_at_host("").apparmor;
    w.key("apparmor").open_object().key("enabled").boolean(apparmor).close();
    w.key("selinux").open_object().key("enabled").boolean(false).close();
    w.key("intelRdt").open_object().key("enabled").boolean(false).close();
    w.key("mountExtensions").open_object().key("idmap").open_object();
    w.key("enabled").boolean(true).close().close().compact(false);
    w.close();
    w.key("annotations").open_object();
    w.key("org.pmos.version").text(PMOS_VERSION).close();
    w.close();
    print(w.take());
    return {};
}

Result<> write_spec(const Options& options) {
    const std::string path =
        (options.bundle.empty() ? std::string(".") : options.bundle) + "/config.json";
    std::optional<policy::oci::RootlessIds> ids;
    if (options.rootless) ids = {::geteuid(), ::getegid()};
    const std::string text = policy::oci::example_config(ids);
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!fd && errno == EEXIST)
        return fail(Code::already_exists, fmt::format("'{}' is there", path), "",
                    "move it away first");
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail(errno_error(errno, fmt::format("cannot write '{}'", path)));
    return {};
}

Result<> send_signal(const Options& options) {
    PMOS_ASSIGN(const int signal,
                read_signal(options.words.empty() ? "TERM" : options.words.front()));
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(const auto record, directory.read());
    if (options.all) return signal_all(record, signal);
    PMOS_ASSIGN(const auto process, process_of(record));
    if (const int err = sys::sys_pidfd_send_signal(process.get(), signal); err < 0)
        return fail(errno_error(-err, fmt::format("cannot send a signal to '{}'", options.id)));
    return {};
}

}  // namespace pmos::oci
