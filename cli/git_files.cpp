// cli: profiles of a revision of git, by git itself. Never touches the work tree or the index, runs
// no shell.
#include "cli/git_files.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <charconv>
#include <chrono>

#include "base/fd.h"
#include "base/text.h"
#include "cli/program.h"
#include "policy/bundle.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

using Args = std::vector<std::string>;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr std::size_t kMaxListing = 4U << 20;

// What reading needs and nothing else: a repository's configuration could have git run programs.
Args command_line(const Args& args) {
    Args out{"git",
             "--no-pager",
             "--no-replace-objects",
             "--no-optional-locks",
             "--literal-pathspecs",
             "-c",
             "core.fsmonitor=false",
             "-c",
             "protocol.allow=never",
             "-c",
             "core.hooksPath=/dev/null"};
    out.insert(out.end(), args.begin(), args.end());
    return out;
}

// Of the caller's environment, but for what would ask somebody or fetch something.
std::vector<std::string> environment() {
    // No protocol at all: a repository's own protocol.ext.allow counts for more than
    // protocol.allow.
    return environment_with(
        {"GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=", "LC_ALL=C.UTF-8"},
        {"GIT_TERMINAL_PROMPT", "GIT_NO_LAZY_FETCH", "GIT_ALLOW_PROTOCOL", "LC_ALL", "GIT_TRACE"});
}

Result<Finished> run_git(const Args& args, std::size_t limit = kMaxListing, BorrowedFd input = {}) {
    auto done = run_program({.args = command_line(args),
                             .environment = environment(),
                             .input = input,
                             .limit = limit,
                             .patience = kPatience});
    if (!done && done.error().code == Code::not_found)
        return fail(Code::not_found, "cannot look into a revision", "there is no git",
                    "install git, or name a directory");
    if (!done) done.error().what = fmt::format("'git {}' is given up", args[0]);
    return done;
}

std::string first_line(std::string_view text) {
    text = text.substr(0, text.find('\n'));
    for (const std::string_view word : {"fatal: ", "error: "})
        if (text.starts_with(word)) text.remove_prefix(word.size());
    return printable(text);
}

// The object that a name stands for, or "" where it stands for none.
Result<std::string> object_of(const std::string& name) {
    PMOS_ASSIGN(auto done, run_git({"rev-parse", "--verify", "--quiet", "--end-of-options", name}));
    if (done.status != 0) return std::string();
    while (!done.out.empty() && done.out.back() == '\n') done.out.pop_back();
    // Of a range there are two.
    return done.out.contains('\n') ? std::string() : done.out;
}

struct Entry {
    std::string mode, object, path;
};

// "100644 blob OBJECT\tPATH\0", all the way down.
Result<std::vector<Entry>> list_tree(const std::string& tree) {
    PMOS_ASSIGN(const auto done, run_git({"ls-tree", "-r", "-z", "--full-tree", tree}));
    if (done.status != 0) return fail(Code::failed, "git ls-tree says no", first_line(done.err));
    std::vector<Entry> out;
    std::string_view rest = done.out;
    while (!rest.empty()) {
        const auto end = rest.find('\0');
        const auto line = rest.substr(0, end);
        rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
        const auto tab = line.find('\t');
        const auto first = line.find(' '), second = line.find(' ', first + 1);
        if (tab == std::string_view::npos || second == std::string_view::npos || second > tab)
            return fail(Code::failed, "git ls-tree says what cannot be read");
        const std::string path(line.substr(tab + 1));
        // Of the directories below, any may hold blocks; what is no JSON is neither.
        if (!path.ends_with(".json")) continue;
        out.push_back({std::string(line.substr(0, first)),
                       std::string(line.substr(second + 1, tab - second - 1)), path});
        if (out.size() > policy::kMaxBundleEntries)
            return fail(Code::usage, "there are too many files",
                        fmt::format("more than {}", policy::kMaxBundleEntries));
    }
    return out;
}

bool is_file(const Entry& entry) { return entry.mode.starts_with("100"); }

// What is asked for, where git can read it at its own pace.
Result<UniqueFd> requests(const std::vector<Entry>& entries) {
    UniqueFd fd(::memfd_create("objects", MFD_CLOEXEC));
    if (!fd) return fail(errno_error(errno, "cannot make a file in memory"));
    std::string text;
    for (const auto& entry : entries)
        if (is_file(entry)) text += entry.object + "\n";
    if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return fail(errno_error(errno, "cannot write to a file in memory"));
    return fd;
}

// "OBJECT blob SIZE\n", the bytes and "\n", for each request.
Result<std::string_view> next_blob(std::string_view& rest, const std::string& object) {
    const auto line = rest.substr(0, rest.find('\n'));
    const std::string begin = object + " blob ";
    std::size_t size = 0;
    const auto refuse = [&] {
        return fail(Code::failed, fmt::format("git cannot read the object {}", object),
                    first_line(line));
    };
    if (!line.starts_with(begin)) return refuse();
    const auto number = line.substr(begin.size());
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), size);
    if (error != std::errc{} || stop != number.data() + number.size() ||
        rest.size() < line.size() + 1 + size + 1)
        return refuse();
    const auto bytes = rest.substr(line.size() + 1, size);
    rest.remove_prefix(line.size() + 1 + size + 1);
    return bytes;
}

Result<FileSet> read_tree(const std::string& tree, const std::string& shown) {
    PMOS_ASSIGN(const auto entries, list_tree(tree));
    PMOS_ASSIGN(const auto input, requests(entries));
    PMOS_ASSIGN(const auto done,
                run_git({"cat-file", "--batch"}, policy::kMaxBundle, input.borrow()));
    FileSet out;
    out.shown = shown;
    std::string_view rest = done.out;
    for (const auto& entry : entries) {
        FileSet::File& file = out.files[entry.path];
        if (!is_file(entry)) {
            file.error = "it is not a regular file";
            continue;
        }
        PMOS_ASSIGN(const auto bytes, next_blob(rest, entry.object));
        if (bytes.size() > policy::kMaxFileSize)
            file.error = fmt::format("it is larger than {} KiB", policy::kMaxFileSize / 1024);
        else
            file.bytes = bytes;
    }
    return out;
}

// Where the profiles of a revision are when nobody says.
Result<std::string> default_path(const std::string& revision) {
    for (const std::string path : {"./profiles", "profiles"}) {
        PMOS_ASSIGN(const auto found, object_of(revision + ":" + path));
        if (!found.empty()) return path;
    }
    return fail(Code::not_found, fmt::format("'{}' holds no profiles", printable(revision)),
                "there is no directory 'profiles' in it", "name one: REV:DIR");
}

Result<std::string> kind_of(const std::string& object) {
    PMOS_ASSIGN(auto done, run_git({"cat-file", "-t", object}));
    while (!done.out.empty() && done.out.back() == '\n') done.out.pop_back();
    return done.out;
}

// From where we are git takes only what begins with "./" or "../", and takes what ends in ".." for
// a range.
std::string for_git(std::string path) {
    const auto last = path.substr(path.rfind('/') + 1);
    if (last == "." || last == "..") path += '/';
    return path;
}

std::string without_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

}  // namespace

Result<GitFiles> git_files(const std::string& text) {
    const auto colon = text.find(':');
    const std::string revision = text.substr(0, colon);
    PMOS_ASSIGN(const auto top, run_git({"rev-parse", "--git-dir"}));
    const auto none = [&](const std::string& why) {
        return fail(
            Code::not_found, fmt::format("cannot read '{}'", printable(text)), why,
            "name a profile, a directory, a bundle, a revision (REV or REV:DIR) or 'phone'");
    };
    if (top.status != 0)
        return none("there is no such file, and this is no git repository: " + first_line(top.err));
    PMOS_ASSIGN(const auto commit, object_of(revision + "^{commit}"));
    if (revision.empty() || commit.empty()) return none("there is no such file or revision");
    std::string path;
    if (colon == std::string::npos) {
        PMOS_ASSIGN(path, default_path(revision));
    } else {
        path = for_git(without_slashes(text.substr(colon + 1)));
    }
    PMOS_ASSIGN(auto object, object_of(revision + ":" + path));
    if (object.empty()) return none(fmt::format("'{}' has no '{}'", printable(revision), path));
    PMOS_ASSIGN(const auto kind, kind_of(object));
    GitFiles out;
    if (kind == "blob") {
        const auto slash = path.rfind('/');
        out.one = path.substr(slash == std::string::npos ? 0 : slash + 1);
        path = slash == std::string::npos ? "" : for_git(path.substr(0, slash));
        PMOS_ASSIGN(object, object_of(revision + ":" + path));
    }
    PMOS_ASSIGN(out.files,
                read_tree(object, fmt::format("{}:{}", revision, without_slashes(path))));
    return out;
}

}  // namespace pmos::cli
