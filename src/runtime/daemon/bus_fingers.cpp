// daemon: the fingerprints of the Mode objects. Translates, decides nothing; never reads a secret.
#include "runtime/daemon/bus.h"
#include "runtime/daemon/bus_args.h"
#include "runtime/event/bus_pieces.h"

namespace pmos::daemon {
namespace {

int unlock(sd_bus_message* message, void* userdata, sd_bus_error*) {
    Bus& bus = bus_of(userdata);
    bus.supervisor().unlock_by_finger(
        mode_of(userdata), bus.owner_of(message),
        [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int test(sd_bus_message* message, void* userdata, sd_bus_error*) {
    Bus& bus = bus_of(userdata);
    bus.supervisor().test_finger(mode_of(userdata), bus.owner_of(message),
                                 [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int enroll(sd_bus_message* message, void* userdata, sd_bus_error*) {
    const char* finger = nullptr;
    UniqueFd secret;
    int r = sd_bus_message_read(message, "s", &finger);
    if (r >= 0) r = read_fd(message, secret);
    if (r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().enroll_finger(mode_of(userdata), finger, std::move(secret),
                                   bus.owner_of(message),
                                   [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

int remove(sd_bus_message* message, void* userdata, sd_bus_error*) {
    UniqueFd secret;
    if (const int r = read_fd(message, secret); r < 0) return r;
    Bus& bus = bus_of(userdata);
    bus.supervisor().remove_fingers(mode_of(userdata), std::move(secret), bus.owner_of(message),
                                    [call = Call(message)](Result<> result) { call.done(result); });
    return 1;
}

void reply_fingers(const Call& call, const std::vector<std::string>& fingers) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(call.get(), &reply);
    if (r >= 0) r = event::append_strings(reply, fingers);
    if (r >= 0) sd_bus_send(nullptr, reply, nullptr);
    sd_bus_message_unref(reply);
}

int list(sd_bus_message* message, void* userdata, sd_bus_error*) {
    bus_of(userdata).supervisor().list_fingers(
        mode_of(userdata), [call = Call(message)](Result<std::vector<std::string>> fingers) {
            if (!fingers) return call.fail(fingers.error());
            reply_fingers(call, *fingers);
        });
    return 1;
}

constexpr std::uint64_t kAnyone = SD_BUS_VTABLE_UNPRIVILEGED;  // the bus policy decides

constexpr sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Unlock", "", "", unlock, kAnyone),
    SD_BUS_METHOD("Test", "", "", test, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("List", "", , "as", SD_BUS_PARAM(fingers), list, kAnyone),
    SD_BUS_METHOD_WITH_NAMES("Enroll", "sh", SD_BUS_PARAM(finger) SD_BUS_PARAM(secret), "", ,
                             enroll, kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_METHOD_WITH_NAMES("Remove", "h", SD_BUS_PARAM(secret), "", , remove,
                             kAnyone | SD_BUS_VTABLE_SENSITIVE),
    SD_BUS_VTABLE_END,
};

}  // namespace

const sd_bus_vtable* fingers_vtable() { return kVtable; }

}  // namespace pmos::daemon
