// cli: another way to open a volume, or one less: auth enroll, auth remove. The secrets themselves
// stay in secret_input.cpp and secret_output.cpp.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "cli/details.h"
#include "cli/fingers.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/secret_input.h"
#include "cli/secret_output.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

struct Options {
    VolumeName name;
    std::string what, finger = "right-index-finger";
    SecretOptions secret;
    int new_pin_fd = -1, out_fd = -1;
};

Result<Details> enroll_with(BusClient& bus, const Options& options, int secret, int other) {
    const auto& name = options.name;
    const auto view = std::make_shared<ProgressView>(STDERR_FILENO);
    PMOS_TRY(show_progress(bus, name.mode, view));
    const auto address = volumes_address(name.mode);
    auto answer = other < 0 ? bus.call(address, "EnrollFactor", "sshah", name.volume.c_str(),
                                       options.what.c_str(), secret, 0)
                            : bus.call(address, "EnrollFactor", "sshah", name.volume.c_str(),
                                       options.what.c_str(), secret, 1, other);
    view->finish();
    if (!answer) return fail(std::move(answer.error()));
    return read_details(*answer);
}

// The worker makes it, and says it to nobody but this pipe.
Result<Details> enroll_recovery(BusClient& bus, const Options& options) {
    PMOS_ASSIGN(const auto sink, SecretSink::open(options.out_fd));
    PMOS_ASSIGN(const auto secret, secret_of(bus, options.name, options.secret));
    PMOS_ASSIGN(auto pipe, make_secret_pipe());
    PMOS_ASSIGN(auto told, enroll_with(bus, options, secret.get(), pipe.writer.get()));
    pipe.writer.reset();
    PMOS_ASSIGN(const auto key, read_secret(pipe.reader.borrow(), kMaxSecret));
    PMOS_TRY(sink.show(key, fmt::format("the recovery key of '{}'", options.name.mode)));
    return told;
}

Result<Details> enroll_chosen(BusClient& bus, const Options& options) {
    PMOS_ASSIGN(const auto secret, secret_of(bus, options.name, options.secret));
    SecretSource source;
    source.pin_fd = options.new_pin_fd;
    // An authenticator knows its PIN already, and says when it is another.
    source.confirm = options.what != "fido2";
    source.prompt = source.confirm ? fmt::format("new {} for {}", options.what, options.name.mode)
                                   : "PIN of the authenticator";
    PMOS_ASSIGN(const auto fresh, obtain_secret(source));
    return enroll_with(bus, options, secret.get(), fresh.get());
}

// Nobody has to make a secret up for it, nor to keep one.
bool makes_itself(const std::string& method) { return method == "escrow" || method == "tpm2"; }

Result<Details> enroll_alone(BusClient& bus, const Options& options) {
    PMOS_ASSIGN(const auto secret, secret_of(bus, options.name, options.secret));
    return enroll_with(bus, options, secret.get(), -1);
}

Result<int> enroll(const Globals& globals, Options options) {
    if (options.what == kFingerprint)
        return enroll_finger(globals, options.name.mode, options.finger, options.secret);
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, options.name));
    if (options.secret.pin_fd >= 0 && options.secret.pin_fd == options.new_pin_fd)
        return fail(Code::usage, "the old and the new secret need a descriptor each", "",
                    "pmosctl auth enroll ... --pin-fd 3 --new-pin-fd 4 3< OLD 4< NEW");
    PMOS_ASSIGN(const auto told, options.what == "recovery-key" ? enroll_recovery(bus, options)
                                 : makes_itself(options.what)   ? enroll_alone(bus, options)
                                                                : enroll_chosen(bus, options));
    print_outcome(
        globals, options.name.mode,
        fmt::format("'{}' opens it too, in keyslot {}", options.what, printable(told["keyslot"])));
    return 0;
}

Result<int> remove(const Globals& globals, Options options) {
    if (options.what == kFingerprint)
        return remove_fingers(globals, options.name.mode, options.secret);
    auto& name = options.name;
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto secret, secret_of(bus, name, options.secret));
    PMOS_ASSIGN(const auto answer,
                call_with_progress(bus, name.mode, volumes_address(name.mode), "RemoveFactor",
                                   "ssh", name.volume.c_str(), options.what.c_str(), secret.get()));
    PMOS_ASSIGN(const auto told, read_details(answer));
    print_outcome(globals, name.mode,
                  fmt::format("'{}' in keyslot {} opens it no more", printable(told["method"]),
                              printable(told["keyslot"])));
    return 0;
}

std::shared_ptr<Options> common(CommandLine& line, const char* name, const char* what) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->name.mode, "the mode").required();
    line.add_option(name, options->what, what).required();
    line.add_option("--volume", options->name.volume, "its volume; the only one need not be named");
    add_secret_options(line, options->secret,
                       "read a secret that opens it now from this open descriptor");
    return options;
}

}  // namespace

Action attach_auth_enroll(CommandLine& line) {
    auto options =
        common(line, "METHOD",
               "recovery-key, escrow, tpm2+pin, tpm2, fido2, pin, passphrase or fingerprint");
    line.add_option("--new-pin-fd", options->new_pin_fd,
                    "read the new PIN, or the authenticator's, from this open descriptor")
        .not_negative();
    line.add_option("--finger", options->finger, "which finger, of a fingerprint").shows_default();
    line.add_option("--out-fd", options->out_fd,
                    "write the recovery key to this open descriptor, not to the terminal")
        .not_negative();
    return [options](const Globals& globals) { return enroll(globals, *options); };
}

Action attach_auth_remove(CommandLine& line) {
    auto options = common(line, "WHAT", "a method, or the number of a keyslot");
    return [options](const Globals& globals) { return remove(globals, *options); };
}

}  // namespace pmos::cli
