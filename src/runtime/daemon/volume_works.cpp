// daemon: what is being done to volumes and takes long: beside the queue of its mode, so that the
// mode can be stopped meanwhile, and cut short by whoever needs the volume. Runs none itself.
#include "runtime/daemon/volume_works.h"

#include <algorithm>

namespace pmos::daemon {

VolumeWorks::Ticket VolumeWorks::ask(const std::string& mode, std::string owner, std::string verb) {
    auto ticket = std::make_shared<Work>();
    ticket->mode = mode;
    ticket->owner = std::move(owner);
    ticket->verb = std::move(verb);
    works_.push_back(ticket);
    return ticket;
}

VolumeWorks::Ticket VolumeWorks::going_on(const std::string& mode) const {
    const auto it = std::ranges::find_if(
        works_, [&](const Ticket& work) { return work->begun && work->mode == mode; });
    return it == works_.end() ? nullptr : *it;
}

std::unexpected<Error> VolumeWorks::called_off(const Work& work) {
    if (!work.why.empty()) return fail(Code::cancelled, work.verb + " was called off", work.why);
    return fail(Code::cancelled, work.verb + " was called off before it began");
}

void VolumeWorks::make_way(const std::string& mode, const std::string& why) {
    for (const auto& work : works_) {
        if (work->mode != mode || !work->yields || work->called_off) continue;
        work->why = why;
        call_off(*work);
    }
}

bool VolumeWorks::would_yield(const std::string& mode) const {
    return std::ranges::any_of(
        works_, [&](const Ticket& work) { return work->mode == mode && work->yields; });
}

void VolumeWorks::call_off(Work& work) {
    work.called_off = true;
    if (work.cancel) work.cancel();
}

Result<> VolumeWorks::begin(const Ticket& ticket) {
    if (ticket->called_off) return called_off(*ticket);
    if (const auto other = going_on(ticket->mode))
        return fail(Code::busy, "a volume of mode '" + ticket->mode + "' is being worked on",
                    other->verb + " goes on", "wait for it, or interrupt it where it was begun");
    ticket->begun = true;
    return {};
}

void VolumeWorks::end(const Ticket& ticket) {
    works_.remove(ticket);
    // Not from within: who waited may begin the next one.
    for (auto& done : ticket->waiting) loop_.soon([done = std::move(done)]() mutable { done({}); });
    ticket->waiting.clear();
}

void VolumeWorks::stop(const Ticket& work, Done done) {
    work->waiting.push_back(std::move(done));
    if (work->cancel) work->cancel();
}

void VolumeWorks::stop(const std::string& mode, Done done) {
    const auto work = going_on(mode);
    if (!work) return done({});
    stop(work, std::move(done));
}

void VolumeWorks::stop_mounted(const std::string& mode, Done done) {
    const auto work = going_on(mode);
    if (!work || !work->mounts) return done({});
    stop(work, std::move(done));
}

void VolumeWorks::drop_owners(const std::function<bool(const std::string&)>& gone) {
    for (const auto& work : works_) {
        if (gone(work->owner)) call_off(*work);
    }
}

}  // namespace pmos::daemon
