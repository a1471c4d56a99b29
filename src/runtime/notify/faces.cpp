// notify: all sockets of the broker, and who hears what of it.
#include "runtime/notify/faces.h"

#include <sys/stat.h>

#include <cerrno>

namespace pmos::notify {

Result<std::unique_ptr<Faces>> Faces::make(event::EventLoop& loop, Broker& broker,
                                           const std::string& run,
                                           std::function<void(const Error&)> broken) {
    std::unique_ptr<Faces> made(new Faces(loop, broker, run, std::move(broken)));
    broker.listen(*made);
    PMOS_ASSIGN(made->host_, HostFace::make(loop, broker, run + "/host"));
    // The last: who sees it may speak at once.
    PMOS_ASSIGN(made->control_, ControlFace::make(loop, broker, run + "/control"));
    return made;
}

// A mode that was started anew gets a new one: nobody of the last run is on it.
void Faces::modes_changed() {
    std::erase_if(modes_, [this](const auto& one) {
        const auto* const rights = broker_.rights(one.first);
        return rights == nullptr || rights->run != one.second.run;
    });
    for (const auto& mode : broker_.modes()) {
        if (modes_.contains(mode)) continue;
        if (auto face = make_face(mode))
            modes_[mode] = {broker_.rights(mode)->run, std::move(*face)};
        else
            broken_(face.error());
    }
}

Result<std::unique_ptr<ModeFace>> Faces::make_face(const std::string& mode) const {
    const std::string all = run_ + "/" + kModesDir, dir = all + "/" + mode;
    for (const auto& each : {all, dir})
        if (::mkdir(each.c_str(), 0755) != 0 && errno != EEXIST)
            return fail(errno_error(errno, "cannot make '" + each + "'"));
    return ModeFace::make(loop_, broker_, mode, dir);
}

void Faces::closed(const std::string& mode, std::uint32_t id, Reason reason) {
    if (const auto it = modes_.find(mode); it != modes_.end()) it->second.face->closed(id, reason);
}

void Faces::invoked(const std::string& mode, std::uint32_t id, const std::string& action) {
    if (const auto it = modes_.find(mode); it != modes_.end()) it->second.face->invoked(id, action);
}

void Faces::changed() {
    for (const auto& [mode, of] : modes_) of.face->look_at_others();
    host_->look();
    control_->look();
}

}  // namespace pmos::notify
