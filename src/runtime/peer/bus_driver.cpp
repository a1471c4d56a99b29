// peer: the little of org.freedesktop.DBus that a program asks of a system bus, where it is the
// broker itself that it speaks to. Knows no mode.
#include "runtime/peer/bus_driver.h"

#include <string_view>

namespace pmos::peer {
namespace {

constexpr const char* kDriver = "org.freedesktop.DBus";
constexpr unsigned kAlreadyRunning = 2, kNotOwner = 3;

const Face::Peer& peer_of(void* userdata) { return *static_cast<const Face::Peer*>(userdata); }

int hello(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "s", peer_of(userdata).name.c_str());
}

// Who is meant by a name; nullptr: nobody.
const char* owner_of_name(std::string_view name, const Face::Peer& client) {
    if (name == client.service || name == kOwnName) return kOwnName;
    if (name == kDriver) return kDriver;
    return name == client.name ? client.name.c_str() : nullptr;
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

int list_names(sd_bus_message* m, void* userdata, sd_bus_error*) {
    const auto& client = peer_of(userdata);
    return sd_bus_reply_method_return(m, "as", 3, kDriver, client.service, client.name.c_str());
}

int list_activatable(sd_bus_message* m, void* userdata, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "as", 1, peer_of(userdata).service);
}

int start_service(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    const char* name = nullptr;
    if (const int r = sd_bus_message_read(m, "s", &name); r < 0) return r;
    if (std::string_view(name) != peer_of(userdata).service)
        return sd_bus_error_set(error, SD_BUS_ERROR_SERVICE_UNKNOWN, "there is no such service");
    return sd_bus_reply_method_return(m, "u", kAlreadyRunning);
}

int request_name(sd_bus_message*, void*, sd_bus_error* error) {
    return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "nobody can have a name here");
}

int release_name(sd_bus_message* m, void*, sd_bus_error*) {
    return sd_bus_reply_method_return(m, "u", kNotOwner);
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

int add_bus_driver(Face::Peer& peer, const char* service) {
    peer.service = service;
    return sd_bus_add_object_vtable(peer.bus.get(), nullptr, "/org/freedesktop/DBus", kDriver,
                                    kVtable, &peer);
}

}  // namespace pmos::peer
