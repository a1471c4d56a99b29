// modem: ModemManager as one mode sees it: a part of its interface, over what the broker lets the
// mode have. Decides nothing.
#pragma once

#include <systemd/sd-bus.h>

#include <cerrno>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>

#include "runtime/modem/broker.h"
#include "runtime/modem/bus_pieces.h"
#include "runtime/peer/face.h"

namespace pmos::modem {

class ModeFace {
  public:
    enum class Kind : std::uint8_t { line, call, text, bearer };
    // What sd-bus hands to the methods of an object.
    struct Object {
        ModeFace& face;
        Kind kind{};
        unsigned number = 0;
        std::string line;  // the Radio's path

        const OwnCall* call() const;
        const OwnText* text() const;
        const RadioBearer* bearer() const;
        const Line* radio_line() const;
    };

    // dir: of the mode alone; its socket is made there.
    static Result<std::unique_ptr<ModeFace>> make(event::EventLoop& loop, Broker& broker,
                                                  const std::string& mode, const std::string& dir);
    ModeFace(const ModeFace&) = delete;
    ModeFace& operator=(const ModeFace&) = delete;

    void lines_changed();
    void call_added(unsigned call);
    void call_changed(unsigned call, CallState before);
    void call_removed(unsigned call);
    void text_added(unsigned text);
    void text_changed(unsigned text);
    void text_removed(unsigned text);
    void bearers_changed(const std::string& line);
    void bearer_added(unsigned bearer);
    void bearer_changed(unsigned bearer);
    void bearer_removed(unsigned bearer);

    Broker& broker() const noexcept { return broker_; }
    const std::string& mode() const noexcept { return mode_; }
    const View* view() const { return broker_.view(mode_); }
    std::size_t clients() const { return face_->peers().size(); }
    // nullptr: the mode has no such object.
    Object* object_at(std::string_view path);
    // For an answer that comes later. False: too many are awaited already.
    bool defer(sd_bus_message* message, Done& done, sd_bus_error* error);
    // One that is an object's path.
    bool defer(sd_bus_message* message, Kind kind, Answer<unsigned>& answer, sd_bus_error* error);

  private:
    ModeFace(Broker& broker, std::string mode) : broker_(broker), mode_(std::move(mode)) {}
    int prepare(peer::Face::Peer& peer);
    Object* remember(Kind kind, unsigned number, std::string line);
    std::string line_path(const std::string& line) const;
    bool await(sd_bus_error* error);
    void tell(Kind kind, unsigned number, const char* member, bool with_flag, bool flag);

    Broker& broker_;
    std::string mode_;
    std::unique_ptr<peer::Face> face_;
    std::map<std::pair<Kind, unsigned>, Object> objects_;
    std::map<unsigned, Line> shown_;  // lines, as they were told last
    std::shared_ptr<unsigned> awaited_ = std::make_shared<unsigned>(0);
};

std::string object_path(ModeFace::Kind kind, unsigned number);

// By interface.
const sd_bus_vtable* line_vtable();
const sd_bus_vtable* network_vtable();
const sd_bus_vtable* messaging_vtable();
const sd_bus_vtable* voice_vtable();
const sd_bus_vtable* call_vtable();
const sd_bus_vtable* text_vtable();
const sd_bus_vtable* simple_vtable();
const sd_bus_vtable* bearer_vtable();

// The object that a call names by its path. nullptr: it is nothing that the mode has.
ModeFace::Object* named(sd_bus_message* message, const ModeFace::Object& object,
                        ModeFace::Kind kind);
// A method without arguments, of an object that the broker knows by its number.
template <void (Broker::*verb)(const std::string&, unsigned, Done)>
int ask(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    const auto& object = *static_cast<ModeFace::Object*>(userdata);
    Done done;
    if (!object.face.defer(message, done, error)) return -EBUSY;
    (object.face.broker().*verb)(object.face.mode(), object.number, std::move(done));
    return 1;
}
// An array of the paths of what the mode has on the line.
int append_paths(sd_bus_message* reply, const ModeFace::Object& line, ModeFace::Kind kind);
int list_paths(sd_bus_message* call, const ModeFace::Object& line, ModeFace::Kind kind);
// Of a dictionary, the texts that are wanted; unknown: what else is in it, or is no text.
struct Wanted {
    const char* key;
    std::string& value;
};
int read_wanted(sd_bus_message* message, std::initializer_list<Wanted> wanted,
                std::string& unknown);
int refuse_unknown(sd_bus_error* error, const std::string& unknown);

}  // namespace pmos::modem
