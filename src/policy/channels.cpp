// policy: the flows between modes, gathered by what they go through. Asks no host.
#include "policy/channels.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

namespace pmos::policy {
namespace {

using Key = std::tuple<Control, Resource, std::string_view, std::string_view, bool>;

Key key_of(const Separation& s, const Flow& f) {
    const auto [at, by] = passage_of(s, f);
    return {f.control, at.kind, at.resource, f.control == Control::arbitrated ? by : "",
            s.access(f.from).enforced && s.access(f.to).enforced};
}

void add_consent(std::vector<Location>& to, const Location& at) {
    const auto text = to_text(at);
    const auto place = std::ranges::lower_bound(
        to, text, {}, [](const Location& known) { return to_text(known); });
    if (place == to.end() || to_text(*place) != text) to.insert(place, at);
}

}  // namespace

Passage passage_of(const Separation& s, const Flow& f) {
    const Access &from = s.access(f.from), &to = s.access(f.to);
    return {to.resource.size() > from.resource.size() ? to : from,
            from.by.empty() ? to.by : from.by};
}

std::vector<Channel> channels(const Separation& s) {
    std::vector<Channel> out;
    std::map<Key, std::size_t> known;
    for (const auto& f : s.flows) {
        const auto key = key_of(s, f);
        const auto [it, fresh] = known.emplace(key, out.size());
        if (fresh) {
            const auto& [control, kind, resource, by, enforced] = key;
            Channel channel;
            channel.control = control;
            channel.kind = kind;
            channel.resource = resource;
            channel.by = by;
            channel.enforced = enforced;
            out.push_back(std::move(channel));
        }
        Channel& channel = out[it->second];
        channel.senders.insert(f.from.mode);
        channel.receivers.insert(f.to.mode);
        channel.ends.insert({f.from.mode, f.from.access});
        channel.ends.insert({f.to.mode, f.to.access});
        if (f.control == Control::consented) add_consent(channel.consents, f.consent);
    }
    return out;
}

}  // namespace pmos::policy
