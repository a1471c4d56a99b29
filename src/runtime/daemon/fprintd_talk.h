// daemon: one conversation with fprintd: claim its reader, do one thing, release it. Believes
// nobody but who owned the name when it began: any program on the bus can send it a signal.
#pragma once

#include <systemd/sd-bus.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/daemon/finger_reader.h"

namespace pmos::daemon {

class FprintdTalk : public std::enable_shared_from_this<FprintdTalk> {
  public:
    enum class Task { verify, enroll, list, remove };
    struct Wanted {
        Task task{};
        std::string user, finger = {};
        bool anew = false;
    };
    struct Told {
        bool same = false;
        std::vector<std::string> fingers = {};
    };
    FprintdTalk(EventLoop& loop, sd_bus* bus, Wanted wanted, FingerReader::Tell tell,
                Answer<Told> answer);
    FprintdTalk(const FprintdTalk&) = delete;
    FprintdTalk& operator=(const FprintdTalk&) = delete;

    // ended: the reader is free; after the answer.
    void begin(std::function<void()> ended);
    void cancel();
    // There is no bus any more: answers without a word to anybody.
    void abandon();
    static std::unexpected<Error> bus_gone();

  private:
    struct Unref {
        void operator()(sd_bus_slot* slot) const noexcept { sd_bus_slot_unref(slot); }
        void operator()(sd_bus_message* m) const noexcept { sd_bus_message_unref(m); }
    };
    using Slot = std::unique_ptr<sd_bus_slot, Unref>;
    using Message = std::unique_ptr<sd_bus_message, Unref>;
    // reply: what was answered; an error else.
    using Then = std::move_only_function<void(Result<sd_bus_message*> reply)>;

    Message make(const char* member, const char* text = nullptr) const;
    void call(Message message, Then then);
    void step(Message message, std::function<void(sd_bus_message*)> then);
    void got_device(sd_bus_message* reply);
    void act();
    void listed(Result<sd_bus_message*> reply);
    void empty(std::function<void()> then);
    void scan();
    void ask_stages();
    std::uint32_t permille() const;
    void hear_status();
    void status(std::string_view result, bool done);
    void verify_status(std::string_view result, bool done);
    void enroll_status(std::string_view result, bool done);
    void wait(std::chrono::milliseconds most);
    void finish(Result<Told> told);
    void stop_scan();
    void release();
    void answer();
    void end();
    static int on_reply(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_status(sd_bus_message* message, void* userdata, sd_bus_error* error);
    static int on_owner(sd_bus_message* message, void* userdata, sd_bus_error* error);

    EventLoop& loop_;
    sd_bus* bus_;
    Wanted wanted_;
    FingerReader::Tell tell_;
    Answer<Told> answer_;
    std::function<void()> ended_;
    std::string owner_, device_;  // unique name; object path
    bool claimed_ = false, scanning_ = false, finished_ = false;
    unsigned stages_ = 0, passed_ = 0;  // of an enrolment
    Result<Told> told_;
    Then then_;
    Slot reply_, status_, gone_;
    EventSource deadline_;
};

}  // namespace pmos::daemon
