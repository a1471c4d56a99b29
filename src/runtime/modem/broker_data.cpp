// modem: the data connections of the modes. Whose one is its access point says, whoever made it: so
// it is known also to a broker that starts again.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "runtime/modem/broker.h"

namespace pmos::modem {
namespace {

std::unexpected<Error> gone() { return fail(Code::not_found, "there is no such bearer"); }

}  // namespace

bool Broker::has_data(const std::string& line) const {
    return connecting_.contains(line) || std::ranges::any_of(radio_.bearers(), [&](const auto& b) {
               return b.second.line == line;
           });
}

std::string Broker::bearer_owner(const std::string& path) const {
    Place place;
    return place_of_bearer(path, place) ? place.mode : "";
}

unsigned Broker::own_bearer(View& view, const std::string& line, const std::string& path) {
    const auto known = std::ranges::find_if(
        view.bearers, [&](const auto& one) { return one.second.path == path; });
    if (known != view.bearers.end()) return known->first;
    const unsigned number = view.next_bearer++;
    view.bearers.emplace(number, OwnBearer{line, path});
    listener_->bearer_added(view.rights.name, number);
    return number;
}

void Broker::drop_bearer(const Place& place) {
    views_.at(place.mode).bearers.erase(place.number);
    listener_->bearer_removed(place.mode, place.number);
}

// Whose it was has it no more: also where it is up, and not known to be yet.
void Broker::take_bearer(const Place& place) {
    const auto& own = views_.at(place.mode).bearers.at(place.number);
    radio_.disconnect_data(own.line, own.path, [](const Result<>&) {});
    drop_bearer(place);
}

void Broker::hang_up_data(const std::string& path) {
    const auto bearer = radio_.bearers().find(path);
    if (bearer != radio_.bearers().end() && bearer->second.connected)
        radio_.disconnect_data(bearer->second.line, path, [](const Result<>&) {});
}

void Broker::bearer_changed(const std::string& path) {
    judge_bearer(path);
    if (Place place; place_of_bearer(path, place))
        listener_->bearer_changed(place.mode, place.number);
}

void Broker::judge_bearer(const std::string& path) {
    const auto found = radio_.bearers().find(path);
    if (!table_known_ || found == radio_.bearers().end()) return;
    const RadioBearer& now = found->second;
    View* view = own(owner_of_data(table_, now.access_point));
    const auto line = radio_.lines().find(now.line);
    // A line that another mode claims is that mode's.
    if (view != nullptr &&
        (line == radio_.lines().end() || !may_use(table_, view->rights.name, line->second.names)))
        view = nullptr;
    if (Place place;
        place_of_bearer(path, place) && (view == nullptr || place.mode != view->rights.name))
        take_bearer(place);  // another's by now, or nobody's
    if (view == nullptr || !view->rights.data) return;
    own_bearer(*view, now.line, path);
    if (!view->rights.running) hang_up_data(path);
}

void Broker::bearer_gone(const std::string& path) {
    if (Place place; place_of_bearer(path, place)) drop_bearer(place);
}

// access_point becomes the one that is meant.
Result<> Broker::may_connect(const std::string& mode, const std::string& line,
                             std::string& access_point) {
    PMOS_ASSIGN(const View* view, may(mode, Service::data));
    if (!view->rights.running) return fail(Code::denied, "this mode does not run");
    if (!view->lines.contains(line)) return fail(Code::not_found, "there is no such modem");
    const auto& allowed = view->rights.access_points;
    if (access_point.empty() && !allowed.empty()) access_point = allowed.front();
    if (owner_of_data(table_, access_point) != mode)
        return fail(Code::denied, "this mode may not connect to '" + access_point + "'", "",
                    "its profile names what it may connect to: modem.accessPoints");
    if (emergency_.under_way()) return fail(Code::busy, "an emergency call is under way");
    // The modem would end what it has.
    const bool taken = std::ranges::any_of(radio_.bearers(), [&](const auto& one) {
        return one.second.line == line && one.second.connected &&
               one.second.access_point != access_point;
    });
    if (taken || connecting_.contains(line)) return fail(Code::busy, "the modem is connected");
    return {};
}

void Broker::connect(const std::string& mode, const std::string& line,
                     const std::string& access_point, Answer<unsigned> answer) {
    auto name = access_point;
    if (auto may = may_connect(mode, line, name); !may) return answer(fail(std::move(may.error())));
    connecting_.insert(line);
    radio_.connect_data(
        line, name,
        [this, mode, line, name, answer = std::move(answer)](Result<std::string> path) mutable {
            connecting_.erase(line);
            if (!path) return answer(fail(std::move(path.error())));
            View* view = own(mode);
            // Its right went meanwhile, or it was locked, or somebody calls for help.
            if (view == nullptr || !view->rights.data || !view->rights.running ||
                !view->lines.contains(line) || owner_of_data(table_, name) != mode ||
                emergency_.under_way()) {
                radio_.disconnect_data(line, *path, [](const Result<>&) {});
                return answer(gone());
            }
            answer(own_bearer(*view, line, *path));
        });
}

void Broker::connect_again(const std::string& mode, unsigned bearer, Done done) {
    const View* view = own(mode);
    if (view == nullptr || !view->bearers.contains(bearer)) return done(gone());
    const auto known = radio_.bearers().find(view->bearers.at(bearer).path);
    if (known == radio_.bearers().end()) return done(gone());
    connect(mode, known->second.line, known->second.access_point,
            [done = std::move(done)](Result<unsigned> connected) mutable {
                if (!connected) return done(fail(std::move(connected.error())));
                done({});
            });
}

void Broker::disconnect(const std::string& mode, unsigned bearer, Done done) {
    const View* view = own(mode);
    if (view == nullptr || !view->bearers.contains(bearer)) return done(gone());
    const auto& own = view->bearers.at(bearer);
    radio_.disconnect_data(own.line, own.path, std::move(done));
}

void Broker::disconnect_all(const std::string& mode, const std::string& line, Done done) {
    std::vector<std::string> up;
    if (const View* view = own(mode); view != nullptr)
        for (const auto& [number, bearer] : view->bearers)
            if (const auto known = radio_.bearers().find(bearer.path);
                bearer.line == line && known != radio_.bearers().end() && known->second.connected)
                up.push_back(bearer.path);
    if (up.empty()) return done({});
    // A modem is seldom connected twice; of several the last one's answer is told.
    for (const auto& path : std::span(up).first(up.size() - 1))
        radio_.disconnect_data(line, path, [](const Result<>&) {});
    radio_.disconnect_data(line, up.back(), std::move(done));
}

}  // namespace pmos::modem
