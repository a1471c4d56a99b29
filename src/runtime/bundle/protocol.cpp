// bundle: what one pmos-bundle process is asked and what it answers, as lines of text on its
// standard output. Holds nothing.
#include "runtime/bundle/protocol.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/text.h"

namespace pmos::bundle {
namespace {

std::int64_t nanoseconds(const timespec& t) { return t.tv_sec * 1'000'000'000LL + t.tv_nsec; }

Identity identity_in(const struct stat& st) {
    return {st.st_dev, st.st_ino, static_cast<std::uint64_t>(st.st_size), nanoseconds(st.st_mtim),
            nanoseconds(st.st_ctim)};
}

template <class T>
bool parse(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

std::string_view word(std::string_view& text) {
    const auto end = text.find(' ');
    const auto out = text.substr(0, end);
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
    return out;
}

bool parse_pin(std::string_view text, VerifiedPin& pin) {
    auto& id = pin.identity;
    const bool good = parse(word(text), id.device) && parse(word(text), id.inode) &&
                      parse(word(text), id.size) && parse(word(text), id.modified_ns) &&
                      parse(word(text), id.changed_ns);
    pin.path = text;
    return good && text.starts_with('/');
}

// The fields of a report by their names; false: it has no such field, or not with this value.
bool take(Report& report, std::string_view key, std::string_view value) {
    const auto text = [&](std::string& to) {
        to = value;
        return true;
    };
    if (key == "file") return text(report.file);
    if (key == "sha256") return text(report.sha256);
    if (key == "name") return text(report.name);
    if (key == "for") return text(report.made_for);
    if (key == "key") return text(report.key);
    if (key == "kept") return text(report.floor_kept);
    if (key == "kept-fault") return text(report.floor_fault);
    if (key == "why") return text(report.why);
    if (key == "fix") return text(report.fix);
    if (key == "unsaved") return text(report.unsaved);
    if (key == "fallen") return text(report.fallen);
    if (key == "version") return parse(value, report.version);
    if (key == "floor") return parse(value, report.floor);
    if (key == "tries") return parse(value, report.tries);
    if (key == "trial") return report.trial = value == "yes", true;
    if (key == "pin") return parse_pin(value, report.pins.emplace_back());
    return false;
}

bool take(Error& error, std::string_view key, std::string_view value) {
    if (key == "error") {
        error.code = code_from_bus_name(value);
        return true;
    }
    std::string* const to = key == "what"  ? &error.what
                            : key == "why" ? &error.why
                            : key == "fix" ? &error.fix
                                           : nullptr;
    if (to != nullptr) *to = value;
    return to != nullptr;
}

}  // namespace

Result<Identity> identity_of(const std::string& path) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    return identity_in(st);
}

Result<Identity> identity_of(BorrowedFd fd, const std::string& path) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        return fail(errno_error(errno, fmt::format("cannot look at '{}'", path)));
    return identity_in(st);
}

std::string encode(const Report& r) {
    std::string out;
    const auto line = [&](std::string_view key, std::string_view value) {
        if (!value.empty()) out += fmt::format("{}={}\n", key, printable(value));
    };
    line("file", r.file);
    line("sha256", r.sha256);
    line("name", r.name);
    line("for", r.made_for);
    line("key", r.key);
    line("kept", r.floor_kept);
    line("kept-fault", r.floor_fault);
    line("why", r.why);
    line("fix", r.fix);
    line("unsaved", r.unsaved);
    line("fallen", r.fallen);
    out += fmt::format("version={}\nfloor={}\ntries={}\ntrial={}\n", r.version, r.floor, r.tries,
                       r.trial ? "yes" : "no");
    for (const auto& [path, id] : r.pins)
        out += fmt::format("pin={} {} {} {} {} {}\n", id.device, id.inode, id.size, id.modified_ns,
                           id.changed_ns, path);
    return out + "end=report\n";
}

std::string encode(const Error& error) {
    return fmt::format("error={}\nwhat={}\nwhy={}\nfix={}\nend=error\n",
                       code_info(error.code).bus_name, printable(error.what), printable(error.why),
                       printable(error.fix));
}

Result<Report> decode(std::string_view answer) {
    Report report;
    Error error;
    const bool refused = answer.starts_with("error=");
    while (!answer.empty()) {
        const auto line = answer.substr(0, answer.find('\n'));
        answer.remove_prefix(std::min(line.size() + 1, answer.size()));
        const auto equals = line.find('=');
        const auto key = line.substr(0, equals);
        const auto value = equals == line.npos ? std::string_view() : line.substr(equals + 1);
        if (key == "end" && answer.empty() && value == (refused ? "error" : "report")) {
            if (refused) return fail(std::move(error));
            return report;
        }
        if (!(refused ? take(error, key, value) : take(report, key, value))) break;
    }
    return fail(Code::failed, "pmos-bundle died, or its answer makes no sense");
}

}  // namespace pmos::bundle
