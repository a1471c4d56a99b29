// daemon: the fingerprint reader, by fprintd (net.reactivated.Fprint) on the system bus. Decides
// nothing; believes nobody but the owner of that name.
#pragma once

#include <systemd/sd-bus.h>

#include <list>
#include <memory>

#include "runtime/daemon/finger_reader.h"

namespace pmos::daemon {

class FprintdTalk;

class Fprintd : public FingerReader {
  public:
    // bus: the system bus, which must outlive this.
    Fprintd(EventLoop& loop, sd_bus* bus) : loop_(loop), bus_(bus) {}
    ~Fprintd() override;
    Fprintd(const Fprintd&) = delete;
    Fprintd& operator=(const Fprintd&) = delete;

    Cancel verify(const std::string& user, Tell tell, Answer<bool> answer) override;
    Cancel enroll(const std::string& user, const std::string& finger, bool anew, Tell tell,
                  Done done) override;
    void list(const std::string& user, Answer<std::vector<std::string>> answer) override;
    void remove(const std::string& user, Done done) override;

  private:
    struct Removal {
        std::string user;
        Done done;
    };
    std::shared_ptr<FprintdTalk> begin(std::shared_ptr<FprintdTalk> talk);
    void begin(Removal removal);
    void ended(const std::shared_ptr<FprintdTalk>& talk);

    EventLoop& loop_;
    sd_bus* bus_;
    std::list<std::shared_ptr<FprintdTalk>> talks_;
    std::list<Removal> waiting_;
};

}  // namespace pmos::daemon
