// modem: who has which calls and messages, and what each mode may do with them. Speaks to a Radio
// on one side and to the faces on the other; knows no bus.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/event/loop.h"
#include "runtime/modem/emergency.h"
#include "runtime/modem/owners.h"
#include "runtime/modem/radio.h"
#include "runtime/modem/view.h"

namespace pmos::modem {

using event::EventLoop;
using event::EventSource;

class Broker : public Radio::Listener {
  public:
    // Hears what becomes of what a mode has.
    class Listener {
      public:
        virtual ~Listener() = default;
        virtual void modes_changed() = 0;
        virtual void lines_changed(const std::string& mode) = 0;
        virtual void call_added(const std::string& mode, unsigned call) = 0;
        virtual void call_changed(const std::string& mode, unsigned call, CallState before) = 0;
        virtual void call_removed(const std::string& mode, unsigned call) = 0;
        virtual void text_added(const std::string& mode, unsigned text) = 0;
        virtual void text_changed(const std::string& mode, unsigned text) = 0;
        virtual void text_removed(const std::string& mode, unsigned text) = 0;
        virtual void bearer_added(const std::string& mode, unsigned bearer) = 0;
        virtual void bearer_changed(const std::string& mode, unsigned bearer) = 0;
        virtual void bearer_removed(const std::string& mode, unsigned bearer) = 0;
        // Something came in for a mode, for who may have to wake it.
        virtual void call_came(const std::string& mode) = 0;
        virtual void text_came(const std::string& mode) = 0;
        virtual void emergency_changed() = 0;
        // Whose a message is may not be known after the next start.
        virtual void owner_not_kept(const Error& why) = 0;
    };

    // wish: as Emergency has it.
    Broker(EventLoop& loop, Radio& radio, Owners owners, std::string wish = "");
    Broker(const Broker&) = delete;
    Broker& operator=(const Broker&) = delete;
    ~Broker() override = default;

    void listen(Listener& listener) { listener_ = &listener; }

    // What a mode has of a right that goes ends now.
    void set_table(Table table);
    const Table& table() const noexcept { return table_; }
    // nullptr: it has no right.
    const View* view(const std::string& mode) const;
    const std::map<std::string, View>& views() const noexcept { return views_; }
    const Radio& radio() const noexcept { return radio_; }
    // Modes that have a call which rings or is spoken, by name.
    std::vector<std::string> on_call() const;
    // Incoming calls that ring now, and messages in the store, that are no mode's.
    std::size_t nobodys_calls() const;
    std::size_t nobodys_texts() const;
    // The line is connected, or about to be, for whomever.
    bool has_data(const std::string& line) const;
    // Whose a bearer is; "" nobody's.
    std::string bearer_owner(const std::string& path) const;
    bool is_emergency_number(const std::string& number) const;

    // Nothing is dialled until it is started.
    Result<unsigned> make_call(const std::string& mode, const std::string& line,
                               const std::string& number);
    void start_call(const std::string& mode, unsigned call, Done done);
    void accept_call(const std::string& mode, unsigned call, Done done);
    void hang_up(const std::string& mode, unsigned call, Done done);
    void hang_up_all(const std::string& mode, Done done);
    void send_tones(const std::string& mode, unsigned call, const std::string& tones, Done done);
    Result<> delete_call(const std::string& mode, unsigned call);
    Result<unsigned> make_text(const std::string& mode, const std::string& line,
                               const std::string& number, const std::string& text);
    void send_text(const std::string& mode, unsigned text, Done done);
    void delete_text(const std::string& mode, unsigned text, Done done);

    // access_point "": the usual one. Answers with the bearer once it is connected.
    void connect(const std::string& mode, const std::string& line, const std::string& access_point,
                 Answer<unsigned> answer);
    void connect_again(const std::string& mode, unsigned bearer, Done done);
    void disconnect(const std::string& mode, unsigned bearer, Done done);
    void disconnect_all(const std::string& mode, const std::string& line, Done done);

    // Of the host, or of a mode's call that is to an emergency number.
    const Emergency& emergency() const noexcept { return emergency_; }
    Result<> dial_emergency(const std::string& number);
    void end_emergency();
    void resume_emergency() { emergency_.resume(); }

    void lines_changed() override;
    void call_changed(const std::string& path) override;
    void call_gone(const std::string& path) override;
    void text_changed(const std::string& path) override;
    void text_gone(const std::string& path) override;
    void bearer_changed(const std::string& path) override;
    void bearer_gone(const std::string& path) override;

    // From the emergency call.
    void emergency_changed();
    void emergency_has(const std::string& mode, unsigned call, const std::string& line,
                       const std::string& path);

  private:
    struct Place {
        std::string mode;
        unsigned number = 0;
    };
    View* own(const std::string& mode);
    Result<OwnCall*> find_call(const std::string& mode, unsigned call);
    Result<OwnText*> find_text(const std::string& mode, unsigned text);
    Result<View*> may(const std::string& mode, Service service);
    template <class Items>
    bool place_in(Items View::*items, const std::string& path, Place& place) const;
    bool place_of_call(const std::string& path, Place& place) const;
    bool place_of_text(const std::string& path, Place& place) const;
    bool place_of_bearer(const std::string& path, Place& place) const;
    unsigned own_bearer(View& view, const std::string& line, const std::string& path);
    void drop_bearer(const Place& place);
    void take_bearer(const Place& place);
    void hang_up_data(const std::string& path);
    Result<> may_connect(const std::string& mode, const std::string& line,
                         std::string& access_point);
    void take_over(View& view, const ModeRights& rights);
    void drop(View& view, Service service);
    void show_lines(View& view);
    void switch_on();
    void end_calls(View& view);
    void judge_call(const std::string& path);
    void judge_waiting();
    void judge_text(const std::string& path);
    void judge_bearer(const std::string& path);
    void keep(const Result<>& kept);
    void set_call(const Place& place, CallState state, std::int32_t reason);
    void begin_emergency(const std::string& mode, unsigned call, Done done);
    void emergency_is_over();
    Result<> line_is_free(const std::string& line) const;

    EventLoop& loop_;
    Radio& radio_;
    Owners owners_;
    Listener* listener_;
    Table table_;
    bool table_known_ = false;
    std::map<std::string, View> views_;  // by mode
    std::set<std::string> switched_on_;  // lines
    std::set<std::string> judged_;       // incoming calls: whose they are is said once
    // Those that wait for their number, which the network tells after the first ring.
    std::map<std::string, std::chrono::steady_clock::time_point> waiting_;
    EventSource judge_later_;
    std::set<std::string> connecting_;  // lines
    Emergency emergency_;
};

}  // namespace pmos::modem
