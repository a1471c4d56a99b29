// event: pieces of sd-bus as values. Knows no interface.
#include "runtime/event/bus_pieces.h"

namespace pmos::event {
namespace {

std::string error_text(const Error& error) {
    std::string text = error.message();
    if (!error.step.empty()) text += " [" + error.step + "]";
    for (const auto& undo : error.undo_failures) text += "; and the undo failed: " + undo.message();
    if (!error.fix.empty()) text += "\nhint: " + error.fix;
    return text;
}

}  // namespace

int set_error(sd_bus_error* out, const Error& error) {
    return sd_bus_error_set(out, code_info(error.code).bus_name.data(), error_text(error).c_str());
}

void reply_error(sd_bus_message* call, const Error& error) {
    sd_bus_reply_method_errorf(call, code_info(error.code).bus_name.data(), "%s",
                               error_text(error).c_str());
}

int read_strings(sd_bus_message* message, std::vector<std::string>& out) {
    int r = sd_bus_message_enter_container(message, 'a', "s");
    const char* text = nullptr;
    while (r >= 0 && (r = sd_bus_message_read(message, "s", &text)) > 0) out.emplace_back(text);
    return r < 0 ? r : sd_bus_message_exit_container(message);
}

int append_strings(sd_bus_message* message, const std::vector<std::string>& texts) {
    int r = sd_bus_message_open_container(message, 'a', "s");
    for (const auto& text : texts)
        if (r >= 0) r = sd_bus_message_append(message, "s", text.c_str());
    return r < 0 ? r : sd_bus_message_close_container(message);
}

}  // namespace pmos::event
