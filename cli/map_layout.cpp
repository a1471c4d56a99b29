// cli: where modes and bars stand in the drawing. Draws nothing, measures no font: widths are those
// of wide letters, so that text stays within its room.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/map.h"
#include "cli/output.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Channel;
using policy::Separation;

constexpr double kMono = 7.9, kSans = 6.5;  // of a letter, at the sizes of map_style

std::string fitted(std::string_view foreign, double room, double letter) {
    return shortened(foreign, static_cast<std::size_t>(room / letter));
}

class Layout {
  public:
    Layout(const Separation& s, const std::vector<Channel>& channels, Shape shape)
        : s_(s), channels_(channels), narrow_(shape == Shape::narrow) {}

    Drawing take() {
        widths();
        for (std::uint32_t m = 0; m < s_.modes.size(); ++m)
            out_.rails.push_back({s_.modes[m].mode, {title(m)}, x(m)});
        double y = out_.rails_top + (narrow_ ? 54 : 36);
        for (const auto& channel : channels_) {
            bar(channel, y);
            y += narrow_ ? 58 : 48;
        }
        out_.height = y - (narrow_ ? 30 : 16);
        return std::move(out_);
    }

  private:
    void widths();
    double x(std::uint32_t mode) const { return first_ + pitch_ * mode; }
    std::string title(std::uint32_t mode) const;
    void bar(const Channel& channel, double y);
    Mark mark(const Channel& channel, std::uint32_t mode) const;

    const Separation& s_;
    const std::vector<Channel>& channels_;
    const bool narrow_;
    double room_ = 0, pitch_ = 0, first_ = 0;
    Drawing out_;
};

void Layout::widths() {
    const auto count = static_cast<double>(std::max<std::size_t>(s_.modes.size(), 1));
    const bool few = s_.modes.size() <= kFewModes;
    std::size_t longest = 1;
    for (const auto& mode : s_.modes) longest = std::max(longest, mode.mode.size());
    const double whole = narrow_ ? 328 : 1120;
    room_ = narrow_ ? whole : few ? 350 : 300;
    pitch_ = narrow_ ? whole / count : std::clamp((whole - room_) / count, 16.0, 200.0);
    pitch_ = std::max(pitch_, 16.0);
    out_.names_upright = name_width(longest) > pitch_ - 6;
    out_.names_above = narrow_;
    first_ = (narrow_ ? 0 : room_) + pitch_ / 2;
    out_.rails_top = out_.names_upright ? kNameLetter * static_cast<double>(longest) + 14 : 38;
    out_.width = (narrow_ ? 0 : room_) + pitch_ * count;
}

std::string Layout::title(std::uint32_t mode) const {
    std::size_t met = 0;
    for (const auto& c : channels_)
        if (c.senders.contains(mode) || c.receivers.contains(mode)) ++met;
    return fmt::format("{}: shares {} with other modes", s_.modes[mode].mode,
                       met == 0 ? "nothing" : counted(met, "thing"));
}

void Layout::bar(const Channel& channel, double y) {
    Bar out;
    out.y = y;
    out.control = channel.control;
    out.enforced = channel.enforced;
    out.name = fitted(channel.resource, room_ - 14, kMono);
    out.note = fitted(channel_note(channel, true), room_ - 14, kSans);
    out.title.push_back(fmt::format("{}: {} '{}', {}", channel_way(s_, channel),
                                    kind_words(channel.kind), channel.resource,
                                    channel_note(channel)));
    for (const auto& at : channel.consents)
        out.title.push_back(fmt::format("accepted in {}", policy::to_text(at)));
    std::set<std::uint32_t> modes = channel.senders;
    modes.insert(channel.receivers.begin(), channel.receivers.end());
    for (const auto mode : modes) out.marks.push_back(mark(channel, mode));
    out_.bars.push_back(std::move(out));
}

Mark Layout::mark(const Channel& channel, std::uint32_t mode) const {
    Mark out;
    out.x = x(mode);
    if (channel.receivers.contains(mode)) {
        out.from_left = !channel.senders.empty() && *channel.senders.begin() < mode;
        out.from_right = !channel.senders.empty() && *channel.senders.rbegin() > mode;
    }
    for (auto end = channel.ends.lower_bound({mode, 0});
         end != channel.ends.end() && end->first == mode; ++end)
        out.title.push_back(end_text(s_, *end));
    return out;
}

}  // namespace

Drawing draw(const Separation& separation, const std::vector<Channel>& channels, Shape shape) {
    return Layout(separation, channels, shape).take();
}

std::string end_text(const Separation& s, const std::pair<std::uint32_t, std::uint32_t>& end) {
    const policy::Access& a = s.access({end.first, end.second});
    return fmt::format("{} can {} ({}): {}", s.modes[end.first].mode, policy::rights_text(a.rights),
                       a.how, policy::to_text(a.at));
}

std::string channel_note(const Channel& c, bool brief) {
    const auto who = c.control == policy::Control::open ? std::string("nobody controls it")
                     : c.control == policy::Control::consented
                         ? std::string("the owner accepts it")
                         : "by " + (brief ? c.by.substr(0, c.by.find(',')) : c.by);
    return fmt::format("{}{}: {}", kind_words(c.kind), c.enforced ? "" : ", not granted yet", who);
}

std::string channel_way(const Separation& s, const Channel& c, const Arrows& arrows) {
    const auto names = [&](const std::set<std::uint32_t>& modes, std::string_view between) {
        std::vector<std::string_view> all;
        for (const auto mode : modes) all.push_back(s.modes[mode].mode);
        return fmt::format("{}", fmt::join(all, between));
    };
    if (c.senders == c.receivers) return names(c.senders, arrows.both_ways);
    return fmt::format("{}{}{}", names(c.senders, ", "), arrows.one_way, names(c.receivers, ", "));
}

std::string_view kind_words(policy::Resource kind) {
    constexpr std::string_view kWords =
        "image|volume|directory|device|network|kernel object|host program|counter";
    return policy::word_at(kWords, kind);
}

}  // namespace pmos::cli
