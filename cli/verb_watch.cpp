// cli: the verbs that follow: logs and events. They change nothing.
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/mode_info.h"
#include "cli/output.h"
#include "cli/tail.h"
#include "cli/verbs.h"
#include "cli/volume_address.h"
#include "runtime/daemon/bus_names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string one_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

struct LogOptions {
    std::string mode;
    bool follow = false;
    std::uint64_t lines = 0;
    bool denials = false;
};

// A mode's output must not drive the terminal that shows it.
void print_output(std::string_view bytes, bool escape) {
    put(escape ? printable_lines(bytes) : std::string(bytes));
}

void print_lines_as_json(std::string& pending, std::string_view bytes, bool last) {
    pending += bytes;
    std::size_t begin = 0;
    for (auto end = pending.find('\n'); end != pending.npos; end = pending.find('\n', begin)) {
        put_line(one_line(Json{{"line", pending.substr(begin, end - begin)}}));
        begin = end + 1;
    }
    pending.erase(0, begin);
    if (last && !pending.empty()) put_line(one_line(Json{{"line", pending}}));
}

// The name in the /proc directory leads to the file itself, whatever its path.
UniqueFd watch_growth(BorrowedFd file) {
    UniqueFd notify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const std::string self = fmt::format("/proc/self/fd/{}", file.get());
    if (notify && ::inotify_add_watch(notify.get(), self.c_str(), IN_MODIFY) < 0) notify.reset();
    return notify;
}

void wait_for_growth(const UniqueFd& notify) {
    // Without inotify (a file system that has none) the time limit does it alone.
    pollfd wait{notify.get(), POLLIN, 0};
    ::poll(&wait, 1, notify ? 2000 : 250);
    char events[4096];
    if (notify)
        while (::read(notify.get(), events, sizeof events) > 0) {
        }
}

Result<UniqueFd> open_output(BusClient& bus, const LogOptions& options) {
    PMOS_ASSIGN(const auto answer, bus.call(mode_address(options.mode), "Logs"));
    return read_fd(answer);
}

// A worker writes them there that has the volume mounted for that long.
Result<UniqueFd> fetch_denials(BusClient& bus, const LogOptions& options) {
    VolumeName name{options.mode, ""};
    PMOS_TRY(settle_name(bus, name));
    UniqueFd file(::memfd_create("denials", MFD_CLOEXEC));
    if (!file) return fail(errno_error(errno, "cannot make a file in memory"));
    PMOS_TRY(
        bus.call(volumes_address(name.mode), "Denials", "sh", name.volume.c_str(), file.get()));
    if (::lseek(file.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, "cannot read what was written"));
    return file;
}

Result<int> logs(const Globals& globals, const LogOptions& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto file,
                options.denials ? fetch_denials(bus, options) : open_output(bus, options));
    const bool escape = ::isatty(STDOUT_FILENO) != 0;
    Tail tail(file.borrow());
    if (options.lines > 0) PMOS_TRY(tail.seek_last_lines(options.lines));
    std::string pending;
    const auto notify = options.follow ? watch_growth(file.borrow()) : UniqueFd();
    for (;;) {
        PMOS_ASSIGN(const auto bytes, tail.next());
        if (globals.json) {
            print_lines_as_json(pending, bytes, bytes.empty() && !options.follow);
        } else {
            print_output(bytes, escape);
        }
        if (!bytes.empty()) continue;
        if (!options.follow) return 0;
        if (std::fflush(stdout) != 0)
            return fail(errno_error(errno, "cannot write to standard output"));
        wait_for_growth(notify);
    }
}

// What a variant may hold in the properties and details that docs/bus.md names.
Json read_value(sd_bus_message* m) {
    char type = 0;
    const char* contents = nullptr;
    if (sd_bus_message_peek_type(m, &type, &contents) <= 0 || type != 'v') return {};
    const std::string_view kind(contents);
    const char* text = nullptr;
    std::uint32_t u = 0;
    std::int32_t i = 0;
    std::uint64_t t = 0;
    int b = 0;
    if (kind == "s" && sd_bus_message_read(m, "v", "s", &text) > 0) return text;
    if (kind == "b" && sd_bus_message_read(m, "v", "b", &b) > 0) return b != 0;
    if (kind == "u" && sd_bus_message_read(m, "v", "u", &u) > 0) return u;
    if (kind == "i" && sd_bus_message_read(m, "v", "i", &i) > 0) return i;
    if (kind == "t" && sd_bus_message_read(m, "v", "t", &t) > 0) return t;
    sd_bus_message_skip(m, "v");
    return {};
}

Json read_changed(sd_bus_message* m) {
    Json properties = Json::object();
    if (sd_bus_message_enter_container(m, 'a', "{sv}") <= 0) return properties;
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        const char* name = nullptr;
        if (sd_bus_message_read(m, "s", &name) > 0) properties[name] = read_value(m);
        sd_bus_message_exit_container(m);
    }
    return properties;
}

Json read_details(sd_bus_message* m) {
    Json details = Json::object();
    if (sd_bus_message_enter_container(m, 'a', "{ss}") <= 0) return details;
    const char *key = nullptr, *value = nullptr;
    while (sd_bus_message_read(m, "{ss}", &key, &value) > 0) details[key] = value;
    return details;
}

struct EventOptions {
    std::uint64_t limit = 0;
    bool denials = false;
};

class EventPrinter {
  public:
    EventPrinter(bool json, const EventOptions& options)
        : json_(json), limit_(options.limit), denials_(options.denials) {}

    bool done() const { return limit_ != 0 && count_ >= limit_; }

    void event(const Message& m) {
        std::uint64_t time = 0;
        const char *kind = nullptr, *mode = nullptr;
        if (read(m, "tss", &time, &kind, &mode)) print(time, kind, mode, read_details(m.get()));
    }

    void changed(const Message& m) {
        const char* interface = nullptr;
        if (!read(m, "s", &interface)) return;
        const bool of_mode = std::string_view(interface) == bus::kModeInterface;
        if (!of_mode && std::string_view(interface) != bus::kManagerInterface) return;
        print(boottime_us(), "changed", mode_of_path(sd_bus_message_get_path(m.get())),
              read_changed(m.get()));
    }

  private:
    void print(std::uint64_t time, const std::string& kind, const std::string& mode,
               const Json& details) {
        if (done() || (denials_ && kind != "denied" && kind != "denials-lost")) return;
        ++count_;
        if (json_) {
            put_line(one_line(
                Json{{"time", time}, {"kind", kind}, {"mode", mode}, {"details", details}}));
        } else {
            std::string line = fmt::format("[{:5}.{:06}] {:<8} {:<10}", time / 1'000'000,
                                           time % 1'000'000, printable(kind), printable(mode));
            for (const auto& [key, value] : details.items())
                line += fmt::format(
                    " {}={}", printable(key),
                    printable(value.is_string() ? value.get<std::string>() : one_line(value)));
            put_line(line);
        }
        std::fflush(stdout);
    }

    bool json_;
    std::uint64_t limit_, count_ = 0;
    bool denials_;  // only those
};

Result<int> events(const Globals& globals, const EventOptions& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    EventPrinter printer(globals.json, options);
    const std::string tree = std::string(bus::kManagerPath) + "/*";
    PMOS_TRY(bus.listen(bus::kManagerPath, bus::kManagerInterface, "Event",
                        [&](const Message& m) { printer.event(m); }));
    PMOS_TRY(bus.listen(tree, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                        [&](const Message& m) { printer.changed(m); }));
    // Nothing would ever come where nobody serves, or where the caller may not listen.
    PMOS_TRY(bus.call({bus::kManagerPath, "org.freedesktop.DBus.Properties"}, "Get", "ss",
                      bus::kManagerInterface, "Version"));
    PMOS_TRY(bus.run_until([&] { return printer.done() || std::ferror(stdout) != 0; }));
    return 0;
}

}  // namespace

Action attach_logs(CommandLine& line) {
    auto options = std::make_shared<LogOptions>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_flag("-f,--follow", options->follow, "go on as more is written");
    line.add_option("-n,--lines", options->lines, "begin with the last N lines")
        .between(std::uint64_t{1}, std::uint64_t{1'000'000});
    line.add_flag("--denials", options->denials,
                  "not its output, but what it was refused, from its own volume")
        .excludes({"--follow"});
    return [options](const Globals& globals) { return logs(globals, *options); };
}

Action attach_events(CommandLine& line) {
    auto options = std::make_shared<EventOptions>();
    line.add_option("-n,--count", options->limit, "end after N events");
    line.add_flag("--denials", options->denials, "only what modes were refused");
    return [options](const Globals& globals) { return events(globals, *options); };
}

}  // namespace pmos::cli
