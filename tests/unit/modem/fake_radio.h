// tests: modems that do what a test says.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/modem/broker.h"

namespace pmos::modem {

class FakeRadio : public Radio {
  public:
    bool present() const override { return there; }
    const std::map<std::string, Line>& lines() const override { return all_lines; }
    const std::map<std::string, RadioCall>& calls() const override { return all_calls; }
    const std::map<std::string, RadioText>& texts() const override { return all_texts; }
    const std::map<std::string, RadioBearer>& bearers() const override { return all_bearers; }
    void wake() override { log.emplace_back("wake"); }
    void enable(const std::string& line, Done done) override {
        log.push_back("enable " + line);
        waiting.push_back([done = std::move(done)](bool good) mutable {
            done(good ? Result<>() : fail(Code::failed, "no"));
        });
    }
    void create_call(const std::string& line, const std::string& number,
                     Answer<std::string> answer) override {
        log.push_back("create " + line + " " + number);
        waiting.push_back([this, line, number, answer = std::move(answer)](bool good) mutable {
            if (!good) return answer(fail(Code::failed, "no"));
            const auto path = "call" + std::to_string(next++);
            all_calls[path] = {line, number, CallState::unknown, 0, Direction::outgoing};
            answer(std::string(path));
        });
    }
    void start_call(const std::string& call, Done done) override { ask("start " + call, done); }
    void accept_call(const std::string& call, Done done) override { ask("accept " + call, done); }
    void hang_up(const std::string& call, Done done) override { ask("hangup " + call, done); }
    void send_tones(const std::string& call, const std::string& tones, Done done) override {
        ask("tones " + call + " " + tones, done);
    }
    void delete_call(const std::string&, const std::string& call) override {
        log.push_back("forget " + call);
    }
    void create_text(const std::string&, const std::string& number, const std::string& text,
                     Answer<std::string> answer) override {
        log.push_back("text " + number + " " + text);
        waiting.push_back([this, answer = std::move(answer)](bool good) mutable {
            if (!good) return answer(fail(Code::failed, "no"));
            answer("text" + std::to_string(next++));
        });
    }
    void send_text(const std::string& text, Done done) override { ask("send " + text, done); }
    void delete_text(const std::string&, const std::string& text, Done done) override {
        ask("delete " + text, done);
    }

    void connect_data(const std::string& line, const std::string& access_point,
                      Answer<std::string> answer) override {
        log.push_back("connect " + line + " " + access_point);
        waiting.push_back([this, answer = std::move(answer)](bool good) mutable {
            if (!good) return answer(fail(Code::failed, "no"));
            answer("bearer" + std::to_string(next++));
        });
    }
    void disconnect_data(const std::string&, const std::string& bearer, Done done) override {
        ask("disconnect " + bearer, done);
    }

    // The oldest request that is not answered yet.
    void answer(bool good = true) {
        auto first = std::move(waiting.front());
        waiting.erase(waiting.begin());
        first(good);
    }
    bool did(const std::string& what) const {
        return std::find(log.begin(), log.end(), what) != log.end();
    }

    bool there = true;
    std::map<std::string, Line> all_lines;
    std::map<std::string, RadioCall> all_calls;
    std::map<std::string, RadioText> all_texts;
    std::map<std::string, RadioBearer> all_bearers;
    std::vector<std::string> log;
    std::vector<std::move_only_function<void(bool)>> waiting;
    unsigned next = 0;

  private:
    void ask(std::string what, Done& done) {
        log.push_back(std::move(what));
        waiting.push_back([done = std::move(done)](bool good) mutable {
            done(good ? Result<>() : fail(Code::failed, "no"));
        });
    }
};

// A broker with one line "sim", registered, and two modes with all rights.
struct World {
    World() {
        Line line;
        line.id = "id";
        line.names.device = "first";
        line.state = LineState::registered;
        line.voice = line.messaging = true;
        radio.all_lines["sim"] = line;
        for (const char* name : {"anna", "berta"}) {
            ModeRights mode;
            mode.name = name;
            mode.sms = mode.voice = mode.running = true;
            table.modes.push_back(mode);
        }
        table.fallback = "anna";
    }
    void begin() {
        broker.set_table(table);
        broker.lines_changed();
    }
    void set_operator(const std::string& name) {
        radio.all_lines["sim"].operator_name = name;
        broker.lines_changed();
    }
    void ring(const std::string& path, const std::string& number) {
        radio.all_calls[path] = {"sim", number, CallState::ringing_in, 0, Direction::incoming};
        broker.call_changed(path);
    }
    void set(const std::string& path, CallState state) {
        radio.all_calls.at(path).state = state;
        broker.call_changed(path);
    }
    void receive(const std::string& path, const std::string& number, const std::string& text) {
        radio.all_texts[path] = {"sim", number, text, "now", TextState::received, true};
        broker.text_changed(path);
    }
    void set_bearer(const std::string& path, const std::string& access_point, bool connected) {
        radio.all_bearers[path] = {"sim", access_point, "wwan0", connected};
        broker.bearer_changed(path);
    }
    void wait(std::chrono::milliseconds time) {
        const auto end = std::chrono::steady_clock::now() + time;
        while (std::chrono::steady_clock::now() < end) sd_event_run(loop->get(), 10000);
    }

    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    FakeRadio radio;
    Table table;
    Broker broker{*loop, radio, Owners{}};
};

}  // namespace pmos::modem
