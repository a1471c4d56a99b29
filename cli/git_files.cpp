// cli: profiles of a revision of git, by git itself. Never touches the work tree or the index, runs
// no shell.
#include "cli/git_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>

#include "base/fd.h"
#include "base/text.h"
#include "policy/bundle.h"
#include "policy/json_reader.h"

namespace pmos::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Args = std::vector<std::string>;

constexpr auto kPatience = std::chrono::seconds(30);
constexpr std::size_t kMaxListing = 4U << 20;

struct Finished {
    int status = -1;  // exit code, or 128 + signal
    std::string out, err;
};

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
    std::vector<std::string> out{"GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1",
                                 "GIT_ALLOW_PROTOCOL=", "LC_ALL=C.UTF-8"};
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const auto name = text.substr(0, text.find('='));
        if (name != "GIT_TERMINAL_PROMPT" && name != "GIT_NO_LAZY_FETCH" &&
            name != "GIT_ALLOW_PROTOCOL" && name != "LC_ALL" && name != "GIT_TRACE")
            out.emplace_back(text);
    }
    return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

struct Child {
    pid_t pid = -1;
    UniqueFd out, err;
};

Result<Child> spawn(const Args& args, BorrowedFd input) {
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    Child child{-1, UniqueFd(out[0]), {}};
    const UniqueFd out_end(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0) return fail(errno_error(errno, "cannot make a pipe"));
    child.err = UniqueFd(err[0]);
    const UniqueFd err_end(err[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out_end.get(), 1);
    posix_spawn_file_actions_adddup2(&actions, err_end.get(), 2);
    auto line = command_line(args);
    auto env = environment();
    const int r = ::posix_spawnp(&child.pid, "git", &actions, nullptr, pointers(line).data(),
                                 pointers(env).data());
    posix_spawn_file_actions_destroy(&actions);
    if (r == ENOENT)
        return fail(Code::not_found, "cannot look into a revision", "there is no git",
                    "install git, or name a directory");
    if (r != 0) return fail(errno_error(r, "cannot run git"));
    return child;
}

int ended(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Reads both ends until they are closed; "" or why it was given up.
std::string gather(const Child& child, Finished& done, std::size_t limit) {
    const auto until = Clock::now() + kPatience;
    std::array<pollfd, 2> ends{pollfd{child.out.get(), POLLIN, 0}, {child.err.get(), POLLIN, 0}};
    std::string* texts[] = {&done.out, &done.err};
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
        if (left <= 0) return "it takes too long";
        if (::poll(ends.data(), ends.size(), static_cast<int>(left)) < 0 && errno != EINTR)
            return "cannot wait for it";
        for (std::size_t i = 0; i < ends.size(); ++i) {
            if (ends[i].fd < 0 || ends[i].revents == 0) continue;
            char buffer[65536];
            const ssize_t n = ::read(ends[i].fd, buffer, sizeof buffer);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) ends[i].fd = -1;
            if (n > 0) texts[i]->append(buffer, static_cast<std::size_t>(n));
            if (texts[i]->size() > limit) return "it says too much";
        }
    }
    return "";
}

Result<Finished> run_git(const Args& args, std::size_t limit, BorrowedFd input) {
    PMOS_ASSIGN(const auto child, spawn(args, input));
    Finished done;
    const auto why = gather(child, done, limit);
    if (!why.empty()) ::kill(child.pid, SIGKILL);
    done.status = ended(child.pid);
    if (!why.empty()) return fail(Code::failed, fmt::format("'git {}' is given up", args[0]), why);
    return done;
}

Result<Finished> run_git(const Args& args, std::size_t limit = kMaxListing) {
    const UniqueFd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!nothing) return fail(errno_error(errno, "cannot open '/dev/null'"));
    return run_git(args, limit, nothing.borrow());
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
