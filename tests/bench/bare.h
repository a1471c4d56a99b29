// bench: the bare launch in two halves, before and after clone3. A yardstick, not a runtime: it
// checks nothing that it resolves, undoes nothing and serves nobody.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "policy/plan_image.h"

namespace pmos::bench {

namespace image = policy::image;

struct Bare {
    const char* plan = nullptr;  // a policy::image, trusted
    int cgroup_root = -1;
    int root_dir = -1;  // where the root image is mounted
    int id_ns = -1, own_net_ns = -1, own_time_ns = -1;
    int null = -1;  // stdin, stdout and stderr of the program
    bool net_in_turn = false;
    int filter_ahead = -1;  // the loaded device filter, where it is made ahead
    std::vector<char> device_filter;
    std::vector<char*> argv, envp;

    // Of one turn.
    int net_ns = -1;
    int tree = -1, dev = -1;
    int go = -1, done = -1;  // child's ends of the two pipes

    const image::Header& header() const { return *reinterpret_cast<const image::Header*>(plan); }
    const char* text(image::Text t) const { return plan + t.offset; }
    template <class T>
    std::span<const T> table(image::Table<T> t) const {
        return {reinterpret_cast<const T*>(plan + t.offset), t.count};
    }
};

// Both halves mount: fsopen, fsconfig..., fsmount.
int bare_filesystem(const Bare& bare, const char* type, const image::MountOp& op);
// What follows clone3, up to execve; returns only when a call fails, with its name.
const char* bare_child(Bare& bare);

}  // namespace pmos::bench
