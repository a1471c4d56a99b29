// oci: the command line of an OCI runtime, as runc has made it known. See options.h.
#include "runtime/oci/options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "policy/oci_config.h"

namespace pmos::oci {
namespace {

struct CommandRow {
    std::string_view name;
    Command command;
    std::string_view usage;  // behind the name
};
constexpr std::array kCommands{
    CommandRow{"create", Command::create,
               "[--bundle DIR] [--pid-file FILE] [--console-socket PATH] ID"},
    CommandRow{"start", Command::start, "ID"},
    CommandRow{"state", Command::state, "ID"},
    CommandRow{"kill", Command::kill, "[--all] ID [SIGNAL]"},
    CommandRow{"delete", Command::remove, "[--force] ID"},
    CommandRow{"run", Command::run, "[--bundle DIR] [--detach] [--keep] ID"},
    CommandRow{"exec", Command::exec,
               "[--process FILE] [--tty] [--detach] ID [PROGRAM ARGUMENT...]"},
    CommandRow{"list", Command::list, "[--quiet] [--format table|json]"},
    CommandRow{"ps", Command::ps, "[--format table|json] ID"},
    CommandRow{"pause", Command::pause, "ID"},
    CommandRow{"resume", Command::resume, "ID"},
    CommandRow{"update", Command::update,
               "[--resources FILE] [--memory BYTES] [--pids-limit N] ID"},
    CommandRow{"events", Command::events, "[--stats] [--interval SECONDS] ID"},
    CommandRow{"features", Command::features, ""},
    CommandRow{"spec", Command::spec, "[--bundle DIR] [--rootless]"},
};

// Numbers of the long options that have no letter.
enum Long : int {
    kRoot = 256,
    kLog,
    kLogFormat,
    kDebug,
    kSystemdCgroup,
    kRootless,
    kSite,
    kPidFile,
    kConsoleSocket,
    kPreserveFds,
    kNoPivot,
    kNoNewKeyring,
    kKeep,
    kProcess,
    kCwd,
    kCapability,
    kAdditionalGids,
    kNoNewPrivileges,
    kApparmor,
    kStats,
    kInterval,
    kFormat,
    kResources,
    kIgnorePaused,
    kConfig,
    kLimit,  // of update: the option's name is the limit's
};

const option kGlobal[] = {
    {"root", required_argument, nullptr, kRoot},
    {"log", required_argument, nullptr, kLog},
    {"log-format", required_argument, nullptr, kLogFormat},
    {"debug", no_argument, nullptr, kDebug},
    {"systemd-cgroup", no_argument, nullptr, kSystemdCgroup},
    {"cgroup-manager", required_argument, nullptr, kLimit},
    {"rootless", required_argument, nullptr, kRootless},
    {"site", required_argument, nullptr, kSite},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'v'},
    {},
};

const option kOfCommands[] = {
    {"bundle", required_argument, nullptr, 'b'},
    {"config", required_argument, nullptr, 'f'},
    {"pid-file", required_argument, nullptr, kPidFile},
    {"console-socket", required_argument, nullptr, kConsoleSocket},
    {"preserve-fds", required_argument, nullptr, kPreserveFds},
    {"no-pivot", no_argument, nullptr, kNoPivot},
    {"no-new-keyring", no_argument, nullptr, kNoNewKeyring},
    {"no-subreaper", no_argument, nullptr, kNoNewKeyring},
    {"keep", no_argument, nullptr, kKeep},
    {"detach", no_argument, nullptr, 'd'},
    {"force", no_argument, nullptr, 'F'},
    {"all", no_argument, nullptr, 'a'},
    {"process", required_argument, nullptr, kProcess},
    {"tty", no_argument, nullptr, 't'},
    {"cwd", required_argument, nullptr, kCwd},
    {"env", required_argument, nullptr, 'e'},
    {"user", required_argument, nullptr, 'u'},
    {"additional-gids", required_argument, nullptr, kAdditionalGids},
    {"cap", required_argument, nullptr, kCapability},
    {"no-new-privs", no_argument, nullptr, kNoNewPrivileges},
    {"apparmor", required_argument, nullptr, kApparmor},
    {"ignore-paused", no_argument, nullptr, kIgnorePaused},
    {"stats", no_argument, nullptr, kStats},
    {"interval", required_argument, nullptr, kInterval},
    {"format", required_argument, nullptr, kFormat},
    {"quiet", no_argument, nullptr, 'q'},
    {"resources", required_argument, nullptr, 'r'},
    {"rootless", no_argument, nullptr, kRootless},
    {"memory", required_argument, nullptr, kLimit},
    {"memory-reservation", required_argument, nullptr, kLimit},
    {"memory-swap", required_argument, nullptr, kLimit},
    {"cpu-period", required_argument, nullptr, kLimit},
    {"cpu-quota", required_argument, nullptr, kLimit},
    {"cpu-share", required_argument, nullptr, kLimit},
    {"cpuset-cpus", required_argument, nullptr, kLimit},
    {"cpuset-mems", required_argument, nullptr, kLimit},
    {"blkio-weight", required_argument, nullptr, kLimit},
    {"pids-limit", required_argument, nullptr, kLimit},
    {"help", no_argument, nullptr, 'h'},
    {},
};

void print_usage() {
    std::string text =
        "usage: pmos-oci [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup]\n"
        "                [--site FILE] COMMAND [OPTION...]\n\n";
    for (const auto& row : kCommands) text += fmt::format("    {} {}\n", row.name, row.usage);
    std::fputs(text.c_str(), stdout);
}

std::unexpected<Error> usage(std::string what, std::string_view command = "") {
    const auto row = std::ranges::find(kCommands, command, &CommandRow::name);
    return fail(Code::usage, std::move(what), "",
                row == kCommands.end() ? "see: pmos-oci --help"
                                       : fmt::format("pmos-oci {} {}", row->name, row->usage));
}

bool read_number(std::string_view text, unsigned& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

Result<bool> take_global(int letter, Options& out) {
    switch (letter) {
        case kRoot:
            out.root = optarg;
            return true;
        case kLog:
            out.log = optarg;
            return true;
        case kLogFormat:
            out.log_format = optarg;
            if (out.log_format != "text" && out.log_format != "json")
                return usage(fmt::format("no log format '{}'", out.log_format));
            return true;
        case kDebug:
            out.debug = true;
            return true;
        case kSystemdCgroup:
            out.systemd_cgroup = true;
            return true;
        case kLimit:
            out.systemd_cgroup = std::string_view(optarg) == "systemd";
            return true;
        case kRootless:
            return true;  // it is looked at, not told
        case kSite:
            out.site = optarg;
            return true;
        case 'h':
            print_usage();
            return false;
        case 'v':
            fmt::print("pmos-oci version {}\nspec: {}\n", PMOS_VERSION, policy::oci::kVersion);
            return false;
        default:
            return usage("an option that there is not, or without what belongs to it");
    }
}

Result<> take_number(std::string_view command, const char* name, unsigned& out) {
    if (read_number(optarg, out)) return {};
    return usage(fmt::format("--{} takes a number, not '{}'", name, optarg), command);
}

Result<> take_text(int letter, const char* name, std::string_view command, Options& out) {
    switch (letter) {
        case 'b':
            out.bundle = optarg;
            return {};
        case 'f':
            // kill's and ps's -f is a format, create's another file of configuration.
            (command == "ps" || command == "list" ? out.format : out.config) = optarg;
            return {};
        case kPidFile:
            out.pid_file = optarg;
            return {};
        case kConsoleSocket:
            out.console_socket = optarg;
            return {};
        case kPreserveFds:
            return take_number(command, name, out.preserve_fds);
        case 'p':
        case kProcess:
            out.process = optarg;
            return {};
        case kCwd:
            out.cwd = optarg;
            return {};
        case 'e':
            out.env.emplace_back(optarg);
            return {};
        case 'u':
            out.user = optarg;
            return {};
        case 'g':
        case kAdditionalGids: {
            unsigned gid = 0;
            PMOS_TRY(take_number(command, "additional-gids", gid));
            out.additional_gids.push_back(gid);
            return {};
        }
        case 'c':
        case kCapability:
            out.capabilities.emplace_back(optarg);
            return {};
        case kApparmor:
            out.apparmor = optarg;
            return {};
        case kInterval: {
            // As Go writes a duration: "5s".
            std::string_view text = optarg;
            if (text.ends_with('s')) text.remove_suffix(1);
            if (read_number(text, out.interval_s) && out.interval_s != 0) return {};
            return usage(fmt::format("--interval takes seconds, not '{}'", optarg), command);
        }
        case kFormat:
            out.format = optarg;
            return {};
        case 'r':
            out.resources = optarg;
            return {};
        case kLimit:
            out.limits.emplace_back(name, optarg);
            return {};
        default:
            return usage("an option that there is not, or without what belongs to it", command);
    }
}

// False where help was asked for.
Result<bool> take_option(int letter, const char* name, std::string_view command, Options& out) {
    switch (letter) {
        case 'd':
            out.detach = true;
            return true;
        case 'F':
            out.force = true;
            return true;
        case 'a':
            out.all = true;
            return true;
        case 't':
            out.tty = true;
            return true;
        case 'q':
            out.quiet = true;
            return true;
        case kKeep:
            out.keep = true;
            return true;
        case kNoNewPrivileges:
            out.no_new_privileges = true;
            return true;
        case kIgnorePaused:
            out.ignore_paused = true;
            return true;
        case kStats:
            out.stats = true;
            return true;
        case kRootless:
            out.rootless = true;
            return true;
        case kNoNewKeyring:
            return true;  // a new one costs nothing, and shares nothing
        case kNoPivot:
            return usage("--no-pivot would leave the host's files within reach, and is not done",
                         command);
        case 'h':
            print_usage();
            return false;
        default:
            PMOS_TRY(take_text(letter, name, command, out));
            return true;
    }
}

Result<> take_words(int argc, char** argv, const CommandRow& row, Options& out) {
    std::vector<std::string> words(argv + optind, argv + argc);
    const bool named = row.usage.contains("ID");
    if (named && words.empty()) return usage("which container", row.name);
    if (named) {
        out.id = words.front();
        words.erase(words.begin());
    }
    const bool more =
        out.command == Command::exec || out.command == Command::kill || out.command == Command::ps;
    if (!more && !words.empty())
        return usage(fmt::format("'{}' is too much", words.front()), row.name);
    if (out.command == Command::exec && words.empty() && out.process.empty())
        return usage("which program", row.name);
    out.words = std::move(words);
    return {};
}

}  // namespace

Result<std::optional<Options>> parse_options(int argc, char** argv) {
    Options out;
    ::opterr = 0;
    // "+": what stands behind the command is the command's.
    for (int letter = 0; (letter = ::getopt_long(argc, argv, "+hv", kGlobal, nullptr)) != -1;) {
        PMOS_ASSIGN(const bool goes_on, take_global(letter, out));
        if (!goes_on) return std::nullopt;
    }
    if (optind >= argc) return usage("no command");
    const std::string_view name = argv[optind];
    const auto row = std::ranges::find(kCommands, name, &CommandRow::name);
    if (row == kCommands.end()) return usage(fmt::format("no command '{}'", name));
    out.command = row->command;
    const int first = optind;
    argc -= first;
    argv += first;
    optind = 1;
    const bool removes = out.command == Command::remove;
    const char* const letters = removes ? "+fh" : "+ab:c:de:f:g:hp:qr:tu:";
    for (int letter = 0, index = -1;
         (letter = ::getopt_long(argc, argv, letters, kOfCommands, &index)) != -1; index = -1) {
        if (removes && letter == 'f') letter = 'F';
        const char* option_name = index >= 0 ? kOfCommands[index].name : "";
        PMOS_ASSIGN(const bool goes_on, take_option(letter, option_name, row->name, out));
        if (!goes_on) return std::nullopt;
    }
    PMOS_TRY(take_words(argc, argv, *row, out));
    return out;
}

}  // namespace pmos::oci
