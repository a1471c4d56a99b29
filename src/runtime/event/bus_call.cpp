// event: calls over sd-bus that are answered later. Knows none of the interfaces.
#include "runtime/event/bus_call.h"

#include <utility>

#include "base/text.h"

namespace pmos::event {
namespace {

struct Pending {
    AnswerMessage answer;
};

// As set_error() has written it, where it is one of ours.
Error error_of(const sd_bus_error& error) {
    Error made;
    const bool late = sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY) != 0 ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_TIMEOUT) != 0;
    made.code = code_from_bus_name(error.name);
    // A deadline that passed at the other end is no answer that is missing.
    if (made.code == Code::timed_out) made.code = Code::failed;
    if (late) made.code = Code::timed_out;
    constexpr std::string_view kHint = "\nhint: ";
    const std::string_view text = error.message != nullptr ? error.message : error.name;
    const auto hint = text.find(kHint);
    made.what = printable(text.substr(0, hint));
    if (hint != text.npos) made.fix = printable(text.substr(hint + kHint.size()));
    return made;
}

void destroy(void* userdata) { delete static_cast<Pending*>(userdata); }

int on_reply(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto answer = std::exchange(static_cast<Pending*>(userdata)->answer, nullptr);
    if (!answer) return 0;
    if (const auto* error = sd_bus_message_get_error(message); error != nullptr) {
        answer(fail(error_of(*error)));
        return 0;
    }
    answer(message);
    return 0;
}

}  // namespace

void call_async(EventLoop& loop, sd_bus* bus, sd_bus_message* request, std::uint64_t timeout_us,
                AnswerMessage answer) {
    auto pending = std::make_unique<Pending>(std::move(answer));
    sd_bus_slot* slot = nullptr;
    const int r = sd_bus_call_async(bus, &slot, request, on_reply, pending.get(), timeout_us);
    if (r < 0) {
        return loop.soon([failed = std::move(pending->answer), r]() mutable {
            failed(fail(errno_error(-r, "cannot send a call")));
        });
    }
    sd_bus_slot_set_destroy_callback(slot, destroy);
    static_cast<void>(pending.release());
    sd_bus_slot_set_floating(slot, 1);
    sd_bus_slot_unref(slot);
}

}  // namespace pmos::event
