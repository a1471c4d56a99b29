// cli: policy record: a mode runs for a while, and what it needed becomes a proposal. Writes no
// profile: the change goes to standard output, all else to standard error.
#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>

#include "base/unified_diff.h"
#include "cli/mode_info.h"
#include "cli/output.h"
#include "cli/policy_files.h"
#include "cli/this_arch.h"
#include "cli/verbs.h"
#include "policy/names.h"
#include "policy/proposal.h"
#include "policy/site_policy.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

struct RecordOptions {
    std::string mode, how_long = "60s", directory;
};

// A row of what pmosd's answer holds: a denial's details, and how many times.
struct Seen {
    std::map<std::string, std::string> details;
    std::string operator[](const std::string& key) const {
        const auto it = details.find(key);
        return it == details.end() ? "" : it->second;
    }
};
struct Recorded {
    std::vector<Seen> seen;
    std::uint64_t lost = 0;
};

Result<Recorded> read_recorded(const Message& m) {
    Recorded out;
    int r = sd_bus_message_enter_container(m.get(), 'a', "a{ss}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m.get(), 'a', "{ss}")) > 0) {
        Seen& seen = out.seen.emplace_back();
        const char *key = nullptr, *value = nullptr;
        while ((r = sd_bus_message_read(m.get(), "{ss}", &key, &value)) > 0)
            seen.details[key] = value;
        if (r >= 0) r = sd_bus_message_exit_container(m.get());
    }
    if (r >= 0) r = sd_bus_message_exit_container(m.get());
    if (r >= 0) r = sd_bus_message_read(m.get(), "t", &out.lost);
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return out;
}

// SIGINT and SIGTERM end the recording, not us: what was seen until then is the answer.
Result<UniqueFd> watch_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0)
        return fail(errno_error(errno, "cannot block signals"));
    UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return fail(errno_error(errno, "cannot watch for signals"));
    return signals;
}

// Ours alone: while it waits for its turn, the mode that runs is somebody else's.
Result<> ask_to_end(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto end, bus.new_call(mode_address(mode), "EndRecord"));
    return bus.call_async(end, [](Result<Message>) {});
}

Result<Recorded> record(BusClient& bus, const std::string& mode, std::uint32_t for_ms,
                        BorrowedFd signals) {
    PMOS_ASSIGN(const auto request, bus.new_call(mode_address(mode), "Record"));
    if (const int r = sd_bus_message_append(request.get(), "a{sv}", 1, "for_ms", "u", for_ms);
        r < 0)
        return fail(bus_errno(r, "cannot make a request"));
    std::optional<Result<Message>> answer;
    PMOS_TRY(bus.call_async(request, [&](Result<Message> reply) { answer = std::move(reply); }));
    for (;;) {
        PMOS_TRY(bus.dispatch());
        if (answer) break;
        PMOS_ASSIGN(const auto wait, bus.wait_for());
        std::array<pollfd, 2> fds{{{wait.fd, wait.events, 0}, {signals.get(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), wait.timeout_ms) < 0 && errno != EINTR)
            return fail(errno_error(errno, "cannot wait for pmosd"));
        signalfd_siginfo info{};
        if (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
            PMOS_TRY(ask_to_end(bus, mode));
    }
    if (!*answer) return fail(std::move(answer->error()));
    return read_recorded(**answer);
}

// What the proposal is to change. Looked at before the recording, for nothing is worse to hear
// after an hour, and read again behind it.
struct Target {
    std::string directory;
    CheckedPolicy policy;
    policy::ModePolicy mode;
    const policy::Arch* arch = nullptr;

    const std::string& text() const { return policy.texts.at(mode.file); }
};

Result<Target> find_target(const RecordOptions& options, const std::string& file) {
    Target target;
    target.directory = options.directory;
    if (target.directory.empty()) {
        const auto parent = std::filesystem::path(file).parent_path();
        target.directory = parent.empty() ? "." : parent.string();
    }
    PMOS_ASSIGN(target.policy, check_policy({target.directory}));
    PMOS_ASSIGN(target.mode, find_mode(target.policy, options.mode));
    PMOS_ASSIGN(target.arch, this_arch());
    return target;
}

// Errors of the profile as it would be, found by the code that pmosd uses, which knows the owner's
// demands and the other modes.
Result<std::vector<policy::Diagnostic>> errors_of(const Target& target, const std::string& text) {
    PMOS_ASSIGN(const auto checked, check_policy({target.directory}, {{target.mode.file, text}}));
    const auto mode = std::ranges::find(checked.modes, target.mode.mode, &policy::ModePolicy::mode);
    std::vector<policy::Diagnostic> errors;
    if (mode != checked.modes.end())
        std::ranges::copy_if(mode->diagnostics, std::back_inserter(errors),
                             [](const auto& d) { return d.severity == policy::Severity::error; });
    return errors;
}

struct Outcome {
    std::string file, before;
    policy::Proposal proposal;
    std::vector<std::string> notes;
};

std::string describe(const Seen& s) {
    return fmt::format("{} was refused while recording too: {}{}{}", s["what"], s["why"],
                       s["at"].empty() ? "" : " (" + s["at"] + ")",
                       s["hint"].empty() ? "" : "; by hand: " + s["hint"]);
}

policy::Proposal proposal_for(const Target& target, std::span<const policy::Need> needs) {
    const auto never = target.mode.demands
                           ? policy::refused_syscalls(*target.mode.demands, target.mode.mode)
                           : std::set<std::string>{};
    return policy::propose(*target.mode.profile, *target.arch, target.text(), needs, never);
}

// A grant that the owner's demands or another mode refuse is said, and not proposed: each is tried
// alone.
Result<> drop_refused(const Target& target, std::vector<policy::Need>& needs, Outcome& outcome) {
    std::vector<policy::Need> kept;
    for (const auto& need : needs) {
        std::vector<policy::Diagnostic> errors;
        if (need.key.starts_with("devices/")) {
            const auto alone = proposal_for(target, std::span(&need, 1));
            if (!alone.text.empty()) {
                PMOS_ASSIGN(errors, errors_of(target, alone.text));
            }
        }
        if (errors.empty())
            kept.push_back(need);
        else
            outcome.notes.push_back(fmt::format("'{}': '{}' is not proposed: {}", need.key,
                                                need.value, policy::to_text(errors.front())));
    }
    needs = std::move(kept);
    return {};
}

// What the whole change would mean. What the owner forbids is no proposal; another fault is said.
Result<> check_proposal(const Target& target, Outcome& outcome) {
    if (outcome.proposal.text.empty()) return {};
    PMOS_ASSIGN(const auto errors, errors_of(target, outcome.proposal.text));
    for (const auto& d : errors) {
        outcome.notes.push_back("with this change the profile does not load: " +
                                policy::to_text(d));
        if (d.rule == policy::Rule::site_policy) outcome.proposal = {};
    }
    return {};
}

Result<Outcome> propose(const Recorded& recorded, const Target& target) {
    std::vector<policy::Need> needs;
    Outcome outcome;
    for (const auto& s : recorded.seen) {
        // A device stays refused while it is recorded: a grant is what it needs all the same.
        const bool device = s["layer"] == "device" && !s["key"].empty();
        if (s["verdict"] == "allowed" || device)
            needs.push_back({s["key"], s["value"]});
        else
            outcome.notes.push_back(describe(s));
    }
    outcome.file = target.mode.file;
    outcome.before = target.text();
    PMOS_TRY(drop_refused(target, needs, outcome));
    outcome.proposal = proposal_for(target, needs);
    std::ranges::copy(outcome.proposal.notes, std::back_inserter(outcome.notes));
    if (recorded.lost > 0)
        outcome.notes.push_back(
            fmt::format("{} records were lost: record again, for less at once", recorded.lost));
    PMOS_TRY(check_proposal(target, outcome));
    return outcome;
}

void print(const Outcome& outcome) {
    for (const auto& note : outcome.notes) fmt::print(stderr, "note: {}\n", printable(note));
    const auto& proposal = outcome.proposal;
    if (proposal.empty()) {
        fmt::print(stderr, "nothing to propose{}\n",
                   outcome.notes.empty() ? ": the profile allows all that was seen" : "");
        return;
    }
    if (proposal.text.empty()) {
        fmt::print(stderr, "'{}' cannot be edited: merge this by hand\n", printable(outcome.file));
        return put(proposal.fragment);
    }
    const auto name = std::filesystem::path(outcome.file).filename().string();
    put(unified_diff(name, outcome.before, proposal.text));
    fmt::print(stderr, "apply it with: patch {} <DIFF; then: pmosctl reload\n",
               printable(outcome.file));
}

Json to_json(const std::string& mode, const Recorded& recorded, const Outcome& outcome) {
    Json seen = Json::array();
    for (const auto& s : recorded.seen) seen.push_back(s.details);
    const auto name = std::filesystem::path(outcome.file).filename().string();
    const auto& text = outcome.proposal.text;
    return {{"mode", mode},
            {"file", outcome.file},
            {"seen", std::move(seen)},
            {"lost", recorded.lost},
            {"notes", outcome.notes},
            {"change", outcome.proposal.fragment},
            {"diff", text.empty() ? "" : unified_diff(name, outcome.before, text)}};
}

Result<int> policy_record(const Globals& globals, const RecordOptions& options) {
    const auto for_ms = policy::parse_duration(options.how_long);
    if (!for_ms || *for_ms > UINT32_MAX)
        return fail(Code::usage, fmt::format("'{}' is no duration", options.how_long), "",
                    "write 30s or 5min");
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto mode, read_mode(bus, options.mode));
    PMOS_TRY(find_target(options, mode.file));
    PMOS_ASSIGN(const auto signals, watch_signals());
    fmt::print(stderr,
               "recording {} for {}: what its filter refuses is let through, as far as that may "
               "be; use it as it will be used, Ctrl-C ends it\n",
               options.mode, options.how_long);
    PMOS_ASSIGN(const auto recorded,
                record(bus, options.mode, static_cast<std::uint32_t>(*for_ms), signals.borrow()));
    PMOS_ASSIGN(const auto target, find_target(options, mode.file));
    PMOS_ASSIGN(const auto outcome, propose(recorded, target));
    if (globals.json)
        put_line(to_json(options.mode, recorded, outcome)
                     .dump(2, ' ', false, Json::error_handler_t::replace));
    else
        print(outcome);
    return 0;
}

}  // namespace

Action attach_policy_record(CommandLine& line) {
    auto options = std::make_shared<RecordOptions>();
    line.add_option("MODE", options->mode, "a mode that is stopped").required();
    line.add_option("--for", options->how_long, "for how long: 60s, 5min (default 60s)");
    line.add_option("--dir", options->directory, "the profiles to change, if not pmosd's");
    return [options](const Globals& globals) { return policy_record(globals, *options); };
}

}  // namespace pmos::cli
