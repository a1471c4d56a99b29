// modem: what is asked of ModemManager.
#include <utility>

#include "runtime/modem/mm_names.h"
#include "runtime/modem/mm_radio.h"

namespace pmos::modem {

using namespace std::chrono_literals;

namespace {

constexpr auto kCreate = 10s;
constexpr auto kCall = 60s;   // the network takes its time
constexpr auto kSend = 120s;  // of a message in many parts
constexpr auto kEnable = 120s;
constexpr auto kConnect = 180s;  // from off to connected, as ModemManager allows
constexpr auto kWake = 5s;

AnswerMessage only_done(Done done) {
    return [done = std::move(done)](Result<sd_bus_message*> answer) mutable {
        if (!answer) return done(fail(std::move(answer.error())));
        done({});
    };
}

}  // namespace

// The bus starts it where it can be; where only systemd knows it, systemd does.
void MmRadio::wake() {
    const auto now = std::chrono::steady_clock::now();
    if (!bus_ || (woken_ != decltype(woken_){} && now - woken_ < kWake)) return;
    woken_ = now;
    sd_bus_message* m = nullptr;
    if (sd_bus_message_new_method_call(bus_.get(), &m, "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                       "StartServiceByName") < 0)
        return;
    MessagePtr start(m);
    sd_bus_message_append(m, "su", mm::kService, 0U);
    ask(std::move(start), kCall, [this](Result<sd_bus_message*> answer) {
        sd_bus_message* unit = nullptr;
        if (answer || !bus_ ||
            sd_bus_message_new_method_call(bus_.get(), &unit, "org.freedesktop.systemd1",
                                           "/org/freedesktop/systemd1",
                                           "org.freedesktop.systemd1.Manager", "StartUnit") < 0)
            return;
        MessagePtr request(unit);
        sd_bus_message_append(unit, "ss", "ModemManager.service", "replace");
        ask(std::move(request), kCall, [](const Result<sd_bus_message*>&) {});
    });
}

void MmRadio::plain(const std::string& path, const char* interface, const char* member,
                    std::chrono::seconds patience, Done done) {
    ask(request(path, interface, member), patience, only_done(std::move(done)));
}

void MmRadio::create(const std::string& line, const char* interface, const char* member,
                     const Properties& properties, std::chrono::seconds patience,
                     Answer<std::string> answer) {
    auto call = request(line, interface, member);
    if (call) {
        sd_bus_message_open_container(call.get(), 'a', "{sv}");
        for (const auto& [key, value] : properties)
            sd_bus_message_append(call.get(), "{sv}", key, "s", value.c_str());
        sd_bus_message_close_container(call.get());
    }
    ask(std::move(call), patience,
        [answer = std::move(answer)](Result<sd_bus_message*> made) mutable {
            const char* path = nullptr;
            if (!made) return answer(fail(std::move(made.error())));
            if (sd_bus_message_read(*made, "o", &path) <= 0)
                return answer(fail(Code::failed, "ModemManager answers nonsense"));
            answer(std::string(path));
        });
}

void MmRadio::enable(const std::string& line, Done done) {
    auto call = request(line, mm::kModem, "Enable");
    if (call) sd_bus_message_append(call.get(), "b", 1);
    ask(std::move(call), kEnable, only_done(std::move(done)));
}

void MmRadio::create_call(const std::string& line, const std::string& number,
                          Answer<std::string> answer) {
    create(line, mm::kVoice, "CreateCall", {{"number", number}}, kCreate, std::move(answer));
}

void MmRadio::start_call(const std::string& call, Done done) {
    plain(call, mm::kCall, "Start", kCall, std::move(done));
}

void MmRadio::accept_call(const std::string& call, Done done) {
    plain(call, mm::kCall, "Accept", kCall, std::move(done));
}

void MmRadio::hang_up(const std::string& call, Done done) {
    plain(call, mm::kCall, "Hangup", kCall, std::move(done));
}

void MmRadio::send_tones(const std::string& call, const std::string& tones, Done done) {
    auto message = request(call, mm::kCall, "SendDtmf");
    if (message) sd_bus_message_append(message.get(), "s", tones.c_str());
    ask(std::move(message), kCall, only_done(std::move(done)));
}

void MmRadio::delete_call(const std::string& line, const std::string& call) {
    auto message = request(line, mm::kVoice, "DeleteCall");
    if (message) sd_bus_message_append(message.get(), "o", call.c_str());
    ask(std::move(message), kCreate, [](const Result<sd_bus_message*>&) {});
}

void MmRadio::create_text(const std::string& line, const std::string& number,
                          const std::string& text, Answer<std::string> answer) {
    create(line, mm::kMessaging, "Create", {{"number", number}, {"text", text}}, kCreate,
           std::move(answer));
}

void MmRadio::send_text(const std::string& text, Done done) {
    plain(text, mm::kText, "Send", kSend, std::move(done));
}

void MmRadio::delete_text(const std::string& line, const std::string& text, Done done) {
    auto message = request(line, mm::kMessaging, "Delete");
    if (message) sd_bus_message_append(message.get(), "o", text.c_str());
    ask(std::move(message), kCreate, only_done(std::move(done)));
}

void MmRadio::connect_data(const std::string& line, const std::string& access_point,
                           Answer<std::string> answer) {
    create(line, mm::kSimple, "Connect", {{"apn", access_point}}, kConnect, std::move(answer));
}

void MmRadio::disconnect_data(const std::string& line, const std::string& bearer, Done done) {
    auto message = request(line, mm::kSimple, "Disconnect");
    if (message) sd_bus_message_append(message.get(), "o", bearer.c_str());
    ask(std::move(message), kCall, only_done(std::move(done)));
}

}  // namespace pmos::modem
