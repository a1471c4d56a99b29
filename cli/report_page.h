// cli: a policy report as one HTML page that asks for nothing else: no network, no script. Works
// nothing out.
#pragma once

#include <map>
#include <string>

#include "cli/markup.h"
#include "cli/report.h"

namespace pmos::cli {

std::string report_page(const Report& report);

// What the parts of a page share: which lines have an anchor, and how places are named.
class Places {
  public:
    explicit Places(const Report& report);

    // A link to the line, or the place as text where the page does not hold it.
    void link(Markup& to, const policy::Location& at) const;
    // The same around words of one's own.
    void link(Markup& to, const policy::Location& at, std::string_view words) const;
    std::string name(const policy::Location& at) const;  // "secure.json:31"
    std::string file_name(const std::string& file) const;
    std::size_t number(const std::string& file) const { return numbers_.at(file); }
    // Of a file, how many lines the page holds.
    std::size_t lines_of(const std::string& file) const;

  private:
    const Report& report_;
    std::map<std::string, std::size_t> numbers_, lines_;
};

// Lines of one file that a page holds: more would hide the rest.
inline constexpr std::size_t kMaxLines = 20'000;

void add_changes(Markup& to, const Comparison& comparison, const Places& places);
void add_flows(Markup& to, const Report& report, const Places& places);
void add_reach(Markup& to, const Report& report, const Places& places);
void add_modes(Markup& to, const Report& report, const Places& places);
void add_findings(Markup& to, const Report& report, const Places& places);
void add_sources(Markup& to, const Report& report, const Places& places);

Literal page_style();  // of the page; the drawing has its own in map.h

}  // namespace pmos::cli
