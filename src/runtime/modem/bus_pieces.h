// modem: pieces of sd-bus as values. Knows none of the interfaces.
#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>

#include "base/result.h"

namespace pmos::modem {

struct UnrefBus {
    void operator()(sd_bus* bus) const noexcept { sd_bus_close_unref(bus); }
};
using BusPtr = std::unique_ptr<sd_bus, UnrefBus>;

struct UnrefMessage {
    void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
};
using MessagePtr = std::unique_ptr<sd_bus_message, UnrefMessage>;
inline MessagePtr share(sd_bus_message* message) { return MessagePtr(sd_bus_message_ref(message)); }

using AnswerMessage = std::move_only_function<void(Result<sd_bus_message*>)>;
// Answers exactly once, never from within, or not any more when the bus is closed before.
void call_async(sd_bus* bus, sd_bus_message* request, std::uint64_t timeout_us,
                AnswerMessage answer);

// An error under the code's bus name, "what: why" and the hint on a line of its own.
int set_error(sd_bus_error* out, const Error& error);
void reply_error(sd_bus_message* call, const Error& error);

}  // namespace pmos::modem
