// daemon: the volumes of the Mode objects. Translates, decides nothing; never reads a secret.
#include "runtime/daemon/bus.h"
#include "runtime/daemon/bus_args.h"
#include "runtime/daemon/volumes.h"

namespace pmos::daemon {
namespace {

using volume::Verb;

int list(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const Mode& mode = mode_of(userdata);
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "a{ss}");
    if (mode.plan)
        for (const auto& volume : mode.plan->volumes)
            if (r >= 0) r = append_details(reply, volume_summary(volume));
    if (r >= 0) r = sd_bus_message_close_container(reply);
    if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
    return r < 0 ? r : 1;
}

int read_volume(sd_bus_message* message, VolumeCall& call) {
    const char* name = nullptr;
    const int r = sd_bus_message_read(message, "s", &name);
    if (r >= 0) call.volume = name;
    return r;
}

int done_when(void* userdata, sd_bus_message* message, VolumeCall call) {
    bus_of(userdata).supervisor().volume(mode_of(userdata), std::move(call),
                                         [call = Call(message)](Result<Details> told) {
                                             if (!told) return call.fail(told.error());
                                             call.done({});
                                         });
    return 1;
}

int told_when(void* userdata, sd_bus_message* message, VolumeCall wanted) {
    bus_of(userdata).supervisor().volume(
        mode_of(userdata), std::move(wanted), [call = Call(message)](Result<Details> told) {
            if (!told) return call.fail(told.error());
            sd_bus_message* reply = nullptr;
            int r = sd_bus_message_new_method_return(call.get(), &reply);
            if (r >= 0) r = append_details(reply, *told);
            if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
            sd_bus_message_unref(reply);
        });
    return 1;
}

template <Verb verb>
int look(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{verb, {}};
    const int r = read_volume(message, wanted);
    return r < 0 ? r : told_when(userdata, message, std::move(wanted));
}

int read_text(sd_bus_message* message, std::string& out) {
    const char* text = nullptr;
    const int r = sd_bus_message_read(message, "s", &text);
    if (r >= 0) out = text;
    return r;
}

// None or one.
int read_other(sd_bus_message* message, UniqueFd& out) {
    int r = sd_bus_message_enter_container(message, 'a', "h");
    if (r > 0 && sd_bus_message_at_end(message, 0) == 0) r = read_fd(message, out);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

int enroll(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::auth_enroll, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_text(message, wanted.ways.factor);
    if (r >= 0) r = read_fd(message, wanted.secret);
    if (r >= 0) r = read_other(message, wanted.other);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : told_when(userdata, message, std::move(wanted));
}

int remove(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::auth_remove, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_text(message, wanted.ways.factor);
    if (r >= 0) r = read_fd(message, wanted.secret);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : told_when(userdata, message, std::move(wanted));
}

int test(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::auth_test, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_text(message, wanted.ways.method);
    if (r >= 0) r = read_fd(message, wanted.secret);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : told_when(userdata, message, std::move(wanted));
}

int change_secret(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::passwd, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_fd(message, wanted.secret);
    if (r >= 0) r = read_fd(message, wanted.other);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

int set_duress(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::duress, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_fd(message, wanted.secret);
    if (r >= 0) r = read_fd(message, wanted.other);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

int remove_duress(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::duress, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_fd(message, wanted.secret);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

int resize(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::resize, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = sd_bus_message_read(message, "t", &wanted.size);
    if (r >= 0) r = read_fd(message, wanted.secret);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

int wipe_free(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::wipe_free, {}};
    const int r = read_volume(message, wanted);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

// What the worker told of it is the answer.
int trim(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::trim, {}};
    const int r = read_volume(message, wanted);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : told_when(userdata, message, std::move(wanted));
}

int reencrypt(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{Verb::reencrypt, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_fd(message, wanted.secret);
    wanted.owner = bus_of(userdata).owner_of(message);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

template <Verb verb>
int with_file(sd_bus_message* message, void* userdata, sd_bus_error*) {
    VolumeCall wanted{verb, {}};
    int r = read_volume(message, wanted);
    if (r >= 0) r = read_fd(message, wanted.other);
    return r < 0 ? r : done_when(userdata, message, std::move(wanted));
}

// The bus policy decides who may call what: a header is for root only, because with a copy of it
// guesses are neither counted nor delayed.
constexpr std::uint64_t kAnyone = SD_BUS_VTABLE_UNPRIVILEGED;

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_NAMES("List", "", , "aa{ss}", SD_BUS_PARAM(volumes), list, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Info", "s", SD_BUS_PARAM(volume), "a{ss}", SD_BUS_PARAM(details),
                             look<Verb::info>, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("ChangeSecret", "shh",
                             SD_BUS_PARAM(volume) SD_BUS_PARAM(old_secret) SD_BUS_PARAM(new_secret),
                             "", , change_secret, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("SetDuress", "shh",
                             SD_BUS_PARAM(volume) SD_BUS_PARAM(secret) SD_BUS_PARAM(duress), "", ,
                             set_duress, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("RemoveDuress", "sh", SD_BUS_PARAM(volume) SD_BUS_PARAM(secret), "", ,
                             remove_duress, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("BackupHeader", "sh", SD_BUS_PARAM(volume) SD_BUS_PARAM(file), "", ,
                             with_file<Verb::backup>, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("RestoreHeader", "sh", SD_BUS_PARAM(volume) SD_BUS_PARAM(file), "", ,
                             with_file<Verb::restore>, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Denials", "sh", SD_BUS_PARAM(volume) SD_BUS_PARAM(file), "", ,
                             with_file<Verb::read_denials>, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Resize", "sth",
                             SD_BUS_PARAM(volume) SD_BUS_PARAM(size) SD_BUS_PARAM(secret), "", ,
                             resize, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("ListFactors", "s", SD_BUS_PARAM(volume), "a{ss}",
                             SD_BUS_PARAM(details), look<Verb::auth_list>, kAnyone),
    SD_BUS_METHOD_WITH_NAMES(
        "EnrollFactor", "sshah",
        SD_BUS_PARAM(volume) SD_BUS_PARAM(method) SD_BUS_PARAM(secret) SD_BUS_PARAM(other), "a{ss}",
        SD_BUS_PARAM(details), enroll, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES(
        "RemoveFactor", "ssh", SD_BUS_PARAM(volume) SD_BUS_PARAM(factor) SD_BUS_PARAM(secret),
        "a{ss}", SD_BUS_PARAM(details), remove, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES(
        "TestFactor", "ssh", SD_BUS_PARAM(volume) SD_BUS_PARAM(method) SD_BUS_PARAM(secret),
        "a{ss}", SD_BUS_PARAM(details), test, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("Reencrypt", "sh", SD_BUS_PARAM(volume) SD_BUS_PARAM(secret), "", ,
                             reencrypt, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("WipeFree", "s", SD_BUS_PARAM(volume), "", , wipe_free, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Trim", "s", SD_BUS_PARAM(volume), "a{ss}", SD_BUS_PARAM(details),
                             trim, kAnyone),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* volumes_vtable() { return kVtable; }

}  // namespace pmos::daemon
