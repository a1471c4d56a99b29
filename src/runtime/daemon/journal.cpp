// daemon: what pmosd writes to the journal. Never a secret, nor a mode's output; names that a
// mode chose are made printable.
#include "runtime/daemon/journal.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <syslog.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <iterator>

#include "base/text.h"

namespace pmos::daemon {
namespace {

std::string field_name(std::string_view key) {
    std::string name = "PMOS_";
    for (const char c : key)
        name += std::isalnum(static_cast<unsigned char>(c)) != 0
                    ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                    : '_';
    return name;
}

void send(int priority, const std::string& text, std::vector<std::string> fields) {
    if (::getenv("JOURNAL_STREAM") == nullptr) {
        fmt::print(stderr, "<{}>{}\n", priority, text);
        return;
    }
    fields.push_back("MESSAGE=" + text);
    fields.push_back(fmt::format("PRIORITY={}", priority));
    fields.push_back("SYSLOG_IDENTIFIER=pmosd");
    std::vector<iovec> parts;
    for (auto& field : fields) parts.push_back({field.data(), field.size()});
    sd_journal_sendv(parts.data(), static_cast<int>(parts.size()));
}

}  // namespace

void journal_event(std::string_view kind, std::string_view mode, const Details& details) {
    std::string text = fmt::format("{}{}{}", kind, mode.empty() ? "" : " ", printable(mode));
    std::vector<std::string> fields{fmt::format("PMOS_EVENT={}", kind),
                                    fmt::format("PMOS_MODE={}", mode)};
    for (const auto& [key, value] : details) {
        if (value.empty()) continue;
        text += fmt::format(" {}='{}'", key, printable(value));
        fields.push_back(field_name(key) + "=" + value);
    }
    const bool bad = kind == "recording" || std::ranges::any_of(details, [](const auto& d) {
                         return d.first == "error" && !d.second.empty();
                     });
    send(bad ? LOG_WARNING : LOG_INFO, text, std::move(fields));
}

Details outline_of(const Details& denial) {
    constexpr std::array<std::string_view, 3> kPlain{"layer", "verdict", "times"};
    Details out;
    std::ranges::copy_if(denial, std::back_inserter(out), [&](const auto& d) {
        return std::ranges::find(kPlain, d.first) != kPlain.end();
    });
    return out;
}

void journal_error(const Error& error) {
    send(LOG_ERR, error.message(), {});
    if (!error.fix.empty()) send(LOG_ERR, "hint: " + error.fix, {});
}

void journal_note(std::string_view text) { send(LOG_INFO, std::string(text), {}); }

}  // namespace pmos::daemon
