// modem: a call and a message as a mode has them. Decides nothing.
#include <string>
#include <string_view>

#include "runtime/modem/mm_names.h"
#include "runtime/modem/mode_face.h"

namespace pmos::modem {
namespace {

using Object = ModeFace::Object;

constexpr std::uint32_t kDeliver = 1, kSubmit = 2, kStorageModem = 2, kNoDeliveryState = 0x100;

int get_call(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    const OwnCall* call = static_cast<Object*>(userdata)->call();
    if (call == nullptr) return -ENOENT;
    const std::string_view name = property;
    if (name == "State")
        return sd_bus_message_append(reply, "i", static_cast<std::int32_t>(call->state));
    if (name == "StateReason") return sd_bus_message_append(reply, "i", call->reason);
    if (name == "Direction")
        return sd_bus_message_append(reply, "i", static_cast<std::int32_t>(call->direction));
    if (name == "Number") return sd_bus_message_append(reply, "s", call->number.c_str());
    if (name == "Multiparty") return sd_bus_message_append(reply, "b", 0);
    return sd_bus_message_append(reply, "s", "");  // AudioPort
}

int get_text(sd_bus*, const char*, const char*, const char* property, sd_bus_message* reply,
             void* userdata, sd_bus_error*) {
    const OwnText* text = static_cast<Object*>(userdata)->text();
    if (text == nullptr) return -ENOENT;
    const std::string_view name = property;
    if (name == "State")
        return sd_bus_message_append(reply, "u", static_cast<std::uint32_t>(text->state));
    if (name == "PduType")
        return sd_bus_message_append(reply, "u", text->incoming ? kDeliver : kSubmit);
    if (name == "Number") return sd_bus_message_append(reply, "s", text->number.c_str());
    if (name == "Text") return sd_bus_message_append(reply, "s", text->text.c_str());
    if (name == "Timestamp") return sd_bus_message_append(reply, "s", text->timestamp.c_str());
    if (name == "Storage") return sd_bus_message_append(reply, "u", kStorageModem);
    if (name == "DeliveryState") return sd_bus_message_append(reply, "u", kNoDeliveryState);
    return sd_bus_message_append(reply, "ay", 0);  // Data
}

int send_tones(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<Object*>(userdata);
    const char* tones = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &tones); r < 0) return r;
    Done done;
    if (!object.face.defer(m, done, error)) return -EBUSY;
    object.face.broker().send_tones(object.face.mode(), object.number, tones, std::move(done));
    return 1;
}

constexpr std::uint64_t kChanges = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE;

const sd_bus_vtable kCall[] = {SD_BUS_VTABLE_START(0),
                               SD_BUS_METHOD("Start", "", "", ask<&Broker::start_call>, 0),
                               SD_BUS_METHOD("Accept", "", "", ask<&Broker::accept_call>, 0),
                               SD_BUS_METHOD("Hangup", "", "", ask<&Broker::hang_up>, 0),
                               SD_BUS_METHOD("SendDtmf", "s", "", send_tones, 0),
                               SD_BUS_PROPERTY("State", "i", get_call, 0, kChanges),
                               SD_BUS_PROPERTY("StateReason", "i", get_call, 0, kChanges),
                               SD_BUS_PROPERTY("Direction", "i", get_call, 0, 0),
                               SD_BUS_PROPERTY("Number", "s", get_call, 0, 0),
                               SD_BUS_PROPERTY("Multiparty", "b", get_call, 0, 0),
                               SD_BUS_PROPERTY("AudioPort", "s", get_call, 0, 0),
                               SD_BUS_SIGNAL("StateChanged", "iiu", 0),
                               SD_BUS_VTABLE_END};

const sd_bus_vtable kText[] = {SD_BUS_VTABLE_START(0),
                               SD_BUS_METHOD("Send", "", "", ask<&Broker::send_text>, 0),
                               SD_BUS_PROPERTY("State", "u", get_text, 0, kChanges),
                               SD_BUS_PROPERTY("PduType", "u", get_text, 0, 0),
                               SD_BUS_PROPERTY("Number", "s", get_text, 0, kChanges),
                               SD_BUS_PROPERTY("Text", "s", get_text, 0, kChanges),
                               SD_BUS_PROPERTY("Timestamp", "s", get_text, 0, kChanges),
                               SD_BUS_PROPERTY("Storage", "u", get_text, 0, 0),
                               SD_BUS_PROPERTY("DeliveryState", "u", get_text, 0, 0),
                               SD_BUS_PROPERTY("Data", "ay", get_text, 0, 0),
                               SD_BUS_VTABLE_END};

}  // namespace

const sd_bus_vtable* call_vtable() { return kCall; }
const sd_bus_vtable* text_vtable() { return kText; }

}  // namespace pmos::modem
