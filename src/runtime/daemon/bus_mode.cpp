// daemon: the Mode objects. Translates, decides nothing; never reads a secret.
#include <cerrno>
#include <cstring>

#include "policy/names.h"
#include "runtime/daemon/bus.h"
#include "runtime/daemon/bus_args.h"
#include "runtime/daemon/bus_names.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {
namespace {

int provision(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    UniqueFd secret;
    int r = read_fd(message, secret);
    if (r >= 0) r = read_options(message, error, [](std::string_view) { return 0; });
    if (r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().provision(mode_of(userdata), std::move(secret), bus.owner_of(message),
                               [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int unlock(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    UniqueFd secret;
    int start = 1;
    int r = read_fd(message, secret);
    if (r >= 0)
        r = read_options(message, error, [&](std::string_view key) {
            return key == "start" ? read_basic(message, "b", start) : 0;
        });
    if (r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().unlock(mode_of(userdata), std::move(secret), start != 0, bus.owner_of(message),
                            [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int lock(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().lock(
        mode_of(userdata), [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int evict(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().evict(
        mode_of(userdata), [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int erase(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().erase(
        mode_of(userdata), [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int start(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().start(mode_of(userdata), [call = Call(message)](Result<bool> r) {
        if (!r) return call.fail(r.error());
        sd_bus_reply_method_return(call.get(), "b", static_cast<int>(*r));
    });
    return 1;
}

int stop(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    std::uint32_t timeout_ms = 0;
    const int r = read_options(message, error, [&](std::string_view key) {
        return key == "timeout_ms" ? read_basic(message, "u", timeout_ms) : 0;
    });
    if (r < 0) return r;
    bus_of(userdata).supervisor().stop(
        mode_of(userdata), timeout_ms,
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int restart(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().restart(
        mode_of(userdata), [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int read_stdio(sd_bus_message* message, std::vector<UniqueFd>& out) {
    int r = sd_bus_message_enter_container(message, 'v', "ah");
    if (r >= 0) r = sd_bus_message_enter_container(message, 'a', "h");
    int fd = -1;
    while (r >= 0 && (r = sd_bus_message_read(message, "h", &fd)) > 0) {
        out.push_back(duplicate(fd));
        if (!out.back()) return -errno;
    }
    if (r >= 0) r = sd_bus_message_exit_container(message);
    if (r >= 0) r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

int read_env(sd_bus_message* message, std::vector<std::string>& out) {
    int r = sd_bus_message_enter_container(message, 'v', "as");
    if (r >= 0) r = read_strings(message, out);
    if (r >= 0) r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

int read_exec_option(sd_bus_message* message, std::string_view key, ExecRequest& request) {
    if (key == "env") return read_env(message, request.env);
    if (key == "stdio") return read_stdio(message, request.stdio);
    if (key == "rows") return read_basic(message, "q", request.rows);
    if (key == "columns") return read_basic(message, "q", request.columns);
    if (key == "user") return read_basic(message, "u", request.uid.emplace());
    if (key == "group") return read_basic(message, "u", request.gid.emplace());
    if (key == "cwd") {
        const char* cwd = nullptr;
        const int r = read_basic(message, "s", cwd);
        if (r > 0) request.cwd = cwd;
        return r;
    }
    if (key == "tty" || key == "try") {
        int flag = 0;
        const int r = read_basic(message, "b", flag);
        (key == "tty" ? request.tty : request.trial) = flag != 0;
        return r;
    }
    return 0;
}

void reply_exec(const Call& call, const ExecStarted& started) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(call.get(), &reply);
    if (r >= 0) r = sd_bus_message_append(reply, "u", started.session);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "h");
    if (r >= 0 && started.terminal) r = sd_bus_message_append(reply, "h", started.terminal.get());
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
}

int exec(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    ExecRequest request;
    int r = read_strings(message, request.args);
    if (r >= 0)
        r = read_options(message, error, [&](std::string_view key) {
            return read_exec_option(message, key, request);
        });
    if (r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().sessions().exec(mode_of(userdata), std::move(request), bus.owner_of(message),
                                     [call = Call(message)](Result<ExecStarted> started) {
                                         if (!started) return call.fail(started.error());
                                         reply_exec(call, *started);
                                     });
    return 1;
}

int signal_exec(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    std::uint32_t session = 0;
    int signal = 0;
    if (const int r = sd_bus_message_read(message, "ui", &session, &signal); r < 0) return r;
    Bus& bus = bus_of(userdata);
    const auto sent = bus.supervisor().sessions().signal(session, bus.owner_of(message), signal);
    if (!sent) return set_error(error, sent.error());
    return sd_bus_reply_method_return(message, nullptr);
}

int wait_exec(sd_bus_message* message, void* userdata, sd_bus_error*) {
    std::uint32_t session = 0;
    if (const int r = sd_bus_message_read(message, "u", &session); r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().sessions().wait(session, bus.owner_of(message),
                                     [call = Call(message)](Result<int> code) {
                                         if (!code) return call.fail(code.error());
                                         sd_bus_reply_method_return(call.get(), "i", *code);
                                     });
    return 1;
}

void reply_recorded(const Call& call, const Recorded& recorded) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(call.get(), &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "a{ss}");
    for (const auto& details : recorded.seen)
        if (r >= 0) r = append_details(reply, details);
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_message_append(reply, "t", recorded.lost);
    if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
}

int record(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    std::uint32_t for_ms = 60000;
    const int r = read_options(message, error, [&](std::string_view key) {
        return key == "for_ms" ? read_basic(message, "u", for_ms) : 0;
    });
    if (r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().record(mode_of(userdata), std::chrono::milliseconds(for_ms),
                            bus.owner_of(message),
                            [call = Call(message)](Result<Recorded> recorded) {
                                if (!recorded) return call.fail(recorded.error());
                                reply_recorded(call, *recorded);
                            });
    return 1;
}

int end_record(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    Bus& bus = bus_of(userdata);
    const auto ended = bus.supervisor().end_record(mode_of(userdata), bus.owner_of(message));
    if (!ended) return set_error(error, ended.error());
    return sd_bus_reply_method_return(message, nullptr);
}

int logs(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    const auto log = bus_of(userdata).supervisor().open_log(mode_of(userdata));
    if (!log) return set_error(error, log.error());
    return sd_bus_reply_method_return(message, "h", log->get());
}

int inspect(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const std::string text = bus_of(userdata).supervisor().inspect(mode_of(userdata));
    return sd_bus_reply_method_return(message, "s", text.c_str());
}

// Of a volume that came or went without pmosd as well.
std::string_view locked_by(Mode& mode) {
    refresh_volume_state(mode);
    if (!mode.locked) return "";
    const auto strength = mode.suspended ? policy::OnLock::suspend
                          : mode.held    ? policy::OnLock::freeze
                                         : policy::OnLock::evict;
    return policy::word_at(policy::kOnLockNames, strength);
}

int get_text(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    Mode& mode = mode_of(userdata);
    const std::string_view name(property);
    std::string text = mode.name;
    if (name == "File") text = mode.file;
    if (name == "PlanDigest") text = mode.running ? mode.running->digest : mode.digest;
    if (name == "State") text = state_name(mode.state);
    if (name == "Reason") text = mode.reason;
    if (name == "LockedBy") text = locked_by(mode);
    return sd_bus_message_append(reply, "s", text.c_str());
}

int get_flag(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    Mode& mode = mode_of(userdata);
    const std::string_view name(property);
    // A volume can come and go without pmosd: a restored backup, an administrator's rm.
    if (name == "Locked" || name == "Suspended" || name == "Provisioned")
        refresh_volume_state(mode);
    bool flag = mode.foreground;
    if (name == "Locked") flag = mode.locked;
    if (name == "Suspended") flag = mode.suspended;
    if (name == "Provisioned") flag = mode.provisioned;
    if (name == "Autostart") flag = mode.plan && mode.plan->session.autostart;
    if (name == "NeedsSecret") flag = mode.needs_secret();
    if (name == "Recording") flag = mode.recorded();
    if (name == "OnCall") flag = mode.on_call;
    if (name == "UsesMicrophone") flag = mode.records;
    if (name == "UsesLoudspeaker") flag = mode.plays;
    return sd_bus_message_append(reply, "b", static_cast<int>(flag));
}

int get_pid(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* userdata,
            sd_bus_error*) {
    const Mode& mode = mode_of(userdata);
    return sd_bus_message_append(reply, "u",
                                 mode.running ? static_cast<std::uint32_t>(mode.running->pid) : 0U);
}

int get_notifications(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                      void* userdata, sd_bus_error*) {
    return sd_bus_message_append(reply, "u", mode_of(userdata).notifications);
}

int get_started(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                void* userdata, sd_bus_error*) {
    const Mode& mode = mode_of(userdata);
    return sd_bus_message_append(reply, "t", mode.running ? mode.running->started_at : 0UL);
}

int get_exit(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* userdata,
             sd_bus_error*) {
    return sd_bus_message_append(reply, "i", mode_of(userdata).last_exit);
}

int get_finger(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
               void* userdata, sd_bus_error*) {
    return sd_bus_message_append(reply, "t",
                                 bus_of(userdata).supervisor().finger_until(mode_of(userdata)));
}

int get_attempts(sd_bus* handle, const char*, const char*, const char* property,
                 sd_bus_message* reply, void* userdata, sd_bus_error*) {
    auto& object = *static_cast<ModeObject*>(userdata);
    std::uint64_t turn = 0;
    if (const int r = sd_event_get_iteration(sd_bus_get_event(handle), &turn); r < 0) return r;
    // A turn serves one message.
    if (object.looked_in != turn) object.standing = object.bus.supervisor().standing(object.mode);
    object.looked_in = turn;
    const auto& standing = object.standing;
    if (std::string_view(property) == "Failures")
        return sd_bus_message_append(reply, "u", standing.failures);
    const std::uint64_t wait =
        standing.wait ? static_cast<std::uint64_t>(standing.wait->count()) : bus::kNever;
    return sd_bus_message_append(reply, "t", wait);
}

constexpr std::uint64_t kChanges = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;
constexpr std::uint64_t kAnyone = SD_BUS_VTABLE_UNPRIVILEGED;  // the bus policy decides

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("Provision", "ha{sv}", SD_BUS_PARAM(secret) SD_BUS_PARAM(options), "",
                             , provision, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("Unlock", "ha{sv}", SD_BUS_PARAM(secret) SD_BUS_PARAM(options), "", ,
                             unlock, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD("Lock", "", "", lock, kAnyone),
    SD_BUS_METHOD("Evict", "", "", evict, kAnyone),
    SD_BUS_METHOD("Erase", "", "", erase, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Start", "", , "b", SD_BUS_PARAM(started), start, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Stop", "a{sv}", SD_BUS_PARAM(options), "", , stop, kAnyone),
    SD_BUS_METHOD("Restart", "", "", restart, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Exec", "asa{sv}", SD_BUS_PARAM(argv) SD_BUS_PARAM(options), "uah",
                             SD_BUS_PARAM(session) SD_BUS_PARAM(terminal), exec, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("SignalExec", "ui", SD_BUS_PARAM(session) SD_BUS_PARAM(signal), "", ,
                             signal_exec, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("WaitExec", "u", SD_BUS_PARAM(session), "i", SD_BUS_PARAM(code),
                             wait_exec, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Record", "a{sv}", SD_BUS_PARAM(options), "aa{ss}t",
                             SD_BUS_PARAM(seen) SD_BUS_PARAM(lost), record, kAnyone),
    SD_BUS_METHOD("EndRecord", "", "", end_record, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Logs", "", , "h", SD_BUS_PARAM(file), logs, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Inspect", "", , "s", SD_BUS_PARAM(json), inspect, kAnyone),
    SD_BUS_PROPERTY("Name", "s", get_text, 0, kConst),
    SD_BUS_PROPERTY("File", "s", get_text, 0, kConst),
    SD_BUS_PROPERTY("PlanDigest", "s", get_text, 0, kChanges),
    SD_BUS_PROPERTY("State", "s", get_text, 0, kChanges),
    SD_BUS_PROPERTY("Reason", "s", get_text, 0, kChanges),
    SD_BUS_PROPERTY("Foreground", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("Locked", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("LockedBy", "s", get_text, 0, kChanges),
    SD_BUS_PROPERTY("Suspended", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("Provisioned", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("Recording", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("OnCall", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("UsesMicrophone", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("UsesLoudspeaker", "b", get_flag, 0, kChanges),
    SD_BUS_PROPERTY("Notifications", "u", get_notifications, 0, kChanges),
    SD_BUS_PROPERTY("Autostart", "b", get_flag, 0, 0),
    SD_BUS_PROPERTY("NeedsSecret", "b", get_flag, 0, 0),
    SD_BUS_PROPERTY("FingerprintUntil", "t", get_finger, 0, 0),
    SD_BUS_PROPERTY("Failures", "u", get_attempts, 0, 0),
    SD_BUS_PROPERTY("RetryAfter", "t", get_attempts, 0, 0),
    SD_BUS_PROPERTY("Pid", "u", get_pid, 0, kChanges),
    SD_BUS_PROPERTY("StartedAt", "t", get_started, 0, kChanges),
    SD_BUS_PROPERTY("ExitStatus", "i", get_exit, 0, kChanges),
    SD_BUS_SIGNAL_WITH_NAMES("Progress", "sus",
                             SD_BUS_PARAM(operation) SD_BUS_PARAM(permille) SD_BUS_PARAM(step), 0),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* mode_vtable() { return kVtable; }

}  // namespace pmos::daemon
