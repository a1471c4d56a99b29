// modem: what of sd-bus is used all over here, by its short names.
#pragma once

#include "runtime/event/bus_call.h"

namespace pmos::modem {

using event::AnswerMessage;
using event::BusPtr;
using event::call_async;
using event::MessagePtr;
using event::reply_error;
using event::set_error;
using event::share;

}  // namespace pmos::modem
