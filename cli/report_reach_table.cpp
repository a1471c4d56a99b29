// cli: the part of a report that puts the modes side by side: what each can reach, how exposed it
// is.
#include <fmt/format.h>

#include <algorithm>

#include "cli/map.h"
#include "cli/report_page.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

class Table {
  public:
    Table(Markup& to, const Report& report, const Places& places)
        : to_(to),
          r_(report),
          places_(places),
          dense_(report.separation->modes.size() > kFewModes) {
        for (const auto& mode : r_.modes)
            if (mode.index) sections_.push_back(&mode);
    }

    void add() {
        to_.tag(
               "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What each mode "
               "can reach\">\n<table class=\"side")
            .tag(dense_ ? Literal(" dense") : Literal(""))
            .tag("\">\n");
        head();
        for (std::size_t i = 0; i < r_.reach.size(); ++i) {
            if (i == 0 || r_.reach[i].group != r_.reach[i - 1].group) group(r_.reach[i].group);
            row(r_.reach[i]);
        }
        exposure();
        to_.tag("</table>\n</div>\n");
    }

  private:
    void head();
    void group(std::string_view name);
    void row(const ReportRow& row);
    void cell(const ReportCell& cell, std::string_view mode, std::string_view row);
    void exposure();
    void points(const policy::Exposure& exposure);
    void total();

    Markup& to_;
    const Report& r_;
    const Places& places_;
    const bool dense_;
    std::vector<const ModeSection*> sections_;
};

void Table::head() {
    to_.tag("<thead><tr><th scope=\"col\"><span class=\"unseen\">Resource</span></th>");
    for (const auto* mode : sections_)
        to_.tag("<th scope=\"col\"><a href=\"#m")
            .number(*mode->index + 1)
            .tag("\">")
            .text(mode->mode)
            .tag("</a></th>");
    to_.tag("</tr></thead>\n<tbody>\n");
}

void Table::group(std::string_view name) {
    constexpr std::string_view kTitles[][2] = {{"network", "Network"},
                                               {"device", "Devices"},
                                               {"tree", "Directories of the host"},
                                               {"volume", "Storage"},
                                               {"image", ""},
                                               {"host-program", "Programs of the host"},
                                               {"kernel", "Objects of the kernel"}};
    const auto known =
        std::ranges::find_if(kTitles, [&](const auto& title) { return title[0] == name; });
    const auto title = known == std::end(kTitles) ? name : (*known)[1];
    if (title.empty()) return;
    to_.tag("</tbody>\n<tbody>\n<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"")
        .number(sections_.size() + 1)
        .tag("\"><span>")
        .text(title)
        .tag("</span></th></tr>\n");
}

void Table::row(const ReportRow& row) {
    const bool ours =
        row.name.starts_with("its ") || row.name == "network" || row.name.starts_with("others, ");
    to_.tag("<tr><th scope=\"row\">");
    if (ours)
        to_.text(row.name);
    else
        to_.tag("<code>").text(row.name).tag("</code>");
    to_.tag("</th>");
    for (std::size_t m = 0; m < row.cells.size(); ++m)
        cell(row.cells[m], sections_[m]->mode, row.name);
    to_.tag("</tr>\n");
}

Literal standing_class(Standing standing) {
    switch (standing) {
        case Standing::open:
            return "open";
        case Standing::consented:
            return "consented";
        case Standing::arbitrated:
            return "arbitrated";
        case Standing::own:
            return "own";
        case Standing::none:
            break;
    }
    return "none";
}

void Table::cell(const ReportCell& cell, std::string_view mode, std::string_view row) {
    const auto standing = policy::word_at(kStandingNames, cell.standing);
    const auto shown = dense_ ? cell.brief : cell.text;
    to_.tag("<td class=\"").tag(standing_class(cell.standing));
    if (!cell.enforced) to_.tag(" later");
    to_.tag("\"");
    if (dense_ && cell.standing != Standing::none)
        to_.tag(" title=\"")
            .text(fmt::format("{}, {}: {} ({})", mode, row, cell.text, standing))
            .tag("\"");
    to_.tag(">");
    if (shown.empty())
        to_.tag("<span class=\"unseen\">none</span>");
    else if (cell.at.empty())
        to_.text(shown);
    else
        places_.link(to_, cell.at.front(), shown);
    if (!dense_ && cell.standing > Standing::own)
        to_.tag(" <small>").text(standing).tag("</small>");
    if (!dense_ && !cell.enforced) to_.tag(" <small>not granted yet</small>");
    to_.tag("</td>");
}

// "284 allowed, 0 dangerous grants": what there is none of takes room that seven modes do not have.
std::string without_zeros(std::string_view state) {
    std::string out;
    while (!state.empty()) {
        const auto comma = state.find(", ");
        const auto piece = state.substr(0, comma);
        if (!piece.starts_with("0 ")) out += (out.empty() ? "" : ", ") + std::string(piece);
        state.remove_prefix(comma == state.npos ? state.size() : comma + 2);
    }
    return out.empty() ? "none" : out;
}

void Table::points(const policy::Exposure& e) {
    to_.tag("<td class=\"").tag(e.points == 0 ? Literal("nil") : Literal("own"));
    if (dense_) to_.tag("\" title=\"").text(e.state);
    to_.tag("\">");
    if (dense_) {
        if (e.points != 0) to_.number(e.points);
        to_.tag("</td>");
        return;
    }
    places_.link(to_, e.at, without_zeros(e.state));
    to_.tag(
           "<small><svg class=\"points\" aria-hidden=\"true\" width=\"48\" height=\"5\" "
           "viewBox=\"0 0 ")
        .number(e.most)
        .tag(" 1\" preserveAspectRatio=\"none\"><rect class=\"most\" width=\"")
        .number(e.most)
        .tag("\" height=\"1\"/><rect width=\"")
        .number(e.points)
        .tag("\" height=\"1\"/></svg>")
        .number(e.points)
        .tag(" of ")
        .number(e.most)
        .tag("</small></td>");
}

void Table::total() {
    to_.tag("<tr class=\"total\"><th scope=\"row\">in all</th>");
    for (const auto* mode : sections_) {
        to_.tag("<td><b>").number(mode->score->of_ten());
        to_.tag("</b>");
        if (!dense_) to_.tag(" of 10, ").text(mode->score->word());
        to_.tag("</td>");
    }
    to_.tag("</tr>\n");
}

void Table::exposure() {
    if (sections_.empty()) {
        to_.tag("</tbody>\n");
        return;
    }
    group("Exposure, of the most there can be");
    for (std::size_t i = 0; i < sections_.front()->score->rows.size(); ++i) {
        to_.tag("<tr><th scope=\"row\">").text(sections_.front()->score->rows[i].what).tag("</th>");
        for (const auto* mode : sections_) points(mode->score->rows[i]);
        to_.tag("</tr>\n");
    }
    total();
    to_.tag("</tbody>\n");
}

}  // namespace

void add_reach(Markup& to, const Report& r, const Places& places) {
    to.tag("<section id=\"reach\">\n<h2>What each mode can reach</h2>\n");
    if (r.separation->modes.empty()) {
        to.tag("<p>No profile can be read whole.</p>\n</section>\n");
        return;
    }
    to.tag(
        "<p>What a profile does not name is denied. Colour says that a resource joins modes: "
        "<span class=\"key open\">open</span> <span class=\"key consented\">consented</span> "
        "<span class=\"key arbitrated\">arbitrated</span>. Each entry leads to its line.</p>\n");
    Table(to, r, places).add();
    to.tag("</section>\n");
}

}  // namespace pmos::cli
