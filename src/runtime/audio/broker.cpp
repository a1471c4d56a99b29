// audio: which modes have sound, and who uses it.
#include "runtime/audio/broker.h"

#include <sys/stat.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pmos::audio {

Broker::Broker(event::EventLoop& loop, Hardware& hardware, Programs programs, std::string run)
    : loop_(loop), hardware_(hardware), programs_(std::move(programs)), run_(std::move(run)) {
    hardware_.listen(*this);
    told_ = users();
}

Broker::~Broker() {
    hardware_.unlisten(*this);
    changed_ = [] {};
    // What ends tells of it, and finds none.
    const auto ending = std::exchange(instances_, {});
}

// First what is taken: whoever asks waits for that.
void Broker::set_table(const Table& table) {
    auto before = std::exchange(instances_, {});
    for (const auto& mode : table.modes)
        if (const auto found = before.find(mode.name);
            found != before.end() && found->second->id() == mode.id)
            instances_.insert(before.extract(found));
    before.clear();
    for (const auto& mode : table.modes)
        if (const auto found = instances_.find(mode.name); found != instances_.end())
            found->second->set(mode);
    const std::string all = run_ + "/" + kModesDir;
    // From the one mode's no way leads to another's.
    if ((::mkdir(all.c_str(), 0700) != 0 && errno != EEXIST) || ::chmod(all.c_str(), 0700) != 0)
        sd_journal_print(LOG_ERR, "cannot make '%s'", all.c_str());
    for (const auto& mode : table.modes) {
        if (instances_.contains(mode.name)) continue;
        auto made = Instance::make(loop_, hardware_, programs_, all + "/" + mode.name, mode,
                                   [this] { look(); });
        if (made)
            instances_.emplace(mode.name, std::move(*made));
        else
            sd_journal_print(LOG_ERR, "%s has no sound: %s", mode.name.c_str(),
                             made.error().message().c_str());
    }
    look();
}

Users Broker::users() const {
    Users users;
    for (const auto& [name, instance] : instances_) {
        if (instance->used(Direction::capture)) users.recording.push_back(name);
        if (instance->used(Direction::playback)) users.playing.push_back(name);
    }
    users.no_hardware = hardware_.why_not();
    return users;
}

void Broker::look() {
    auto now = users();
    if (now == told_) return;
    told_ = std::move(now);
    changed_();
}

}  // namespace pmos::audio
