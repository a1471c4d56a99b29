// panel: an emergency call, by pmos-modem alone.
#include "runtime/panel/emergency.h"

#include <cerrno>

#include "runtime/modem/protocol.h"

namespace pmos::panel {
namespace {

constexpr std::uint64_t kLimit = 10'000'000;

}  // namespace

// Only when there is something to say: what comes and goes meanwhile is nobody's concern.
Result<sd_bus*> Emergency::connect() {
    if (bus_) return bus_.get();
    sd_bus* made = nullptr;
    int r = sd_bus_new(&made);
    if (r < 0) return fail(errno_error(-r, "cannot make a connection"));
    event::BusPtr bus(made);
    r = sd_bus_set_address(made, ("unix:path=" + address_).c_str());
    if (r >= 0) r = sd_bus_start(made);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, modem::kPath, modem::kHostInterface,
                                "Emergency", on_signal, this);
    if (r >= 0)
        r = sd_bus_match_signal(made, nullptr, nullptr, "/org/freedesktop/DBus/Local",
                                "org.freedesktop.DBus.Local", "Disconnected", on_gone, this);
    if (r >= 0) r = sd_bus_attach_event(made, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
    if (r < 0) return fail(errno_error(-r, "cannot reach pmos-modem"));
    bus_ = std::move(bus);
    return bus_.get();
}

void Emergency::ask(const char* member, const std::string* number, event::Done done) {
    auto bus = connect();
    sd_bus_message* made = nullptr;
    int r = bus ? sd_bus_message_new_method_call(*bus, &made, nullptr, modem::kPath,
                                                 modem::kHostInterface, member)
                : 0;
    const event::MessagePtr request(made);
    if (bus && r >= 0 && number != nullptr) r = sd_bus_message_append(made, "s", number->c_str());
    if (!bus || r < 0)
        return loop_.soon(
            [done = std::move(done), error = bus ? errno_error(-r, "cannot ask pmos-modem")
                                                 : std::move(bus.error())]() mutable {
                done(fail(std::move(error)));
            });
    event::call_async(loop_, *bus, made, kLimit,
                      [done = std::move(done)](Result<sd_bus_message*> reply) mutable {
                          if (!reply) return done(fail(std::move(reply.error())));
                          done({});
                      });
}

void Emergency::call(const std::string& number, event::Done done) {
    ask("Call", &number, std::move(done));
}

void Emergency::hang_up(event::Done done) { ask("HangUp", nullptr, std::move(done)); }

int Emergency::on_signal(sd_bus_message* message, void* self, sd_bus_error*) {
    const char *phase = nullptr, *number = nullptr, *words = nullptr;
    if (sd_bus_message_read(message, "sss", &phase, &number, &words) >= 0)
        static_cast<Emergency*>(self)->changed_({phase, number, words});
    return 0;
}

// The call itself goes on: the next pmos-modem finds it. Not from within its own dispatch.
int Emergency::on_gone(sd_bus_message*, void* self, sd_bus_error*) {
    auto& emergency = *static_cast<Emergency*>(self);
    emergency.loop_.soon([gone = std::shared_ptr(std::move(emergency.bus_))] {});
    emergency.changed_({});  // until somebody says how it goes
    return 0;
}

}  // namespace pmos::panel
