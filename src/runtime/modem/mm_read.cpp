// modem: what ModemManager says, as values. What makes no sense is left out. Sends nothing.
#include "runtime/modem/mm_read.h"

#include <functional>
#include <string_view>

#include "base/text.h"
#include "runtime/modem/mm_names.h"

namespace pmos::modem {
namespace {

constexpr std::size_t kMostItems = 4096;
constexpr std::uint32_t kDeliver = 1;  // MMSmsPduType

// Reads a property of this type; 0: it is none of those that are wanted.
using Take = std::function<int(std::string_view name, std::string_view type)>;

int each_property(sd_bus_message* m, const Take& take) {
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char *name = nullptr, *type = nullptr;
        if ((r = sd_bus_message_read(m, "s", &name)) < 0) break;
        if ((r = sd_bus_message_peek_type(m, nullptr, &type)) < 0) break;
        const std::string contents = type;
        if ((r = sd_bus_message_enter_container(m, 'v', contents.c_str())) < 0) break;
        if ((r = take(name, contents)) < 0) break;
        if (r == 0 && (r = sd_bus_message_skip(m, contents.c_str())) < 0) break;
        if ((r = sd_bus_message_exit_container(m)) < 0) break;
        if ((r = sd_bus_message_exit_container(m)) < 0) break;
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

// One value where it has the type that is meant.
struct Value {
    sd_bus_message* m;
    std::string_view type;

    int text(std::string& out) const {
        if (type != "s" && type != "o") return 0;
        const char* value = nullptr;
        const int r = sd_bus_message_read_basic(m, type[0], &value);
        if (r > 0) out = value;
        return r;
    }
    template <class T>
    int number(T& out) const {
        if (type != "u" && type != "i") return 0;
        std::uint32_t value = 0;
        const int r = sd_bus_message_read_basic(m, type[0], &value);
        if (r > 0) out = static_cast<T>(value);
        return r;
    }
    int flag(bool& out) const {
        if (type != "b") return 0;
        int value = 0;
        const int r = sd_bus_message_read_basic(m, 'b', &value);
        if (r > 0) out = value != 0;
        return r;
    }
    int list(std::vector<std::string>& out) const {
        if (type != "as" && type != "ao") return 0;
        int r = sd_bus_message_enter_container(m, 'a', type.data() + 1);
        const char* value = nullptr;
        while (r >= 0 && (r = sd_bus_message_read_basic(m, type[1], &value)) > 0)
            if (out.size() < kMostItems) out.emplace_back(value);
        return r < 0 ? r : (r = sd_bus_message_exit_container(m), r < 0 ? r : 1);
    }
    int signal(Line& out) const {
        if (type != "(ub)") return 0;
        int recent = 0;
        const int r = sd_bus_message_read(m, "(ub)", &out.signal, &recent);
        out.signal_recent = recent != 0;
        if (out.signal > 100) out.signal = 100;
        return r;
    }
};

int modem_property(Value value, std::string_view name, ModemObject& out) {
    Line& line = out.line;
    if (name == "State") return value.number(line.state);
    if (name == "StateFailedReason") return value.number(line.failed_reason);
    if (name == "UnlockRequired") return value.number(line.lock);
    if (name == "PowerState") return value.number(line.power);
    if (name == "AccessTechnologies") return value.number(line.technologies);
    if (name == "SignalQuality") return value.signal(line);
    if (name == "OwnNumbers") return value.list(line.names.numbers);
    if (name == "Device") return value.text(line.names.device);
    if (name == "DeviceIdentifier") return value.text(line.id);
    if (name == "Bearers") return value.list(out.bearers);
    return name == "Sim" ? value.text(out.sim) : 0;
}

int network_property(Value value, std::string_view name, Line& line) {
    if (name == "OperatorName") return value.text(line.operator_name);
    if (name == "OperatorCode") return value.text(line.operator_code);
    return name == "RegistrationState" ? value.number(line.registration) : 0;
}

int interface_properties(sd_bus_message* m, std::string_view interface, ModemObject& out,
                         bool& is_modem) {
    if (interface == mm::kModem) is_modem = true;
    if (interface == mm::kMessaging) out.line.messaging = true;
    if (interface == mm::kVoice) out.line.voice = true;
    return each_property(m, [&](std::string_view name, std::string_view type) {
        const Value value{m, type};
        if (interface == mm::kModem) return modem_property(value, name, out);
        if (interface == mm::kModem3gpp) return network_property(value, name, out.line);
        if (interface == mm::kMessaging && name == "Messages") return value.list(out.texts);
        if (interface == mm::kVoice && name == "Calls") return value.list(out.calls);
        return 0;
    });
}

int read_object(sd_bus_message* m, std::map<std::string, ModemObject>& out) {
    const char* path = nullptr;
    int r = sd_bus_message_read(m, "o", &path);
    if (r >= 0) r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
    ModemObject object;
    bool is_modem = false;
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
        const char* interface = nullptr;
        r = sd_bus_message_read(m, "s", &interface);
        if (r >= 0) r = interface_properties(m, interface, object, is_modem);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    if (r >= 0) r = sd_bus_message_exit_container(m);
    if (r >= 0 && is_modem) out.emplace(path, std::move(object));
    return r;
}

}  // namespace

int read_objects(sd_bus_message* m, std::map<std::string, ModemObject>& out) {
    int r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
        r = read_object(m, out);
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int read_call(sd_bus_message* m, RadioCall& out) {
    return each_property(m, [&](std::string_view name, std::string_view type) {
        const Value value{m, type};
        if (name == "Number") return value.text(out.number);
        if (name == "State") return value.number(out.state);
        if (name == "StateReason") return value.number(out.reason);
        return name == "Direction" ? value.number(out.direction) : 0;
    });
}

int read_text(sd_bus_message* m, RadioText& out) {
    std::uint32_t kind = 0;
    const int r = each_property(m, [&](std::string_view name, std::string_view type) {
        const Value value{m, type};
        if (name == "Number") return value.text(out.number);
        if (name == "Text") return value.text(out.text);
        if (name == "Timestamp") return value.text(out.timestamp);
        if (name == "State") return value.number(out.state);
        return name == "PduType" ? value.number(kind) : 0;
    });
    out.incoming = kind == kDeliver;
    return r;
}

int read_bearer(sd_bus_message* m, RadioBearer& out) {
    return each_property(m, [&](std::string_view name, std::string_view type) {
        const Value value{m, type};
        if (name == "Connected") return value.flag(out.connected);
        if (name == "Interface") return value.text(out.interface);
        if (name != "Properties" || type != "a{sv}") return 0;
        const int r = each_property(m, [&](std::string_view key, std::string_view of) {
            return key == "apn" ? Value{m, of}.text(out.access_point) : 0;
        });
        // In no case of letters its own (3GPP TS 23.003, 9.1); a profile has it small.
        for (char& c : out.access_point)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        return r < 0 ? r : 1;
    });
}

int read_sim(sd_bus_message* m, std::vector<std::string>& emergency) {
    return each_property(m, [&](std::string_view name, std::string_view type) {
        return name == "EmergencyNumbers" ? Value{m, type}.list(emergency) : 0;
    });
}

}  // namespace pmos::modem
