// modem: what the methods of a mode's objects read and answer alike.
#include <algorithm>
#include <string>
#include <string_view>

#include "runtime/modem/mode_face.h"

namespace pmos::modem {

using Kind = ModeFace::Kind;
using Object = ModeFace::Object;

Object* named(sd_bus_message* m, const Object& object, Kind kind) {
    const char* path = nullptr;
    if (sd_bus_message_read(m, "o", &path) < 0) return nullptr;
    Object* found = object.face.object_at(path);
    return found != nullptr && found->kind == kind ? found : nullptr;
}

int append_paths(sd_bus_message* reply, const Object& line, Kind kind) {
    int r = sd_bus_message_open_container(reply, 'a', "o");
    const auto put = [&](const auto& all) {
        for (const auto& [number, one] : all)
            if (r >= 0 && one.line == line.line)
                r = sd_bus_message_append(reply, "o", object_path(kind, number).c_str());
    };
    if (const View* view = line.face.view(); view != nullptr) {
        if (kind == Kind::call) put(view->calls);
        if (kind == Kind::text) put(view->texts);
        if (kind == Kind::bearer) put(view->bearers);
    }
    return r >= 0 ? sd_bus_message_close_container(reply) : r;
}

int list_paths(sd_bus_message* m, const Object& line, Kind kind) {
    sd_bus_message* reply = nullptr;
    int r = sd_bus_message_new_method_return(m, &reply);
    const MessagePtr owned(reply);
    if (r >= 0) r = append_paths(reply, line, kind);
    return r >= 0 ? sd_bus_send(nullptr, reply, nullptr) : r;
}

int read_wanted(sd_bus_message* m, std::initializer_list<Wanted> wanted, std::string& unknown) {
    int r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        const char *key = nullptr, *type = nullptr, *value = nullptr;
        if ((r = sd_bus_message_read(m, "s", &key)) < 0) break;
        const std::string_view name = key;
        const auto* to = std::ranges::find(wanted, name, &Wanted::key);
        std::int32_t number = 0;
        if ((r = sd_bus_message_peek_type(m, nullptr, &type)) < 0) break;
        if (name == "profile-id" && std::string_view(type) == "i") {
            // libmm-glib says always which of the modem's profiles, and that it is none of them.
            r = sd_bus_message_read(m, "v", "i", &number);
            if (number != -1) unknown = name;
        } else if (to == wanted.end() || std::string_view(type) != "s") {
            unknown = name;
            r = sd_bus_message_skip(m, "v");
        } else {
            r = sd_bus_message_read(m, "v", "s", &value);
            if (r >= 0) to->value = value;
        }
        if (r >= 0) r = sd_bus_message_exit_container(m);
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

int refuse_unknown(sd_bus_error* error, const std::string& unknown) {
    return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "'%s' cannot be given here",
                             unknown.c_str());
}

}  // namespace pmos::modem
