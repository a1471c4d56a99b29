// tests: two modes with notifications, "anna" in front and "berta" behind it, and who hears of
// them.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "runtime/notify/broker.h"

namespace pmos::notify {

struct World : Broker::Listener {
    World() {
        broker.listen(*this);
        table.modes = {{.name = "anna",
                        .run = 1,
                        .notifies = true,
                        .telling = Telling::full,
                        .keeps_awake = true,
                        .foreground = true},
                       {.name = "berta", .run = 2, .notifies = true, .telling = Telling::count}};
    }
    void begin() { broker.set_table(table); }
    ModeRights& anna() { return table.modes[0]; }
    ModeRights& berta() { return table.modes[1]; }

    std::uint32_t say(const std::string& mode, const std::string& summary,
                      std::uint32_t replaces = 0) {
        Note note;
        note.summary = summary;
        return broker.notify(mode, std::move(note), replaces).value_or(0);
    }
    // What a mode sees of the others, or the host of all: "berta 2", "berta 1: text".
    static std::string seen(const std::vector<Shown>& shown) {
        std::string out;
        for (const auto& one : shown) {
            out += (out.empty() ? "" : "; ") + one.mode + " " + std::to_string(one.count);
            if (one.notes == nullptr) continue;
            for (const auto& note : one.notes->all()) out += ": " + note.summary;
        }
        return out;
    }

    void modes_changed() override {}
    void closed(const std::string& mode, std::uint32_t id, Reason reason) override {
        log.push_back("closed " + mode + " " + std::to_string(id) + " " +
                      std::to_string(static_cast<unsigned>(reason)));
    }
    void invoked(const std::string& mode, std::uint32_t id, const std::string& action) override {
        log.push_back("invoked " + mode + " " + std::to_string(id) + " " + action);
    }
    void changed() override { ++changes; }

    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    Broker broker{*loop};
    Table table;
    std::vector<std::string> log;
    unsigned changes = 0;
};

}  // namespace pmos::notify
