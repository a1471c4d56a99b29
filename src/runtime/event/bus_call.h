// event: calls over sd-bus that are answered later. Knows none of the interfaces.
#pragma once

#include <systemd/sd-bus.h>

#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/event/bus_pieces.h"
#include "runtime/event/loop.h"

namespace pmos::event {

struct UnrefMessage {
    void operator()(sd_bus_message* message) const noexcept { sd_bus_message_unref(message); }
};
using MessagePtr = std::unique_ptr<sd_bus_message, UnrefMessage>;
inline MessagePtr share(sd_bus_message* message) { return MessagePtr(sd_bus_message_ref(message)); }

using AnswerMessage = std::move_only_function<void(Result<sd_bus_message*>)>;
// Answers exactly once, never from within, or not any more when the bus is closed before.
// Code::timed_out: nobody has answered. What the other end refuses has its code and its hint.
void call_async(EventLoop& loop, sd_bus* bus, sd_bus_message* request, std::uint64_t timeout_us,
                AnswerMessage answer);

}  // namespace pmos::event
