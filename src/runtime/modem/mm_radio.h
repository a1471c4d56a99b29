// modem: ModemManager over the system bus. Keeps a picture of its modems, calls and messages; waits
// for nothing, and outlives both.
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "runtime/event/loop.h"
#include "runtime/modem/bus_pieces.h"
#include "runtime/modem/mm_read.h"
#include "runtime/modem/radio.h"

namespace pmos::modem {

class MmRadio : public Radio {
  public:
    // address: "" the system bus.
    MmRadio(event::EventLoop& loop, std::string address)
        : loop_(loop), address_(std::move(address)) {}
    MmRadio(const MmRadio&) = delete;
    MmRadio& operator=(const MmRadio&) = delete;
    ~MmRadio() override = default;

    // Keeps trying while there is no bus. listener outlives it.
    void begin(Listener& listener);

    bool present() const override { return present_; }
    const std::map<std::string, Line>& lines() const override { return lines_; }
    const std::map<std::string, RadioCall>& calls() const override { return calls_; }
    const std::map<std::string, RadioText>& texts() const override { return texts_; }
    const std::map<std::string, RadioBearer>& bearers() const override { return bearers_; }

    void wake() override;
    void enable(const std::string& line, Done done) override;
    void create_call(const std::string& line, const std::string& number,
                     Answer<std::string> answer) override;
    void start_call(const std::string& call, Done done) override;
    void accept_call(const std::string& call, Done done) override;
    void hang_up(const std::string& call, Done done) override;
    void send_tones(const std::string& call, const std::string& tones, Done done) override;
    void delete_call(const std::string& line, const std::string& call) override;
    void create_text(const std::string& line, const std::string& number, const std::string& text,
                     Answer<std::string> answer) override;
    void send_text(const std::string& text, Done done) override;
    void delete_text(const std::string& line, const std::string& text, Done done) override;
    void connect_data(const std::string& line, const std::string& access_point,
                      Answer<std::string> answer) override;
    void disconnect_data(const std::string& line, const std::string& bearer, Done done) override;

  private:
    using Properties = std::vector<std::pair<const char*, std::string>>;
    bool connect();
    void connect_later();
    void look_for_it();
    void came();
    void went();
    void read_all();
    void take(std::map<std::string, ModemObject> objects);
    void forget_gone(const std::map<std::string, std::string>& listed);
    void read_object(const std::string& path);
    void took_object(const std::string& path, sd_bus_message* answer);
    void read_emergency(const std::string& line, const std::string& sim);
    void ask(MessagePtr request, std::chrono::seconds patience, AnswerMessage answer);
    MessagePtr request(const std::string& path, const char* interface, const char* member);
    void plain(const std::string& path, const char* interface, const char* member,
               std::chrono::seconds patience, Done done);
    void create(const std::string& line, const char* interface, const char* member,
                const Properties& properties, std::chrono::seconds patience,
                Answer<std::string> answer);
    static int on_signal(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_owner(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_disconnected(sd_bus_message* message, void* userdata, sd_bus_error* error);

    event::EventLoop& loop_;
    std::string address_;
    Listener* listener_ = nullptr;
    BusPtr bus_;
    bool present_ = false;
    std::map<std::string, Line> lines_;
    std::map<std::string, RadioCall> calls_;
    std::map<std::string, RadioText> texts_;
    std::map<std::string, RadioBearer> bearers_;
    std::map<std::string, std::string> listed_;  // all of these, to their line
    std::map<std::string, std::string> sims_;    // of lines whose SIM's numbers are known
    std::map<std::string, std::vector<std::string>> sim_numbers_;  // by line
    // What is asked now, and whether it has changed since.
    std::map<std::string, bool> asked_;
    unsigned life_ = 0;  // of ModemManager: what an earlier one answers counts no more
    std::chrono::steady_clock::time_point woken_{};
    event::EventSource later_;
};

}  // namespace pmos::modem
