// modem: a modem's interfaces as a mode has them. Nothing of the SIM's identity, the modem's or its
// ports is among them.
#include <string>
#include <string_view>

#include "runtime/modem/mm_names.h"
#include "runtime/modem/mode_face.h"

namespace pmos::modem {
namespace {

using Kind = ModeFace::Kind;
using Object = ModeFace::Object;

constexpr std::uint32_t kPowerOn = 3, kCapabilityGsm = 1U << 2U, kStorageModem = 2;

int get_line(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    const auto& object = *static_cast<Object*>(userdata);
    const std::string_view name = property;
    const Line* known = object.radio_line();
    const Line line = known == nullptr ? Line{} : *known;
    if (name == "State")
        return sd_bus_message_append(reply, "i", static_cast<std::int32_t>(line.state));
    if (name == "SignalQuality")
        return sd_bus_message_append(reply, "(ub)", line.signal,
                                     static_cast<int>(line.signal_recent));
    if (name == "OwnNumbers") return event::append_strings(reply, line.names.numbers);
    if (name == "StateFailedReason") return sd_bus_message_append(reply, "u", line.failed_reason);
    if (name == "AccessTechnologies") return sd_bus_message_append(reply, "u", line.technologies);
    if (name == "UnlockRequired") return sd_bus_message_append(reply, "u", line.lock);
    return -ENOENT;
}

int get_fixed(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply, void*,
              sd_bus_error*) {
    const std::string_view name = property;
    if (name == "PowerState") return sd_bus_message_append(reply, "u", kPowerOn);
    if (name == "CurrentCapabilities") return sd_bus_message_append(reply, "u", kCapabilityGsm);
    if (name == "Sim") return sd_bus_message_append(reply, "o", "/");
    // Empty, not absent: libmm-glib takes that it is there for granted.
    if (name == "UnlockRetries") return sd_bus_message_append(reply, "a{uu}", 0);
    if (name == "SupportedStorages") return sd_bus_message_append(reply, "au", 1, kStorageModem);
    if (name == "DefaultStorage") return sd_bus_message_append(reply, "u", kStorageModem);
    return sd_bus_message_append(reply, "s", name == "Manufacturer" ? "pmos" : "modem");
}

int get_network(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
                void* userdata, sd_bus_error*) {
    const auto& object = *static_cast<Object*>(userdata);
    const std::string_view name = property;
    const Line* known = object.radio_line();
    const Line line = known == nullptr ? Line{} : *known;
    if (name == "RegistrationState") return sd_bus_message_append(reply, "u", line.registration);
    return sd_bus_message_append(
        reply, "s",
        name == "OperatorName" ? line.operator_name.c_str() : line.operator_code.c_str());
}

int get_messages(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                 void* userdata, sd_bus_error*) {
    return append_paths(reply, *static_cast<Object*>(userdata), Kind::text);
}

int get_bearers(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                void* userdata, sd_bus_error*) {
    return append_paths(reply, *static_cast<Object*>(userdata), Kind::bearer);
}

int get_calls(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* userdata,
              sd_bus_error*) {
    return append_paths(reply, *static_cast<Object*>(userdata), Kind::call);
}

// Who has no right to calls may dial an emergency number all the same.
int get_emergency_only(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply,
                       void* userdata, sd_bus_error*) {
    const auto& object = *static_cast<Object*>(userdata);
    const View* view = object.face.view();
    const Line* line = object.radio_line();
    const bool only = view == nullptr || !view->rights.voice || line == nullptr ||
                      line->state < LineState::registered;
    return sd_bus_message_append(reply, "b", static_cast<int>(only));
}

int list_messages(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return list_paths(m, *static_cast<Object*>(userdata), Kind::text);
}
int list_calls(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return list_paths(m, *static_cast<Object*>(userdata), Kind::call);
}

int list_bearers(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return list_paths(m, *static_cast<Object*>(userdata), Kind::bearer);
}

int create_message(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    std::string number, text, unknown;
    if (const int r = read_wanted(m, {{"number", number}, {"text", text}}, unknown); r < 0)
        return r;
    if (!unknown.empty()) return refuse_unknown(error, unknown);
    const auto made = object.face.broker().make_text(object.face.mode(), object.line, number, text);
    if (!made) return set_error(error, made.error());
    return sd_bus_reply_method_return(m, "o", object_path(Kind::text, *made).c_str());
}

int create_call(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    std::string number, unknown;
    if (const int r = read_wanted(m, {{"number", number}}, unknown); r < 0) return r;
    if (!unknown.empty()) return refuse_unknown(error, unknown);
    const auto made = object.face.broker().make_call(object.face.mode(), object.line, number);
    if (!made) return set_error(error, made.error());
    return sd_bus_reply_method_return(m, "o", object_path(Kind::call, *made).c_str());
}

int no_such(sd_bus_error* error) {
    return sd_bus_error_set(error, SD_BUS_ERROR_UNKNOWN_OBJECT, "there is no such object");
}

int delete_message(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    const Object* which = named(m, object, Kind::text);
    if (which == nullptr) return no_such(error);
    Done done;
    if (!object.face.defer(m, done, error)) return -EBUSY;
    object.face.broker().delete_text(object.face.mode(), which->number, std::move(done));
    return 1;
}

int delete_call(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    const Object* which = named(m, object, Kind::call);
    if (which == nullptr) return no_such(error);
    if (const auto gone = object.face.broker().delete_call(object.face.mode(), which->number);
        !gone)
        return set_error(error, gone.error());
    return sd_bus_reply_method_return(m, nullptr);
}

int hang_up_all(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    Done done;
    if (!object.face.defer(m, done, error)) return -EBUSY;
    object.face.broker().hang_up_all(object.face.mode(), std::move(done));
    return 1;
}

constexpr std::uint64_t kChanges = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;
constexpr std::uint64_t kConst = SD_BUS_VTABLE_PROPERTY_CONST;

const sd_bus_vtable kLine[] = {SD_BUS_VTABLE_START(0),
                               SD_BUS_PROPERTY("State", "i", get_line, 0, kChanges),
                               SD_BUS_PROPERTY("StateFailedReason", "u", get_line, 0, kChanges),
                               SD_BUS_PROPERTY("SignalQuality", "(ub)", get_line, 0, kChanges),
                               SD_BUS_PROPERTY("OwnNumbers", "as", get_line, 0, kChanges),
                               SD_BUS_PROPERTY("AccessTechnologies", "u", get_line, 0, kChanges),
                               SD_BUS_PROPERTY("UnlockRequired", "u", get_line, 0, 0),
                               SD_BUS_PROPERTY("UnlockRetries", "a{uu}", get_fixed, 0, kConst),
                               SD_BUS_PROPERTY("PowerState", "u", get_fixed, 0, kConst),
                               SD_BUS_PROPERTY("CurrentCapabilities", "u", get_fixed, 0, kConst),
                               SD_BUS_PROPERTY("Manufacturer", "s", get_fixed, 0, kConst),
                               SD_BUS_PROPERTY("Model", "s", get_fixed, 0, kConst),
                               SD_BUS_PROPERTY("Sim", "o", get_fixed, 0, kConst),
                               SD_BUS_METHOD("ListBearers", "", "ao", list_bearers, 0),
                               SD_BUS_PROPERTY("Bearers", "ao", get_bearers, 0, kChanges),
                               SD_BUS_VTABLE_END};

const sd_bus_vtable kNetwork[] = {
    SD_BUS_VTABLE_START(0), SD_BUS_PROPERTY("RegistrationState", "u", get_network, 0, kChanges),
    SD_BUS_PROPERTY("OperatorName", "s", get_network, 0, kChanges),
    SD_BUS_PROPERTY("OperatorCode", "s", get_network, 0, kChanges), SD_BUS_VTABLE_END};

const sd_bus_vtable kMessaging[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("List", "", "ao", list_messages, 0),
    SD_BUS_METHOD("Create", "a{sv}", "o", create_message, 0),
    SD_BUS_METHOD("Delete", "o", "", delete_message, 0),
    SD_BUS_PROPERTY("Messages", "ao", get_messages, 0, kChanges),
    SD_BUS_PROPERTY("SupportedStorages", "au", get_fixed, 0, kConst),
    SD_BUS_PROPERTY("DefaultStorage", "u", get_fixed, 0, kConst),
    SD_BUS_SIGNAL("Added", "ob", 0),
    SD_BUS_SIGNAL("Deleted", "o", 0),
    SD_BUS_VTABLE_END};

const sd_bus_vtable kVoice[] = {SD_BUS_VTABLE_START(0),
                                SD_BUS_METHOD("ListCalls", "", "ao", list_calls, 0),
                                SD_BUS_METHOD("CreateCall", "a{sv}", "o", create_call, 0),
                                SD_BUS_METHOD("DeleteCall", "o", "", delete_call, 0),
                                SD_BUS_METHOD("HangupAll", "", "", hang_up_all, 0),
                                SD_BUS_PROPERTY("Calls", "ao", get_calls, 0, kChanges),
                                SD_BUS_PROPERTY("EmergencyOnly", "b", get_emergency_only, 0, 0),
                                SD_BUS_SIGNAL("CallAdded", "o", 0),
                                SD_BUS_SIGNAL("CallDeleted", "o", 0),
                                SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* line_vtable() { return kLine; }
const sd_bus_vtable* network_vtable() { return kNetwork; }
const sd_bus_vtable* messaging_vtable() { return kMessaging; }
const sd_bus_vtable* voice_vtable() { return kVoice; }

}  // namespace pmos::modem
