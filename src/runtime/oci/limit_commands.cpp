// oci: the commands that are about a container's cgroup. See limit_commands.h.
#include "runtime/oci/limit_commands.h"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <iterator>

#include "policy/json_writer.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/cgroup.h"
#include "runtime/oci/state.h"

namespace pmos::oci {
namespace {

struct Limited {
    Record record;
    ContainerCgroup cgroup;
    UniqueFd process;
};

Result<Limited> find(const Options& options) {
    PMOS_ASSIGN(const auto directory, StateDirectory::open(options.root, options.id));
    PMOS_ASSIGN(auto record, directory.read());
    PMOS_ASSIGN(auto process, process_of(record));
    if (record.cgroup.manager == CgroupManager::none)
        return fail(Code::unsupported, fmt::format("container '{}' has no cgroup", options.id),
                    "cgroup v2 is not mounted here, or not ours to write to");
    PMOS_ASSIGN(auto cgroup, ContainerCgroup::open(record.cgroup));
    return Limited{std::move(record), std::move(cgroup), std::move(process)};
}

// Where an option of `update` stands in linux/resources.
struct OptionRow {
    std::string_view option, group, key;
    bool text;
};
constexpr std::array kOptions{
    OptionRow{"memory", "memory", "limit", false},
    OptionRow{"memory-reservation", "memory", "reservation", false},
    OptionRow{"memory-swap", "memory", "swap", false},
    OptionRow{"cpu-period", "cpu", "period", false},
    OptionRow{"cpu-quota", "cpu", "quota", false},
    OptionRow{"cpu-share", "cpu", "shares", false},
    OptionRow{"cpuset-cpus", "cpu", "cpus", true},
    OptionRow{"cpuset-mems", "cpu", "mems", true},
    OptionRow{"blkio-weight", "blockIO", "weight", false},
    OptionRow{"pids-limit", "pids", "limit", false},
};

// "512m" as runc takes it, in bytes; what is no such number is left to who reads it, and tells.
std::string as_bytes(const std::string& value) {
    constexpr std::string_view kUnits = "bkmgt";
    std::uint64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto [at, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || end - at != 1) return value;
    const auto unit = kUnits.find(static_cast<char>(*at | 0x20));
    if (unit == std::string_view::npos || number > UINT64_MAX >> (10 * unit)) return value;
    return std::to_string(number << (10 * unit));
}

std::string as_resources(const std::vector<std::pair<std::string, std::string>>& limits) {
    policy::JsonWriter w;
    w.open_object();
    for (const std::string_view group : {"memory", "cpu", "blockIO", "pids"}) {
        w.key(group).open_object();
        for (const auto& [name, value] : limits)
            for (const auto& row : kOptions)
                if (row.option == name && row.group == group)
                    row.text ? w.key(row.key).text(value)
                             : w.key(row.key).raw(row.group == "memory" ? as_bytes(value) : value);
        w.close();
    }
    w.close();
    return w.take();
}

Result<std::string> read_standard_input() {
    std::string text;
    std::array<char, 4096> block;
    while (const auto n = std::fread(block.data(), 1, block.size(), stdin)) {
        text.append(block.data(), n);
        if (text.size() > policy::kMaxFileSize) return fail(Code::usage, "that is too much");
    }
    return text;
}

void print_event(const Options& options, std::string_view type, std::string_view data) {
    policy::JsonWriter w;
    w.compact(true).open_object().key("type").text(type).key("id").text(options.id);
    if (!data.empty()) w.key("data").raw(data);
    w.close();
    fmt::print("{}", w.take());
    std::fflush(stdout);
}

}  // namespace

Result<> pause_container(const Options& options, bool frozen) {
    PMOS_ASSIGN(auto found, find(options));
    return frozen ? found.cgroup.freeze() : found.cgroup.thaw();
}

Result<> update_container(const Options& options) {
    PMOS_ASSIGN(auto found, find(options));
    std::string text = as_resources(options.limits), file = "options";
    if (!options.resources.empty()) {
        file = options.resources;
        if (file == "-") {
            PMOS_ASSIGN(text, read_standard_input());
        } else {
            PMOS_ASSIGN(text, read_text(file));
        }
    }
    std::vector<policy::Diagnostic> diagnostics;
    const auto resources = policy::oci::read_resources(file, text, diagnostics);
    if (!resources) return refusal("the limits are refused", diagnostics);
    return found.cgroup.update(*resources);
}

Result<> print_events(const Options& options) {
    PMOS_ASSIGN(auto found, find(options));
    if (options.stats) {
        PMOS_ASSIGN(const auto stats, found.cgroup.stats());
        print_event(options, "stats", stats);
        return {};
    }
    const auto memory = found.cgroup.watch_memory();
    std::uint64_t kills = memory ? ContainerCgroup::memory_kills(memory->read()) : 0;
    for (;;) {
        pollfd fds[] = {{found.process.get(), POLLIN, 0},
                        {memory ? memory->fd().get() : -1, POLLPRI, 0}};
        const int ready = ::poll(fds, 2, static_cast<int>(options.interval_s) * 1000);
        if (ready < 0 && errno != EINTR) return fail(errno_error(errno, "cannot wait for events"));
        if (fds[1].revents != 0) {
            const auto now = ContainerCgroup::memory_kills(memory->read());
            if (now > kills) print_event(options, "oom", "");
            kills = now;
        }
        if (fds[0].revents != 0) return {};
        if (ready != 0) continue;
        if (const auto stats = found.cgroup.stats()) print_event(options, "stats", *stats);
    }
}

}  // namespace pmos::oci
