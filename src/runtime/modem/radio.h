// modem: what the broker needs of whoever drives the modems. Answers come later, never from within
// the call; nothing here blocks.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "runtime/event/loop.h"
#include "runtime/modem/ownership.h"

namespace pmos::modem {

using event::Answer;
using event::Done;

// As ModemManager numbers them.
enum class LineState : std::int32_t {
    failed = -1,
    unknown = 0,
    initializing = 1,
    locked = 2,
    disabled = 3,
    disabling = 4,
    enabling = 5,
    enabled = 6,
    searching = 7,
    registered = 8,
    disconnecting = 9,
    connecting = 10,
    connected = 11,
};
enum class CallState : std::int32_t {
    unknown = 0,
    dialing = 1,
    ringing_out = 2,
    ringing_in = 3,
    active = 4,
    held = 5,
    waiting = 6,
    terminated = 7,
};
enum class Direction : std::int32_t { unknown = 0, incoming = 1, outgoing = 2 };
enum class TextState : std::uint32_t {
    unknown = 0,
    stored = 1,
    receiving = 2,
    received = 3,
    sending = 4,
    sent = 5,
};

inline constexpr std::uint32_t kNoSim = 2;  // a reason to have failed

// A SIM in a modem. Without the identities of either.
struct Line {
    std::string id;  // the same in every life of ModemManager; "" where it says none
    LineNames names;
    LineState state{};
    std::uint32_t failed_reason = 0, lock = 0, power = 0, technologies = 0, registration = 0;
    std::uint32_t signal = 0;
    bool signal_recent = false;
    std::string operator_name, operator_code;
    std::vector<std::string> emergency;     // numbers that the SIM names
    bool voice = false, messaging = false;  // and data, for which every modem is there
    friend bool operator==(const Line&, const Line&) = default;
};

struct RadioCall {
    std::string line, number;
    CallState state{};
    std::int32_t reason = 0;
    Direction direction{};
    friend bool operator==(const RadioCall&, const RadioCall&) = default;
};

struct RadioText {
    std::string line, number, text, timestamp;
    TextState state{};
    bool incoming = false;
    friend bool operator==(const RadioText&, const RadioText&) = default;
};

// A data connection; as ModemManager keeps it, also one that is not up. interface: the phone's
// link.
struct RadioBearer {
    std::string line, access_point, interface;
    bool connected = false;
    friend bool operator==(const RadioBearer&, const RadioBearer&) = default;
};

// Paths are the driver's own names, good until it forgets them.
class Radio {
  public:
    class Listener {
      public:
        virtual ~Listener() = default;
        virtual void lines_changed() = 0;                        // also: it came, or went
        virtual void call_changed(const std::string& path) = 0;  // also a new one
        virtual void call_gone(const std::string& path) = 0;
        virtual void text_changed(const std::string& path) = 0;
        virtual void text_gone(const std::string& path) = 0;
        virtual void bearer_changed(const std::string& path) = 0;
        virtual void bearer_gone(const std::string& path) = 0;
    };
    virtual ~Radio() = default;

    virtual bool present() const = 0;
    virtual const std::map<std::string, Line>& lines() const = 0;
    virtual const std::map<std::string, RadioCall>& calls() const = 0;
    virtual const std::map<std::string, RadioText>& texts() const = 0;
    virtual const std::map<std::string, RadioBearer>& bearers() const = 0;

    virtual void wake() = 0;  // is to come, where it is not there
    virtual void enable(const std::string& line, Done done) = 0;
    virtual void create_call(const std::string& line, const std::string& number,
                             Answer<std::string> answer) = 0;
    virtual void start_call(const std::string& call, Done done) = 0;
    virtual void accept_call(const std::string& call, Done done) = 0;
    virtual void hang_up(const std::string& call, Done done) = 0;
    virtual void send_tones(const std::string& call, const std::string& tones, Done done) = 0;
    virtual void delete_call(const std::string& line, const std::string& call) = 0;
    virtual void create_text(const std::string& line, const std::string& number,
                             const std::string& text, Answer<std::string> answer) = 0;
    virtual void send_text(const std::string& text, Done done) = 0;
    virtual void delete_text(const std::string& line, const std::string& text, Done done) = 0;
    // Answers with the bearer. May end what else the line is connected to.
    virtual void connect_data(const std::string& line, const std::string& access_point,
                              Answer<std::string> answer) = 0;
    // bearer "/": all of the line's, also what is not connected yet.
    virtual void disconnect_data(const std::string& line, const std::string& bearer, Done done) = 0;
};

}  // namespace pmos::modem
