// policy: how exposed a mode is, as a short table. A measure to compare by, no proof of anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/profile.h"

namespace pmos::policy {

struct Exposure {
    std::string_view what;  // "system calls"
    std::string state;      // "313 allowed, 2 of them dangerous"
    unsigned points = 0;    // of `most`
    unsigned most = 0;
    Location at;
};

struct Score {
    std::vector<Exposure> rows;
    unsigned points = 0, most = 0;
    double of_ten() const;
    std::string_view word() const;  // "low", "medium", "high"
};

// Of a mode on the phone that the plan is for.
Score score(const Profile& profile, const LaunchPlan& plan);

}  // namespace pmos::policy
