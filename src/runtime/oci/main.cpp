// oci: main of pmos-oci, an OCI runtime. Logs only why a command failed.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "policy/json_writer.h"
#include "runtime/oci/commands.h"
#include "runtime/oci/container.h"
#include "runtime/oci/limit_commands.h"

namespace pmos::oci {
namespace {

constexpr int kFailed = 1, kUsage = 2;

// For engines, which read the last line of it.
void log_line(const Options& options, const char* level, const std::string& message) {
    if (options.log.empty()) return;
    char time[32];
    const std::time_t seconds = std::time(nullptr);
    tm parts{};
    std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&seconds, &parts));
    policy::JsonWriter w;
    w.compact(true).open_object().key("level").text(level).key("msg").text(message);
    w.key("time").text(time).close();
    const std::string line =
        options.log_format == "json"
            ? w.take()
            : fmt::format("time=\"{}\" level={} msg={}\n", time, level, message);
    const UniqueFd fd(::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (fd) static_cast<void>(!::write(fd.get(), line.data(), line.size()));
}

int report(const Options& options, const Error& error) {
    std::string text = error.message();
    fmt::print(stderr, "pmos-oci: {}\n", text);
    if (!error.fix.empty()) fmt::print(stderr, "hint: {}\n", error.fix);
    for (const auto& undo : error.undo_failures)
        fmt::print(stderr, "and could not be undone: {}\n", undo.message());
    log_line(options, "error", text);
    return kFailed;
}

// What went wrong beside it; no failure.
void warn(const Options& options, const std::vector<Error>& warnings) {
    for (const auto& warning : warnings) {
        fmt::print(stderr, "pmos-oci: warning: {}\n", warning.message());
        log_line(options, "warning", warning.message());
    }
}

// In the log, and with --debug before one's eyes: on many machines it is the same each time.
void note(const Options& options, const Launched& launched) {
    for (const auto& statement : launched.statements) {
        log_line(options, "info", statement);
        if (options.debug) fmt::print(stderr, "pmos-oci: {}\n", statement);
    }
}

Result<int> run(const Options& options) {
    PMOS_ASSIGN(auto launched, launch_container(options, false));
    note(options, launched);
    warn(options, launched.warnings);
    if (options.detach) return 0;
    PMOS_ASSIGN(const int status, stay_with(std::move(launched)));
    if (options.keep) return status;
    PMOS_ASSIGN(const auto warnings, delete_container(options));
    warn(options, warnings);
    return status;
}

Result<int> exec(const Options& options) {
    PMOS_ASSIGN(auto launched, launch_exec(options));
    if (options.detach) return 0;
    return stay_with(std::move(launched));
}

Result<int> warned(const Options& options, Result<Warnings> result) {
    if (!result) return fail(std::move(result.error()));
    warn(options, *result);
    return 0;
}

Result<int> done(Result<> result) {
    if (!result) return fail(std::move(result.error()));
    return 0;
}

Result<int> carry_out(const Options& options) {
    switch (options.command) {
        case Command::create: {
            PMOS_ASSIGN(const auto launched, launch_container(options, true));
            note(options, launched);
            return 0;
        }
        case Command::run:
            return run(options);
        case Command::exec:
            return exec(options);
        case Command::start:
            return warned(options, start_container(options));
        case Command::remove:
            return warned(options, delete_container(options));
        case Command::state:
            return done(print_state(options));
        case Command::kill:
            return done(send_signal(options));
        case Command::list:
            return done(print_list(options));
        case Command::ps:
            return done(print_processes(options));
        case Command::features:
            return done(print_features());
        case Command::spec:
            return done(write_spec(options));
        case Command::pause:
            return done(pause_container(options, true));
        case Command::resume:
            return done(pause_container(options, false));
        case Command::update:
            return done(update_container(options));
        case Command::events:
            return done(print_events(options));
    }
    return fail(Code::usage, "no command");
}

}  // namespace
}  // namespace pmos::oci

int main(int argc, char** argv) {
    using namespace pmos::oci;
    auto options = parse_options(argc, argv);
    if (!options) {
        report({}, options.error());
        return kUsage;
    }
    if (!*options) return 0;
    if ((*options)->root.empty()) (*options)->root = default_root();
    (*options)->argv = argv;
    const auto status = carry_out(**options);
    return status ? *status : report(**options, status.error());
}
