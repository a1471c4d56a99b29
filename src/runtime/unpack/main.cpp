// unpack: pmos-unpack, one archive from standard input into one directory, and then the end. Reads
// what strangers made, so it is a process of its own and keeps no right to write elsewhere.
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <string_view>

#include "runtime/unpack/unpack.h"

namespace {

using namespace pmos;

constexpr const char* kUsage =
    "usage: pmos-unpack [--layer] [--all-root] [--limit BYTES] DIRECTORY <ARCHIVE";

struct Arguments {
    unpack::Options options;
    const char* directory = nullptr;
};

Result<Arguments> parse(int argc, char** argv) {
    Arguments out;
    const auto refused = [] { return fail(Code::usage, kUsage); };
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--layer") {
            out.options.layer = true;
        } else if (word == "--all-root") {
            out.options.all_root = true;
        } else if (word == "--limit" && i + 1 < argc) {
            const std::string_view number = argv[++i];
            const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(),
                                                      out.options.max_bytes);
            if (error != std::errc{} || end != number.data() + number.size()) return refused();
        } else if (out.directory == nullptr && !word.starts_with('-')) {
            out.directory = argv[i];
        } else {
            return refused();
        }
    }
    if (out.directory == nullptr) return refused();
    return out;
}

// Files can be opened, made and linked below the directory and nowhere else. A kernel without
// Landlock has only what unpack() does by itself.
Result<> stay_below(BorrowedFd directory) {
    constexpr std::uint64_t kRefer = 1ULL << 13;  // ABI 2: links from one directory to another
    const long abi =
        ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 2) return {};
    landlock_ruleset_attr rules{};
    rules.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1U) - 1;  // all of ABI 1
    rules.handled_access_fs |= kRefer;
    const UniqueFd set(
        static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0)));
    landlock_path_beneath_attr below{};
    below.allowed_access = rules.handled_access_fs & ~std::uint64_t{LANDLOCK_ACCESS_FS_EXECUTE};
    below.parent_fd = directory.get();
    if (!set ||
        ::syscall(SYS_landlock_add_rule, set.get(), LANDLOCK_RULE_PATH_BENEATH, &below, 0) != 0 ||
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_landlock_restrict_self, set.get(), 0) != 0)
        return fail(errno_error(errno, "cannot stay below the directory"));
    return {};
}

Result<> run(int argc, char** argv) {
    PMOS_ASSIGN(const auto arguments, parse(argc, argv));
    // Names of archives are UTF-8; the converters that libarchive wants are opened here.
    if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr)
        return fail(Code::unsupported, "there is no locale C.UTF-8");
    ::umask(0);
    const UniqueFd directory(
        ::open(arguments.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory)
        return fail(errno_error(errno, fmt::format("cannot open '{}'", arguments.directory)));
    PMOS_TRY(stay_below(directory.borrow()));
    return unpack::unpack(BorrowedFd(STDIN_FILENO), directory.borrow(), arguments.options,
                          [](const std::string& what) { fmt::print("{}\n", what); });
}

}  // namespace

int main(int argc, char** argv) {
    const auto done = run(argc, argv);
    const bool said = std::fflush(stdout) == 0;
    if (done && said) return 0;
    if (done) return 1;
    fmt::print(stderr, "{}\n", done.error().message());
    if (!done.error().fix.empty()) fmt::print(stderr, "hint: {}\n", done.error().fix);
    return done.error().code == Code::usage ? 2 : 1;
}
