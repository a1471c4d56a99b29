// audio: which modes have sound, and who uses it. Goes by the table, whole.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "runtime/audio/instance.h"

namespace pmos::audio {

class Broker final : Hardware::Listener {
  public:
    Broker(event::EventLoop& loop, Hardware& hardware, Programs programs, std::string run);
    ~Broker();
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;

    void on_change(std::function<void()> changed) { changed_ = std::move(changed); }
    // Once it returns, no mode has what the table does not give it.
    void set_table(const Table& table);
    Users users() const;

  private:
    void connected() override {}
    void lost() override {}
    void reachable_changed() override { look(); }
    void look();

    event::EventLoop& loop_;
    Hardware& hardware_;
    Programs programs_;
    std::string run_;
    std::function<void()> changed_ = [] {};
    Users told_;
    std::map<std::string, std::unique_ptr<Instance>> instances_;
};

}  // namespace pmos::audio
