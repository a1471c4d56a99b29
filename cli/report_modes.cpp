// cli: the part of a report that tells of each mode: whether it starts, everything it reaches, and
// what makes its exposure, each with its line.
#include <fmt/format.h>

#include "cli/map.h"
#include "cli/output.h"
#include "cli/report_page.h"

namespace pmos::cli {
namespace {

using policy::Resource;

void add_state(Markup& to, const ModeSection& mode, const Places& places) {
    to.tag("<p class=\"state\">");
    places.link(to, {mode.file, 0, 0, ""});
    if (!mode.index)
        to.tag(
            " <span class=\"tag error\">broken</span> Nothing is known of it: see the findings.");
    else if (!mode.loads)
        to.tag(" <span class=\"tag error\">does not load</span>");
    if (mode.score)
        to.tag(" exposure <b>")
            .text(fmt::format("{:.1f}", mode.score->of_ten()))
            .tag("</b> of 10, ")
            .text(mode.score->word());
    to.tag("</p>\n");
    for (const auto& d : mode.stops) {
        to.tag(
              "<p class=\"stop\"><span class=\"tag warning\">does not start with this "
              "build</span> ")
            .text(d.message)
            .tag(" ");
        places.link(to, d.at);
        to.tag("</p>\n");
    }
}

void add_accesses(Markup& to, const policy::ModeReach& mode, const Places& places) {
    to.tag("<ul class=\"accesses\">\n");
    for (const auto& a : mode.accesses) {
        if (a.kind == Resource::counter) continue;
        to.tag("<li><span class=\"kind\">")
            .text(kind_words(a.kind))
            .tag("</span><div><code>")
            .text(a.resource)
            .tag("</code> ")
            .text(policy::rights_text(a.rights))
            .tag(" <span class=\"how\">(")
            .text(a.how)
            .tag(")");
        if (!a.by.empty()) to.tag(", by ").text(a.by);
        if (a.ambient) to.tag(", as every mode");
        if (!a.enforced) to.tag(", not granted by this build yet");
        to.tag("</span> ");
        places.link(to, a.at);
        to.tag("</div></li>\n");
    }
    to.tag("</ul>\n");
}

void add_mode(Markup& to, const Report& r, const ModeSection& mode, const Places& places) {
    to.tag("<article");
    if (mode.index) to.tag(" id=\"m").number(*mode.index + 1).tag("\"");
    to.tag(">\n<h3>").text(mode.mode).tag("</h3>\n");
    add_state(to, mode, places);
    if (mode.index) {
        const auto& reach = r.separation->modes[*mode.index];
        const bool many = r.modes.size() > kFewModes;
        if (many)
            to.tag("<details><summary>")
                .text(counted(reach.accesses.size(), "resource"))
                .tag(" in all</summary>\n");
        add_accesses(to, reach, places);
        if (many) to.tag("</details>\n");
    }
    to.tag("</article>\n");
}

}  // namespace

void add_modes(Markup& to, const Report& r, const Places& places) {
    to.tag("<section id=\"modes\">\n<h2>Mode by mode</h2>\n<div class=\"cards\">\n");
    for (const auto& mode : r.modes) add_mode(to, r, mode, places);
    to.tag("</div>\n</section>\n");
}

}  // namespace pmos::cli
