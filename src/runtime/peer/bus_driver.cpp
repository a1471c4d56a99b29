// peer: the little of org.freedesktop.DBus that a program asks of a bus, where it is the
// broker itself that it speaks to. Knows no mode.
#include "runtime/peer/bus_driver.h"

#include <algorithm>
#include <string_view>

namespace pmos::peer {
namespace {

constexpr const char* kDriver = "org.freedesktop.DBus";
constexpr unsigned kAlreadyRunning = 2;                           // of StartServiceByName
constexpr unsigned kPrimaryOwner = 1, kExists = 3, kAlready = 4;  // of RequestName
constexpr unsigned kReleased = 1, kNonExistent = 2, kNotOwner = 3;
constexpr std::size_t kMostNames = 16, kMostNameBytes = 255;

Face::Peer& peer_of(void* userdata) { return *static_cast<Face::Peer*>(userdata); }

bool is_served(std::string_view name, const Face::Peer& client) {
    return std::ranges::any_of(client.names.served,
                               [&](const char* served) { return name == served; });
}

bool is_own(std::string_view name, const Face::Peer& client) {
    return client.names.own && client.names.own->contains(name);
}

int hello(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "s", peer_of(userdata).name.c_str());
}

// Who is meant by a name; nullptr: nobody.
const char* owner_of_name(std::string_view name, const Face::Peer& client) {
    if (is_served(name, client) || name == kOwnName) return kOwnName;
    if (name == kDriver) return kDriver;
    return name == client.name || is_own(name, client) ? client.name.c_str() : nullptr;
}

int get_name_owner(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    const char* owner = owner_of_name(name, peer_of(userdata));
    if (owner == nullptr)
        return sd_bus_error_set(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER, "nobody has this name");
    return sd_bus_reply_method_return(m, "s", owner);
}

int name_has_owner(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    const bool has = owner_of_name(name, peer_of(userdata)) != nullptr;
    return sd_bus_reply_method_return(m, "b", static_cast<int>(has));
}

int reply_names(sd_bus_message* m, const std::vector<std::string>& names) {
    sd_bus_message* made = nullptr;
    if (const int r = sd_bus_message_new_method_return(m, &made); r < 0) return r;
    const event::MessagePtr reply(made);
    const int r = event::append_strings(made, names);
    return r < 0 ? r : sd_bus_send(sd_bus_message_get_bus(m), made, nullptr);
}

int list_names(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const auto& client = peer_of(userdata);
    std::vector<std::string> names(client.names.served.begin(), client.names.served.end());
    names.insert(names.end(), {kDriver, client.name});
    if (client.names.own)
        names.insert(names.end(), client.names.own->begin(), client.names.own->end());
    return reply_names(m, names);
}

int list_activatable(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const auto& served = peer_of(userdata).names.served;
    return reply_names(m, {served.begin(), served.end()});
}

int start_service(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    if (!is_served(name, peer_of(userdata)))
        return sd_bus_error_set(error, SD_BUS_ERROR_SERVICE_UNKNOWN, "there is no such service");
    return sd_bus_reply_method_return(m, "u", kAlreadyRunning);
}

// GDBus takes a name for its own when it is told so, by the bus and to it alone.
int tell_acquired(sd_bus* bus, const Face::Peer& client, const char* name) {
    sd_bus_message* made = nullptr;
    int r = sd_bus_message_new_signal(bus, &made, "/org/freedesktop/DBus", kDriver, "NameAcquired");
    const event::MessagePtr signal(made);
    if (r >= 0) r = sd_bus_message_set_sender(made, kDriver);
    if (r >= 0) r = sd_bus_message_set_destination(made, client.name.c_str());
    if (r >= 0) r = sd_bus_message_append(made, "s", name);
    return r < 0 ? r : sd_bus_send(bus, made, nullptr);
}

// A program that wants to be the only one of its kind goes on; that others of its kind do too, it
// does not learn.
int request_name(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto& client = peer_of(userdata);
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    if (!client.names.own)
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "nobody can have a name here");
    if (is_served(name, client)) return sd_bus_reply_method_return(m, "u", kExists);
    if (is_own(name, client)) return sd_bus_reply_method_return(m, "u", kAlready);
    if (sd_bus_service_name_is_valid(name) <= 0 || *name == ':' ||
        std::string_view(name) == kDriver)
        return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "that is no name to have");
    if (client.names.own->size() >= kMostNames || std::string_view(name).size() > kMostNameBytes)
        return sd_bus_error_set(error, SD_BUS_ERROR_LIMITS_EXCEEDED, "too many names");
    client.names.own->emplace(name);
    if (const int r = tell_acquired(sd_bus_message_get_bus(m), client, name); r < 0) return r;
    return sd_bus_reply_method_return(m, "u", kPrimaryOwner);
}

int release_name(sd_bus_message* m, void* userdata, sd_bus_error*) {
    auto& client = peer_of(userdata);
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    if (owner_of_name(name, client) == nullptr)
        return sd_bus_reply_method_return(m, "u", client.names.own ? kNonExistent : kNotOwner);
    const bool had = is_own(name, client);
    if (had) client.names.own->erase(client.names.own->find(name));
    return sd_bus_reply_method_return(m, "u", had ? kReleased : kNotOwner);
}

// Everybody hears all there is.
int accept_match(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, nullptr);
}

const sd_bus_vtable kVtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Hello", "", "s", hello, 0),
    SD_BUS_METHOD("GetNameOwner", "s", "s", get_name_owner, 0),
    SD_BUS_METHOD("NameHasOwner", "s", "b", name_has_owner, 0),
    SD_BUS_METHOD("ListNames", "", "as", list_names, 0),
    SD_BUS_METHOD("ListActivatableNames", "", "as", list_activatable, 0),
    SD_BUS_METHOD("StartServiceByName", "su", "u", start_service, 0),
    SD_BUS_METHOD("RequestName", "su", "u", request_name, 0),
    SD_BUS_METHOD("ReleaseName", "s", "u", release_name, 0),
    SD_BUS_METHOD("AddMatch", "s", "", accept_match, 0),
    SD_BUS_METHOD("RemoveMatch", "s", "", accept_match, 0),
    SD_BUS_VTABLE_END};

}  // namespace

int add_bus_driver(Face::Peer& peer, BusNames names) {
    peer.names = std::move(names);
    return sd_bus_add_object_vtable(peer.bus.get(), nullptr, "/org/freedesktop/DBus", kDriver,
                                    kVtable, &peer);
}

}  // namespace pmos::peer
