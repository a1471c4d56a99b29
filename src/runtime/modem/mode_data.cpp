// modem: data connections as a mode has them: ModemManager's Simple interface and its bearers.
// Nothing of the phone's link is among them: it is not in the mode. Decides nothing.
#include <string>
#include <string_view>

#include "runtime/modem/mm_names.h"
#include "runtime/modem/mode_face.h"

namespace pmos::modem {
namespace {

using Kind = ModeFace::Kind;
using Object = ModeFace::Object;

constexpr std::uint32_t kDefaultBearer = 1, kTimeout = 20;

int connect(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    std::string access_point, unknown;
    if (const int r = read_wanted(m, {{"apn", access_point}}, unknown); r < 0) return r;
    if (!unknown.empty()) return refuse_unknown(error, unknown);
    Answer<unsigned> answer;
    if (!object.face.defer(m, Kind::bearer, answer, error)) return -EBUSY;
    object.face.broker().connect(object.face.mode(), object.line, access_point, std::move(answer));
    return 1;
}

// "/" is all of them, as ModemManager has it.
int disconnect(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    const char* path = nullptr;
    if (const int r = sd_bus_message_read(m, "o", &path); r < 0) return r;
    const Object* which = object.face.object_at(path);
    const bool all = std::string_view(path) == "/";
    if (!all && (which == nullptr || which->kind != Kind::bearer))
        return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no such object");
    Done done;
    if (!object.face.defer(m, done, error)) return -EBUSY;
    auto& broker = object.face.broker();
    if (all)
        broker.disconnect_all(object.face.mode(), object.line, std::move(done));
    else
        broker.disconnect(object.face.mode(), which->number, std::move(done));
    return 1;
}

int get_status(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const Line* known = static_cast<Object*>(userdata)->radio_line();
    const Line line = known == nullptr ? Line{} : *known;
    return sd_bus_reply_method_return(
        m, "a{sv}", 6, "state", "u", static_cast<std::uint32_t>(line.state), "signal-quality",
        "(ub)", line.signal, static_cast<int>(line.signal_recent), "access-technologies", "u",
        line.technologies, "m3gpp-registration-state", "u", line.registration,
        "m3gpp-operator-code", "s", line.operator_code.c_str(), "m3gpp-operator-name", "s",
        line.operator_name.c_str());
}

int get_bearer(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
               void* userdata, sd_bus_error*) {
    const RadioBearer* known = static_cast<Object*>(userdata)->bearer();
    const RadioBearer bearer = known == nullptr ? RadioBearer{} : *known;
    const std::string_view name = property;
    if (name == "Connected")
        return sd_bus_message_append(reply, "b", static_cast<int>(bearer.connected));
    if (name == "Suspended") return sd_bus_message_append(reply, "b", 0);
    if (name == "Interface") return sd_bus_message_append(reply, "s", "");
    if (name == "IpTimeout") return sd_bus_message_append(reply, "u", kTimeout);
    if (name == "BearerType") return sd_bus_message_append(reply, "u", kDefaultBearer);
    if (name == "Properties")
        return sd_bus_message_append(reply, "a{sv}", 1, "apn", "s", bearer.access_point.c_str());
    return sd_bus_message_append(reply, "a{sv}", 1, "method", "u", 0U);  // Ip4Config, Ip6Config
}

constexpr std::uint64_t kChanges = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;

const sd_bus_vtable kSimple[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Connect", "a{sv}", "o", connect, 0),
    SD_BUS_METHOD("Disconnect", "o", "", disconnect, 0),
    SD_BUS_METHOD("GetStatus", "", "a{sv}", get_status, 0), SD_BUS_VTABLE_END};

const sd_bus_vtable kBearer[] = {SD_BUS_VTABLE_START(0),
                                 SD_BUS_METHOD("Connect", "", "", ask<&Broker::connect_again>, 0),
                                 SD_BUS_METHOD("Disconnect", "", "", ask<&Broker::disconnect>, 0),
                                 SD_BUS_PROPERTY("Connected", "b", get_bearer, 0, kChanges),
                                 SD_BUS_PROPERTY("Suspended", "b", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("Interface", "s", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("Ip4Config", "a{sv}", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("Ip6Config", "a{sv}", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("IpTimeout", "u", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("BearerType", "u", get_bearer, 0, 0),
                                 SD_BUS_PROPERTY("Properties", "a{sv}", get_bearer, 0, 0),
                                 SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* simple_vtable() { return kSimple; }
const sd_bus_vtable* bearer_vtable() { return kBearer; }

}  // namespace pmos::modem
