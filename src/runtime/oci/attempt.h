// oci: what a launch in this process is made of; for create, run and exec.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"
#include "runtime/launch/container.h"

namespace pmos::oci {

// This process is its own launcher from here on: what it opens lies above the numbers that a
// launcher has for itself, and what is open below is gone. Once.
struct OwnLauncher {
    launch::Self self;
    std::vector<UniqueFd> preserved;  // those that were given along, from 3 on
};
Result<OwnLauncher> become_launcher(unsigned preserve_fds);

// Of a plan, with room for its strings; descriptors are the caller's. It stays where it is made.
struct Attempt {
    Attempt(const policy::LaunchPlan& from, const OwnLauncher& launcher);
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    void put(launch::Slot slot, int fd) {
        launch.slots[__builtin_ctz(static_cast<unsigned>(slot))] = fd;
    }

    const policy::LaunchPlan& plan;
    std::vector<std::byte> image;
    std::vector<const char*> argv, envp;
    std::vector<int> preserved;
    launch::ContainerParts parts;
    launch::Launch launch;
};

std::unexpected<Error> describe(const launch::ChildFailure& outcome,
                                const policy::LaunchPlan& plan);

// Of what runs already, where more was to be done and could not.
void kill_and_reap(const launch::Launch& launch);

// Whole: who waits for the file reads a number. "": nobody does.
Result<> write_pid(const std::string& path, int pid);

}  // namespace pmos::oci
