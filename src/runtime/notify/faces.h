// notify: all sockets of the broker, and who hears what of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "runtime/notify/broker.h"
#include "runtime/notify/control_face.h"
#include "runtime/notify/host_face.h"
#include "runtime/notify/mode_face.h"

namespace pmos::notify {

class Faces final : public Broker::Listener {
  public:
    // run: the directory of the sockets. broken: what could not be made.
    static Result<std::unique_ptr<Faces>> make(event::EventLoop& loop, Broker& broker,
                                               const std::string& run,
                                               std::function<void(const Error&)> broken);
    Faces(const Faces&) = delete;
    Faces& operator=(const Faces&) = delete;

    void modes_changed() override;
    void closed(const std::string& mode, std::uint32_t id, Reason reason) override;
    void invoked(const std::string& mode, std::uint32_t id, const std::string& action) override;
    void changed() override;

  private:
    struct Of {
        std::uint64_t run = 0;
        std::unique_ptr<ModeFace> face;
    };
    Faces(event::EventLoop& loop, Broker& broker, std::string run,
          std::function<void(const Error&)> broken)
        : loop_(loop), broker_(broker), run_(std::move(run)), broken_(std::move(broken)) {}
    Result<std::unique_ptr<ModeFace>> make_face(const std::string& mode) const;

    event::EventLoop& loop_;
    Broker& broker_;
    std::string run_;
    std::function<void(const Error&)> broken_;
    std::unique_ptr<ControlFace> control_;
    std::unique_ptr<HostFace> host_;
    std::map<std::string, Of> modes_;
};

}  // namespace pmos::notify
