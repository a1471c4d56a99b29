// cli: what each mode reaches, side by side. Reads no file, holds no markup.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "cli/report.h"
#include "policy/host_facts.h"
#include "policy/names.h"
#include "policy/profile.h"

namespace pmos::cli {
namespace {

using policy::Access;
using policy::Resource;

// A row that one mode alone has says little; of more than this they are gathered.
constexpr std::size_t kMaxLonely = 12;

Standing standing_of(policy::Control control) {
    return control == policy::Control::open        ? Standing::open
           : control == policy::Control::consented ? Standing::consented
                                                   : Standing::arbitrated;
}

std::string letters(std::uint8_t rights) {
    std::string out;
    if ((rights & policy::right_read) != 0) out += 'r';
    if ((rights & policy::right_write) != 0) out += 'w';
    if ((rights & policy::right_execute) != 0) out += 'x';
    return out.empty() ? "•" : out;
}

std::string below(const std::string& path, std::string_view directory) {
    if (path.size() > directory.size() + 1 && path.starts_with(directory) &&
        path[directory.size()] == '/')
        return path.substr(directory.size() + 1);
    return path;
}

class Rows {
  public:
    explicit Rows(const Report& report) : r_(report), s_(*report.separation) {
        for (const auto& flow : s_.flows)
            for (const auto& end : {flow.from, flow.to}) {
                auto& worst = worst_[{end.mode, end.access}];
                worst = std::max(worst, standing_of(flow.control));
            }
        for (const auto& mode : report.policy.modes)
            if (mode.profile || mode.disputed)
                profiles_.push_back(mode.profile ? mode.profile.get() : mode.disputed.get());
    }

    std::vector<ReportRow> take() {
        network();
        for (const auto kind : {Resource::device, Resource::tree, Resource::volume, Resource::image,
                                Resource::host_program, Resource::notifications, Resource::kernel})
            gather(kind);
        return std::move(out_);
    }

  private:
    void network();
    void gather(Resource kind);
    void fold(std::vector<ReportRow>& rows, std::string_view group) const;
    std::string row_name(const Access& a) const;
    void fill(ReportCell& cell, std::uint32_t mode, std::uint32_t access) const;
    std::string words(const Access& a, std::uint32_t mode) const;

    const Report& r_;
    const policy::Separation& s_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, Standing> worst_;
    std::vector<const policy::Profile*> profiles_;
    std::vector<ReportRow> out_;
};

// Always there: that a mode has none is worth a row.
void Rows::network() {
    ReportRow row{"network", "network", std::vector<ReportCell>(s_.modes.size())};
    for (std::uint32_t m = 0; m < s_.modes.size(); ++m) {
        auto& cell = row.cells[m];
        for (std::uint32_t a = 0; a < s_.modes[m].accesses.size(); ++a)
            if (s_.modes[m].accesses[a].kind == Resource::network) fill(cell, m, a);
        if (cell.standing != Standing::none) continue;
        cell.text = policy::word_at(policy::kZoneNames, profiles_[m]->network.zone);
        cell.brief = cell.text == "none" ? "" : "lo";
        if (cell.text != "none") cell.standing = Standing::own;
        cell.at.push_back(profiles_[m]->where("network"));
    }
    out_.push_back(std::move(row));
}

std::string Rows::row_name(const Access& a) const {
    static const policy::HostFacts kUsual;
    switch (a.kind) {
        case Resource::volume:
            return "its data";
        case Resource::image:
            return "its image";
        case Resource::host_program:
            return below(a.resource, kUsual.hooks_dir);
        default:
            return a.resource;
    }
}

std::string Rows::words(const Access& a, std::uint32_t mode) const {
    switch (a.kind) {
        case Resource::volume: {
            const auto& volumes = profiles_[mode]->volumes;
            const auto v = std::ranges::find(volumes, a.how, &policy::VolumeSpec::target);
            return v == volumes.end()
                       ? a.how
                       : fmt::format("{}, by {}", a.how, fmt::join(v->unlock, " or "));
        }
        case Resource::image:
            return a.resource.substr(a.resource.rfind('/') + 1);
        case Resource::device:
            return a.how.starts_with("right ") ? a.how.substr(6) : "granted";
        case Resource::network:
            return a.resource;
        case Resource::host_program:
            return a.how.starts_with("hook ") ? a.how.substr(5) : a.how;
        default:
            break;
    }
    auto rights = policy::rights_text(a.rights & ~policy::right_signal);
    return rights.empty() ? policy::rights_text(a.rights) : rights;
}

void Rows::fill(ReportCell& cell, std::uint32_t mode, std::uint32_t access) const {
    const Access& a = s_.modes[mode].accesses[access];
    const auto known = worst_.find({mode, access});
    cell.standing = std::max(
        {cell.standing, Standing::own, known == worst_.end() ? Standing::own : known->second});
    cell.enforced = cell.enforced && a.enforced;
    cell.text += (cell.text.empty() ? "" : "; ") + words(a, mode);
    cell.brief = a.kind == Resource::tree || a.kind == Resource::kernel ? letters(a.rights) : "•";
    cell.at.push_back(a.at);
}

void Rows::gather(Resource kind) {
    std::vector<ReportRow> rows;
    std::map<std::string, std::size_t> known;
    const auto group = policy::word_at(policy::kResourceNames, kind);
    const auto each = [&](bool ambient, const auto& visit) {
        for (std::uint32_t m = 0; m < s_.modes.size(); ++m)
            for (std::uint32_t a = 0; a < s_.modes[m].accesses.size(); ++a)
                if (const Access& access = s_.modes[m].accesses[a];
                    access.kind == kind && access.ambient == ambient)
                    visit(row_name(access), m, a);
    };
    each(false, [&](std::string name, std::uint32_t m, std::uint32_t a) {
        const auto [it, fresh] = known.emplace(std::move(name), rows.size());
        if (fresh)
            rows.push_back(
                {std::string(group), it->first, std::vector<ReportCell>(s_.modes.size())});
        fill(rows[it->second].cells[m], m, a);
    });
    // What every mode shows there counts where one can see it.
    each(true, [&](const std::string& name, std::uint32_t m, std::uint32_t a) {
        if (const auto it = known.find(name); it != known.end())
            fill(rows[it->second].cells[m], m, a);
    });
    std::ranges::stable_sort(rows, {}, &ReportRow::name);
    fold(rows, group);
    std::ranges::move(rows, std::back_inserter(out_));
}

void Rows::fold(std::vector<ReportRow>& rows, std::string_view group) const {
    const auto lonely = [](const ReportRow& row) {
        return std::ranges::count_if(
                   row.cells, [](const ReportCell& c) { return c.standing != Standing::none; }) ==
                   1 &&
               std::ranges::all_of(row.cells,
                                   [](const ReportCell& c) { return c.standing <= Standing::own; });
    };
    if (static_cast<std::size_t>(std::ranges::count_if(rows, lonely)) <= kMaxLonely) return;
    ReportRow rest{std::string(group), "others, of one mode each",
                   std::vector<ReportCell>(s_.modes.size())};
    std::vector<std::size_t> counts(s_.modes.size());
    for (const auto& row : rows) {
        if (!lonely(row)) continue;
        for (std::size_t m = 0; m < row.cells.size(); ++m) {
            if (row.cells[m].standing == Standing::none) continue;
            rest.cells[m].standing = Standing::own;
            rest.cells[m].text = rest.cells[m].brief = std::to_string(++counts[m]);
            std::ranges::copy(row.cells[m].at, std::back_inserter(rest.cells[m].at));
        }
    }
    std::erase_if(rows, lonely);
    rows.push_back(std::move(rest));
}

}  // namespace

std::vector<ReportRow> reach_rows(const Report& report) { return Rows(report).take(); }

}  // namespace pmos::cli
