// daemon: what the supervisor makes of the modes' verified images. See supervisor.h.
#include <fmt/format.h>

#include "base/text.h"
#include "runtime/daemon/journal.h"
#include "runtime/daemon/mode_files.h"
#include "runtime/daemon/supervisor.h"
#include "runtime/launch/verified_image.h"

namespace pmos::daemon {

void Supervisor::begin_images() {
    // Of a pmosd that was killed between making and opening one.
    launch::remove_unused_devices();
    auto watch =
        ImageWatch::make(loop_, [this](const std::string& mode, const CorruptBlock& block) {
            on_corrupt_block(mode, block);
        });
    if (!watch) return journal_error(watch.error());  // the kernel refuses the block all the same
    image_watch_ = std::move(*watch);
}

void Supervisor::take_image(Mode& mode, const policy::ModePolicy& policy) {
    const auto at = [&](const std::string& key) {
        return policy.profile && policy.profile->source.at_path(key) != nullptr
                   ? policy::to_text(policy.profile->where(key))
                   : "";
    };
    mode.image_at = at("root/verity/rootHash");
    mode.fallback_at = at("root/fallback/verity/rootHash");
    const bool fallen = mode.plan && !mode.plan->fallback.path.empty() &&
                        read_fallen(paths_, mode.name) == mode.digest;
    if (fallen != mode.fallen && mode.jobs.idle()) drop_prepared(mode);
    mode.fallen = fallen;
}

// Its first process has not lived long enough under the plan that it would be started with again.
bool Supervisor::is_unready(const Mode& mode) const {
    const auto& run = mode.running;
    return run && mode.plan && run->plan == mode.plan && !run->recording && !mode.fallen &&
           boot_time_usec() - run->started_at < std::uint64_t{mode.plan->ready_after_ms} * 1000;
}

// Until the plan is another one: who signs a new profile has a new image to try.
bool Supervisor::fall_back(Mode& mode, const std::string& why) {
    if (closing_ || !mode.plan || mode.plan->fallback.path.empty() || mode.fallen) return false;
    ctx_.observer.event(
        "image-fell-back", mode.name,
        {{"image", mode.plan->root.path}, {"fallback", mode.plan->fallback.path}, {"why", why}});
    drop_prepared(mode);
    mode.fallen = true;
    if (auto kept = write_fallen(paths_, mode.name, mode.digest); !kept)
        ctx_.observer.event("state-not-kept", mode.name, {{"error", kept.error().message()}});
    return true;
}

void Supervisor::on_corrupt_block(const std::string& name, const CorruptBlock& block) {
    const auto found = modes_.find(name);
    if (found == modes_.end()) return;
    Mode& mode = *found->second;
    ++mode.damaged;
    const auto root = mode.plan ? mode.root() : policy::RootImage{};
    ctx_.observer.event("image-corrupt", name,
                        {{"image", block.in_tree && !root.tree.empty() ? root.tree : root.path},
                         {"part", block.in_tree ? "hashes" : "data"},
                         {"block", fmt::to_string(block.block)},
                         {"at", mode.plan ? mode.root_at() : ""}});
}

// That one is not verified at all is a finding about its profile.
void Supervisor::add_image_findings(std::vector<host::Finding>& findings) const {
    for (const auto& [name, mode] : modes_) {
        const std::string subject = "image of " + name;
        if (mode->damaged != 0)
            findings.push_back(
                {"error", subject,
                 fmt::format("{} not as the root hash says", counted(mode->damaged, "block")),
                 "the storage fails, or somebody writes to it: install the image again"});
        if (mode->fallen)
            findings.push_back(
                {"warning", subject,
                 fmt::format("the mode was not ready from '{}' and uses '{}'",
                             mode->plan->root.path, mode->plan->fallback.path),
                 fmt::format("install a profile with another image; to try that one again, remove "
                             "'{}/images/{}' and reload",
                             paths_.state, name)});
        if (mode->damaged == 0 && mode->plan && !mode->root().root_hash.empty())
            findings.push_back(
                {"ok", subject, "verified, block by block, by the root hash of its profile", ""});
    }
}

}  // namespace pmos::daemon
