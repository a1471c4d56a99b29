// oci: the directories that a container's cgroup consists of, and the controllers that reach it.
// Puts no process into them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/launch_plan.h"
#include "runtime/oci/cgroup_place.h"

namespace pmos::oci {

// Removes what was made, last first, at its end unless it is kept. What was there before stays, and
// so does what somebody else has begun to use.
class MadeLevels {
  public:
    MadeLevels() = default;
    MadeLevels(MadeLevels&& other) noexcept
        : kept_(other.kept_), paths_(std::exchange(other.paths_, {})) {}
    MadeLevels& operator=(MadeLevels&& other) noexcept {
        std::swap(kept_, other.kept_);
        paths_.swap(other.paths_);
        return *this;
    }
    ~MadeLevels() {
        if (!kept_) undo();
    }

    void add(std::string path) { paths_.push_back(std::move(path)); }
    void keep() { kept_ = true; }
    void undo();
    bool has(const std::string& path) const;

  private:
    bool kept_ = false;
    std::vector<std::string> paths_;
};

// All levels of a path below the tree's mount; what is made is added to `made`.
Result<void> make_levels(const CgroupTree& tree, const std::string& path, MadeLevels& made);

// The controllers that one of these limits needs, each at every level above the last. An error
// names the limit. A controller that is enabled stays so: another container may rely on it by now.
Result<void> enable_controllers(const CgroupTree& tree, const std::string& path,
                                const std::vector<policy::CgroupLimit>& limits);

// Of a limit's file: "memory", "" for what each cgroup has.
std::string controller_of(const policy::CgroupLimit& limit);
// The first that may not be left out, as its JSON pointer; "": none.
std::string first_required(const std::vector<policy::CgroupLimit>& limits);
std::string name_of(const policy::CgroupLimit& limit);

}  // namespace pmos::oci
