// test double: a bus of its own with net.reactivated.Fprint on it, which does what a test says. For
// unit tests only.
#include "fake_fprintd.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace pmos::daemon::test {
namespace {

constexpr const char* kManagerPath = "/net/reactivated/Fprint/Manager";
constexpr const char* kDevicePath = "/net/reactivated/Fprint/Device/0";
constexpr const char* kDevice = "net.reactivated.Fprint.Device";

int any_method(sd_bus_message* message, void* userdata, sd_bus_error* error) {
    return static_cast<FakeFprintd*>(userdata)->answer(message, sd_bus_message_get_member(message),
                                                       error);
}

// Not in the table: a name with dashes in it is none to sd-bus.
int stages(sd_bus_message* message, void*, sd_bus_error*) {
    const char *interface = nullptr, *name = nullptr;
    if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Get") <= 0)
        return 0;
    if (const int r = sd_bus_message_read(message, "ss", &interface, &name); r < 0) return r;
    if (std::string_view(name) != "num-enroll-stages") return -ENOENT;
    return sd_bus_reply_method_return(message, "v", "i", 4);
}

constexpr sd_bus_vtable kManagerTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetDefaultDevice", "", "o", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

constexpr sd_bus_vtable kDeviceTable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Claim", "s", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Release", "", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListEnrolledFingers", "s", "as", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("DeleteEnrolledFingers2", "", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("VerifyStart", "s", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("VerifyStop", "", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EnrollStart", "s", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EnrollStop", "", "", any_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

}  // namespace

PrivateBus::PrivateBus() {
    char path[] = "/tmp/pmos-bus-XXXXXX";
    dir_ = ::mkdtemp(path);
    address_ = "unix:path=" + dir_ + "/bus";
    std::ofstream(dir_ + "/conf")
        << "<busconfig><type>session</type><listen>" << address_
        << "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow own=\"*\"/>"
           "<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>";
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
        const int out = ::dup(ready[1]);
        ::execlp("dbus-daemon", "dbus-daemon", ("--config-file=" + dir_ + "/conf").c_str(),
                 "--nofork", "--nopidfile", ("--print-address=" + std::to_string(out)).c_str(),
                 nullptr);
        ::_exit(127);
    }
    ::close(ready[1]);
    char byte = 0;
    const bool up = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
    REQUIRE(up);
}

PrivateBus::~PrivateBus() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(dir_);
}

sd_bus* PrivateBus::connect(EventLoop& loop) const {
    sd_bus* bus = nullptr;
    REQUIRE(sd_bus_new(&bus) >= 0);
    REQUIRE(sd_bus_set_address(bus, address_.c_str()) >= 0);
    REQUIRE(sd_bus_set_bus_client(bus, 1) >= 0);
    REQUIRE(sd_bus_start(bus) >= 0);
    REQUIRE(sd_bus_attach_event(bus, loop.get(), SD_EVENT_PRIORITY_NORMAL) >= 0);
    return bus;
}

FakeFprintd::FakeFprintd(const PrivateBus& on, EventLoop& loop, const std::string& name)
    : bus(on.connect(loop)) {
    REQUIRE(sd_bus_add_object_vtable(bus, nullptr, kManagerPath, "net.reactivated.Fprint.Manager",
                                     kManagerTable, this) >= 0);
    REQUIRE(sd_bus_add_object_vtable(bus, nullptr, kDevicePath, kDevice, kDeviceTable, this) >= 0);
    REQUIRE(sd_bus_add_filter(bus, nullptr, stages, this) >= 0);
    if (!name.empty()) REQUIRE(sd_bus_request_name(bus, name.c_str(), 0) >= 0);
}

void FakeFprintd::leave() {
    if (bus != nullptr) sd_bus_flush_close_unref(bus);
    bus = nullptr;
}

void FakeFprintd::status(const char* member, const char* result, bool done, const char* only_to) {
    sd_bus_message* signal = nullptr;
    REQUIRE(sd_bus_message_new_signal(bus, &signal, kDevicePath, kDevice, member) >= 0);
    REQUIRE(sd_bus_message_append(signal, "sb", result, done ? 1 : 0) >= 0);
    REQUIRE(sd_bus_send_to(bus, signal, only_to, nullptr) >= 0);
    sd_bus_message_unref(signal);
}

int FakeFprintd::answer(sd_bus_message* message, const std::string& member, sd_bus_error* error) {
    const char* text = nullptr;
    sd_bus_message_read(message, "s", &text);
    calls.push_back(text == nullptr ? member : member + " " + text);
    if (std::ranges::count(silent, member) > 0) return 1;
    if (const auto it = errors.find(member); it != errors.end())
        return sd_bus_error_set(error, ("net.reactivated.Fprint.Error." + it->second).c_str(),
                                "as the test wants it");
    if (member == "GetDefaultDevice") return sd_bus_reply_method_return(message, "o", kDevicePath);
    if (member == "Claim") claimed = true;
    if (member == "Release") claimed = false;
    if (member == "ListEnrolledFingers") {
        sd_bus_message* reply = nullptr;
        int r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0) r = sd_bus_message_open_container(reply, 'a', "s");
        for (const auto& finger : fingers)
            if (r >= 0) r = sd_bus_message_append(reply, "s", finger.c_str());
        if (r >= 0) r = sd_bus_message_close_container(reply);
        if (r >= 0) r = sd_bus_send(nullptr, reply, nullptr);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
    }
    const int r = sd_bus_reply_method_return(message, nullptr);
    if (member == "VerifyStart" || member == "EnrollStart")
        for (const auto& [result, done] : results)
            status(member == "VerifyStart" ? "VerifyStatus" : "EnrollStatus", result.c_str(), done);
    return r;
}

}  // namespace pmos::daemon::test
