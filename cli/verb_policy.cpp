// cli: policy check: profiles judged by the code that pmosd uses, without pmosd and without root.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/output.h"
#include "cli/verbs.h"
#include "policy/policy_set.h"

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;
using policy::Diagnostic;

constexpr std::size_t kMaxFile = std::size_t{1} << 20;
constexpr std::string_view kSiteName = "site.json";

// A FIFO would block, a device could do anything, a link could lead anywhere: none is a profile.
Result<std::string> read_profile(const std::string& path) {
    const std::string what = fmt::format("cannot read '{}'", path);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd && errno == ELOOP) return fail(Code::usage, what, "it is a symbolic link");
    if (!fd) return fail(errno_error(errno, what));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail(errno_error(errno, what));
    if (!S_ISREG(st.st_mode)) return fail(Code::usage, what, "it is not a regular file");
    std::string bytes(kMaxFile + 1, '\0');
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t n = ::read(fd.get(), bytes.data() + used, bytes.size() - used);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, what));
        if (n == 0) break;
        used += static_cast<std::size_t>(n);
    }
    if (used > kMaxFile) return fail(Code::usage, what, "it is larger than 1 MiB");
    bytes.resize(used);
    return bytes;
}

// The files of one profiles directory: what is checked against each other.
struct Source {
    std::vector<policy::SourceFile> profiles;
    std::optional<policy::SourceFile> site;
};
using Sources = std::map<std::string, Source>;  // by directory

struct Findings {
    std::vector<Diagnostic> diagnostics;
    std::map<std::string, std::string> texts;  // by the name that diagnostics use
    std::size_t modes = 0;
};

Result<> add_file(const fs::path& path, Sources& sources) {
    PMOS_ASSIGN(auto bytes, read_profile(path.string()));
    auto& source = sources[path.has_parent_path() ? path.parent_path().string() : "."];
    policy::SourceFile file{path.string(), std::move(bytes)};
    if (path.filename() == kSiteName) {
        source.site = std::move(file);
    } else {
        source.profiles.push_back(std::move(file));
    }
    return {};
}

Result<> add_directory(const fs::path& directory, Sources& sources) {
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".json") paths.push_back(it->path());
    if (error)
        return fail(
            errno_error(error.value(), fmt::format("cannot read '{}'", directory.string())));
    if (paths.empty())
        return fail(Code::not_found, fmt::format("no profiles in '{}'", directory.string()),
                    "no file there ends in .json");
    std::ranges::sort(paths);
    for (const auto& path : paths) PMOS_TRY(add_file(path, sources));
    return {};
}

// What pmosd would read, else what lies here: a clone of this project.
Result<fs::path> default_directory() {
    std::error_code ignored;
    for (const char* directory : {PMOS_PROFILES_DIR, "profiles"})
        if (fs::is_directory(directory, ignored)) return fs::path(directory);
    return fail(Code::not_found, "no profiles to check",
                fmt::format("neither '{}' nor './profiles' exists", PMOS_PROFILES_DIR),
                "name a directory or files");
}

Result<Sources> collect(const std::vector<std::string>& arguments) {
    Sources sources;
    std::vector<fs::path> paths(arguments.begin(), arguments.end());
    if (paths.empty()) {
        PMOS_ASSIGN(auto directory, default_directory());
        paths.push_back(std::move(directory));
    }
    std::error_code ignored;
    for (const auto& path : paths) {
        if (fs::is_directory(path, ignored)) {
            PMOS_TRY(add_directory(path, sources));
        } else {
            PMOS_TRY(add_file(path, sources));
        }
    }
    // The owner's demands hold for a profile that is checked alone, too.
    for (auto& [directory, source] : sources) {
        const fs::path site = fs::path(directory) / kSiteName;
        if (!source.site && fs::exists(site, ignored)) PMOS_TRY(add_file(site, sources));
    }
    return sources;
}

void check(const std::string& directory, const Source& source, Findings& findings) {
    for (const auto& file : source.profiles) findings.texts[file.path] = file.bytes;
    if (source.site) findings.texts[source.site->path] = source.site->bytes;
    const auto read_block = [&](const std::string& block) -> Result<std::string> {
        auto bytes = read_profile((fs::path(directory) / block).string());
        if (bytes) findings.texts[block] = *bytes;
        return bytes;
    };
    auto set =
        policy::read_policy(source.profiles, source.site ? &*source.site : nullptr, read_block);
    findings.modes += set.modes.size();
    const auto take = [&](std::vector<Diagnostic>& from) {
        std::ranges::move(from, std::back_inserter(findings.diagnostics));
    };
    take(set.diagnostics);
    for (auto& mode : set.modes) take(mode.diagnostics);
}

nlohmann::ordered_json to_json(const Diagnostic& d) {
    nlohmann::ordered_json json{{"file", d.at.file},
                                {"line", d.at.line},
                                {"column", d.at.column},
                                {"pointer", d.at.pointer},
                                {"severity", policy::severity_name(d.severity)},
                                {"rule", d.rule},
                                {"message", d.message},
                                {"fix", d.fix}};
    auto related = nlohmann::ordered_json::array();
    for (const auto& at : d.related)
        related.push_back(
            {{"file", at.file}, {"line", at.line}, {"column", at.column}, {"pointer", at.pointer}});
    json["related"] = std::move(related);
    return json;
}

Style style_of(policy::Severity severity) {
    if (severity == policy::Severity::error) return Style::bad;
    return severity == policy::Severity::warning ? Style::warn : Style::plain;
}

// Like a compiler: place and message, the line with a caret, the hint.
void print(const Diagnostic& d, const Findings& findings, bool colour) {
    const std::string severity(policy::severity_name(d.severity));
    put_line(fmt::format("{}: {} {} [{}]", printable(policy::to_text(d.at)),
                         paint(severity + ":", style_of(d.severity), colour), printable(d.message),
                         d.rule));
    const auto text = findings.texts.find(d.at.file);
    if (text != findings.texts.end())
        if (const auto excerpt = policy::source_excerpt(text->second, d.at); !excerpt.empty())
            put_line(printable_lines(excerpt));
    for (const auto& at : d.related) put_line("    see " + printable(policy::to_text(at)));
    if (!d.fix.empty())
        put_line(fmt::format("    {} {}", paint("hint:", Style::dim, colour), printable(d.fix)));
}

Result<int> policy_check(const Globals& globals, const std::vector<std::string>& arguments) {
    PMOS_ASSIGN(const auto sources, collect(arguments));
    Findings findings;
    for (const auto& [directory, source] : sources) check(directory, source, findings);
    const auto errors =
        std::ranges::count(findings.diagnostics, policy::Severity::error, &Diagnostic::severity);
    if (globals.json) {
        auto array = nlohmann::ordered_json::array();
        for (const auto& d : findings.diagnostics) array.push_back(to_json(d));
        put_line(array.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    } else {
        const bool colour = wants_colour(STDOUT_FILENO);
        for (const auto& d : findings.diagnostics) print(d, findings, colour);
        put_line(fmt::format("{} modes checked, {} errors, {} other findings", findings.modes,
                             errors,
                             findings.diagnostics.size() - static_cast<std::size_t>(errors)));
    }
    return errors == 0 ? 0 : 1;
}

}  // namespace

Action attach_policy_check(CLI::App& app) {
    auto paths = std::make_shared<std::vector<std::string>>();
    app.add_option("PATH", *paths, "profiles, or directories of them");
    return [paths](const Globals& globals) { return policy_check(globals, *paths); };
}

}  // namespace pmos::cli
