// cli: the verbs that pass a secret: provision and unlock. The secret itself stays in
// secret_input.cpp.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/mode_info.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/reencryption_note.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/verbs.h"

namespace pmos::cli {
namespace {

struct Options {
    std::string mode;
    SecretOptions secret;
    bool no_start = false, fingerprint = false;
};

Result<UniqueFd> secret_for(const ModeInfo& mode, const Options& options, bool confirm) {
    SecretSource source;
    source.pin_fd = options.secret.pin_fd;
    source.wanted = mode.needs_secret || options.secret.ask;
    source.confirm = confirm;
    source.prompt = fmt::format("{} for {}", confirm ? "new PIN" : "PIN", mode.name);
    return obtain_secret(source);
}

Result<> refuse_disabled(const ModeInfo& mode) {
    if (mode.state != "disabled") return {};
    return fail(Code::disabled, fmt::format("mode '{}' is disabled", mode.name), mode.reason,
                "'pmosctl policy check' shows where its profile is wrong");
}

Result<int> provision(const Globals& globals, const Options& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto mode, read_mode(bus, options.mode));
    PMOS_TRY(refuse_disabled(mode));
    // pmosd refuses as well; nobody should think up a PIN first.
    if (mode.provisioned)
        return fail(Code::already_exists, fmt::format("cannot provision '{}'", mode.name),
                    "its volumes exist",
                    fmt::format("open them with 'pmosctl unlock {}'", mode.name));
    PMOS_ASSIGN(const auto secret, secret_for(mode, options, true));
    PMOS_TRY(call_with_progress(bus, options.mode, mode_address(options.mode), "Provision",
                                "ha{sv}", secret.get(), 0));
    print_outcome(globals, options.mode, "provisioned");
    return 0;
}

Result<int> start_unlocked(const Globals& globals, BusClient& bus, const Options& options) {
    if (options.no_start) {
        print_outcome(globals, options.mode, "already unlocked");
        return 0;
    }
    PMOS_ASSIGN(const auto answer, bus.call(mode_address(options.mode), "Start"));
    int started = 0;
    PMOS_TRY(read(answer, "b", &started));
    print_outcome(globals, options.mode,
                  started != 0 ? "already unlocked, started" : "already unlocked and running");
    return 0;
}

// pmosd asks the reader, and knows when a finger is enough.
Result<int> unlock_by_finger(const Globals& globals, BusClient& bus, const Options& options) {
    PMOS_TRY(call_with_progress(bus, options.mode, fingers_address(options.mode), "Unlock", ""));
    print_outcome(globals, options.mode, "unlocked by fingerprint");
    return 0;
}

Result<int> unlock(const Globals& globals, const Options& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto mode, read_mode(bus, options.mode));
    PMOS_TRY(refuse_disabled(mode));
    // One that no person opens is made on the way.
    if (!mode.provisioned && mode.needs_secret)
        return fail(Code::not_provisioned, fmt::format("cannot unlock '{}'", mode.name),
                    "its volumes have not been made",
                    fmt::format("make them with 'pmosctl provision {}'", mode.name));
    if (!mode.locked) return start_unlocked(globals, bus, options);
    if (options.fingerprint) return unlock_by_finger(globals, bus, options);
    PMOS_ASSIGN(const auto secret, secret_for(mode, options, false));
    const auto view = std::make_shared<ProgressView>(STDERR_FILENO);
    PMOS_TRY(show_progress(bus, options.mode, view));
    ReencryptionNote note;
    PMOS_TRY(note.listen(bus, options.mode));
    auto answer = bus.call(mode_address(options.mode), "Unlock", "ha{sv}", secret.get(), 1, "start",
                           "b", options.no_start ? 0 : 1);
    view->finish();
    PMOS_TRY(std::move(answer));
    print_outcome(globals, options.mode, options.no_start ? "unlocked" : "unlocked and started");
    note.print();
    return 0;
}

std::shared_ptr<Options> common_options(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->mode, "the mode").required();
    add_secret_options(line, options->secret,
                       "read the PIN from this open descriptor, to its end or a line feed");
    return options;
}

}  // namespace

Action attach_provision(CommandLine& line) {
    auto options = common_options(line);
    return [options](const Globals& globals) { return provision(globals, *options); };
}

Action attach_unlock(CommandLine& line) {
    auto options = common_options(line);
    line.add_flag("--no-start", options->no_start, "open the volumes only");
    line.add_flag("--fingerprint", options->fingerprint,
                  "let a finger do, where the mode was locked by freeze")
        .excludes({"--pin-fd", "--ask", "--no-start"});
    return [options](const Globals& globals) { return unlock(globals, *options); };
}

}  // namespace pmos::cli
