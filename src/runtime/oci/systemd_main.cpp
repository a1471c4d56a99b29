// oci: pmos-oci-systemd, which asks systemd for the scope of one container and ends. Decides
// nothing; touches no cgroup itself.
#include <fmt/format.h>
#include <systemd/sd-bus.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/text.h"
#include "runtime/event/bus_pieces.h"
#include "runtime/oci/scope.h"

using namespace pmos;
using namespace pmos::oci;

namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kScope = "org.freedesktop.systemd1.Scope";
constexpr const char* kNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
constexpr const char* kUnitExists = "org.freedesktop.systemd1.UnitExists";
constexpr auto kJobLimit = std::chrono::seconds(40);

struct UnrefMessage {
    void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
};
using MessagePtr = std::unique_ptr<sd_bus_message, UnrefMessage>;

struct BusError {
    BusError() = default;
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;
    ~BusError() { sd_bus_error_free(&value); }
    bool is(const char* name) const { return sd_bus_error_has_name(&value, name) != 0; }
    sd_bus_error value = SD_BUS_ERROR_NULL;
};

Error refused(std::string what, int result, const BusError& error) {
    Error made = errno_error(-result, std::move(what));
    if (error.value.message != nullptr) made.why = printable(error.value.message);
    return made;
}

// Jobs end with a signal, which can come before the answer that names the job.
class Manager {
  public:
    Result<void> connect(bool of_user) {
        sd_bus* bus = nullptr;
        const int r = of_user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
        bus_.reset(bus);
        if (r < 0)
            return fail(errno_error(
                -r, of_user ? "cannot reach the user's own systemd" : "cannot reach systemd",
                of_user ? "XDG_RUNTIME_DIR or DBUS_SESSION_BUS_ADDRESS says "
                          "where it is: log in by a session, or use the "
                          "cgroupfs manager"
                        : "use the cgroupfs manager"));
        BusError error;
        // Who asked for a job hears of its end in any case: a refusal is no fault.
        static_cast<void>(sd_bus_call_method(bus_.get(), kService, kManagerPath, kManager,
                                             "Subscribe", &error.value, nullptr, nullptr));
        const int matched = sd_bus_match_signal(bus_.get(), nullptr, kService, kManagerPath,
                                                kManager, "JobRemoved", on_job_removed, this);
        if (matched < 0) return fail(errno_error(-matched, "cannot hear of systemd's jobs"));
        return {};
    }

    Result<void> start(const ScopeCommand& command) {
        BusError first;
        auto job = start_once(command, first);
        if (!job && first.is(kUnitExists)) {
            reset(command.scope.name);  // one that failed before
            BusError second;
            job = start_once(command, second);
        }
        if (!job) return fail(std::move(job.error()));
        return wait_for(*job, command.scope.name);
    }

    Result<void> set(const ScopeCommand& command) {
        PMOS_ASSIGN(const auto call, new_call("SetUnitProperties"));
        int r = sd_bus_message_append(call.get(), "sb", command.scope.name.c_str(), 1);
        if (r >= 0) r = sd_bus_message_open_container(call.get(), 'a', "(sv)");
        if (r >= 0) r = append_properties(call.get(), command.properties);
        if (r >= 0) r = sd_bus_message_close_container(call.get());
        BusError error;
        if (r >= 0) r = sd_bus_call(bus_.get(), call.get(), 0, &error.value, nullptr);
        if (r < 0)
            return fail(refused(fmt::format("cannot change '{}'", command.scope.name), r, error));
        return {};
    }

    Result<void> stop(const std::string& scope) {
        BusError error;
        sd_bus_message* answer = nullptr;
        const int r = sd_bus_call_method(bus_.get(), kService, kManagerPath, kManager, "StopUnit",
                                         &error.value, &answer, "ss", scope.c_str(), "replace");
        const MessagePtr held(answer);
        if (r < 0 && error.is(kNoSuchUnit)) return {};
        if (r < 0) return fail(refused(fmt::format("cannot stop '{}'", scope), r, error));
        PMOS_ASSIGN(const auto job, job_of(answer));
        auto ended = wait_for(job, scope);
        reset(scope);
        return ended;
    }

    Result<std::string> control_group(const std::string& scope) {
        char* encoded = nullptr;
        const int made =
            sd_bus_path_encode("/org/freedesktop/systemd1/unit", scope.c_str(), &encoded);
        const std::unique_ptr<char, void (*)(void*)> path(encoded, &std::free);
        BusError error;
        char* text = nullptr;
        const int r = made < 0
                          ? made
                          : sd_bus_get_property_string(bus_.get(), kService, path.get(), kScope,
                                                       "ControlGroup", &error.value, &text);
        const std::unique_ptr<char, void (*)(void*)> held(text, &std::free);
        if (r < 0) return fail(refused(fmt::format("cannot find '{}'", scope), r, error));
        if (*text == '\0')
            return fail(Code::failed, fmt::format("'{}' has no cgroup", scope),
                        "its process has ended");
        return std::string(text);
    }

  private:
    static int on_job_removed(sd_bus_message* message, void* self, sd_bus_error*) {
        std::uint32_t id = 0;
        const char *job = nullptr, *unit = nullptr, *result = nullptr;
        if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0)
            static_cast<Manager*>(self)->ended_.emplace_back(job, result);
        return 0;
    }

    Result<MessagePtr> new_call(const char* method) {
        sd_bus_message* call = nullptr;
        const int r = sd_bus_message_new_method_call(bus_.get(), &call, kService, kManagerPath,
                                                     kManager, method);
        if (r < 0) return fail(errno_error(-r, "cannot call systemd"));
        return MessagePtr(call);
    }

    static int append_properties(sd_bus_message* call,
                                 const std::vector<ScopeProperty>& properties) {
        int r = 0;
        for (const auto& property : properties) {
            const char* name = property.name.c_str();
            if (r < 0) break;
            if (!property.is_set) {
                r = sd_bus_message_append(call, "(sv)", name, "t", property.number);
                continue;
            }
            r = sd_bus_message_open_container(call, 'r', "sv");
            if (r >= 0) r = sd_bus_message_append(call, "s", name);
            if (r >= 0) r = sd_bus_message_open_container(call, 'v', "ay");
            if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', property.bits.data(),
                                                property.bits.size());
            if (r >= 0) r = sd_bus_message_close_container(call);
            if (r >= 0) r = sd_bus_message_close_container(call);
        }
        return r;
    }

    // Delegated: what is below it is the container's. Devices are left to our own filter.
    static int append_scope(sd_bus_message* call, const ScopeCommand& command) {
        int r = sd_bus_message_append(call, "ss", command.scope.name.c_str(), "replace");
        if (r >= 0) r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0)
            r = sd_bus_message_append(call, "(sv)(sv)(sv)(sv)(sv)(sv)",                 //
                                      "Description", "s", command.description.c_str(),  //
                                      "Slice", "s", command.scope.slice.c_str(),        //
                                      "Delegate", "b", 1,                               //
                                      "DefaultDependencies", "b", 0,                    //
                                      "CollectMode", "s", "inactive-or-failed",         //
                                      "PIDs", "au", 1, command.pid);
        if (r >= 0) r = append_properties(call, command.properties);
        if (r >= 0) r = sd_bus_message_close_container(call);
        if (r >= 0) r = sd_bus_message_append(call, "a(sa(sv))", 0);
        return r;
    }

    Result<std::string> start_once(const ScopeCommand& command, BusError& error) {
        PMOS_ASSIGN(const auto call, new_call("StartTransientUnit"));
        int r = append_scope(call.get(), command);
        sd_bus_message* answer = nullptr;
        if (r >= 0) r = sd_bus_call(bus_.get(), call.get(), 0, &error.value, &answer);
        const MessagePtr held(answer);
        if (r < 0)
            return fail(refused(fmt::format("cannot start '{}'", command.scope.name), r, error));
        return job_of(answer);
    }

    static Result<std::string> job_of(sd_bus_message* answer) {
        const char* job = nullptr;
        if (const int r = sd_bus_message_read(answer, "o", &job); r < 0)
            return fail(errno_error(-r, "systemd's answer names no job"));
        return std::string(job);
    }

    void reset(const std::string& scope) {
        BusError error;
        static_cast<void>(sd_bus_call_method(bus_.get(), kService, kManagerPath, kManager,
                                             "ResetFailedUnit", &error.value, nullptr, "s",
                                             scope.c_str()));
    }

    Result<void> wait_for(const std::string& job, const std::string& scope) {
        using Clock = std::chrono::steady_clock;
        const auto deadline = Clock::now() + kJobLimit;
        for (;;) {
            for (const auto& [path, result] : ended_)
                if (path == job) {
                    if (result == "done") return {};
                    return fail(Code::failed, fmt::format("systemd's job for '{}' ended", scope),
                                printable(result));
                }
            int r = sd_bus_process(bus_.get(), nullptr);
            if (r > 0) continue;
            const auto left =
                std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now());
            if (left.count() <= 0)
                return fail(Code::timed_out, fmt::format("systemd still works on '{}'", scope));
            if (r == 0) r = sd_bus_wait(bus_.get(), static_cast<std::uint64_t>(left.count()));
            if (r < 0 && r != -EINTR)
                return fail(errno_error(-r, "the connection to systemd broke"));
        }
    }

    event::BusPtr bus_;
    std::vector<std::pair<std::string, std::string>> ended_;  // job, result
};

Result<std::string> carry_out(const std::vector<std::string>& args) {
    PMOS_ASSIGN(const auto command, parse_scope_command(args));
    Manager manager;
    PMOS_TRY(manager.connect(command.of_user));
    switch (command.verb) {
        case ScopeCommand::Verb::start:
            PMOS_TRY(manager.start(command));
            return manager.control_group(command.scope.name);
        case ScopeCommand::Verb::set:
            PMOS_TRY(manager.set(command));
            return std::string();
        case ScopeCommand::Verb::stop:
            PMOS_TRY(manager.stop(command.scope.name));
            return std::string();
    }
    return std::string();
}

}  // namespace

// The scope's cgroup, a path below the mount, on standard output; what went wrong on standard
// error.
int main(int argc, char** argv) {
    const auto answer = carry_out({argv + 1, argv + argc});
    if (!answer) {
        const Error& error = answer.error();
        fmt::print(stderr, "{}\n", error.message());
        if (!error.fix.empty()) fmt::print(stderr, "hint: {}\n", error.fix);
        return code_info(error.code).exit_status;
    }
    if (!answer->empty()) fmt::print("{}\n", *answer);
    return 0;
}
