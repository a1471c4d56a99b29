// test double: what the fake service knows and remembers. For unit tests only.
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pmos::cli::fake {

inline constexpr const char* kPin = "2468";

struct Mode {
    std::string state, reason;
    bool foreground = false, locked = false, provisioned = true, needs_secret = false;
    std::uint32_t failures = 0, notifications = 0;
    std::uint64_t retry_after = 0;
};

struct Exec {
    pid_t pid = 0;
    bool ended = false;
    int status = 0;
    sd_bus_message* waiter = nullptr;
};

struct World {
    std::map<std::string, Mode> modes;
    std::map<std::uint32_t, Exec> execs;
    std::vector<sd_bus*> peers;
    std::uint32_t next_session = 1;
    std::string log_path;
    sd_bus_message* recording = nullptr;  // a call of Record that waits
};

// The mode that an object path stands for.
std::string mode_name(const char* path);

// fake_volumes.cpp
const sd_bus_vtable* volumes_table();

// fake_network.cpp
const sd_bus_vtable* network_table();

// fake_auth.cpp: who can open a volume.
std::string read_all(int fd);
int list_factors_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int enroll_factor_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int factor_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int list_fingers_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int finger_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int enroll_finger_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int remove_fingers_method(sd_bus_message* m, void* userdata, sd_bus_error* error);

// fake_exec.cpp: runs commands on this machine, as if inside.
int exec_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int signal_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
int wait_method(sd_bus_message* m, void* userdata, sd_bus_error* error);
void reap(World& world);

}  // namespace pmos::cli::fake
