// cli: duress set and duress remove. The PINs themselves stay in secret_input.cpp.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/details.h"
#include "cli/outcome.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

struct Options {
    std::string mode;
    int pin_fd = -1, duress_pin_fd = -1;
};

// A mode has one at most.
Result<std::string> volume_with_pin(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(volumes_address(mode), "List"));
    PMOS_ASSIGN(const auto volumes, read_all_details(answer));
    for (const auto& v : volumes)
        if (v["secret"] != "no") return v["name"];
    return fail(Code::usage, fmt::format("'{}' has no volume that wants a PIN", mode),
                volumes.empty() ? "it has no volume" : "they open with nobody there",
                "see: pmosctl auth list");
}

Result<UniqueFd> secret_from(int fd, bool confirm, std::string prompt) {
    SecretSource source;
    source.pin_fd = fd;
    source.confirm = confirm;
    source.prompt = std::move(prompt);
    return obtain_secret(source);
}

Result<int> set(const Globals& globals, const Options& options) {
    if (options.pin_fd >= 0 && options.pin_fd == options.duress_pin_fd)
        return fail(Code::usage, "the two PINs need a descriptor each", "",
                    "pmosctl duress set MODE --pin-fd 3 --duress-pin-fd 4 3< PIN 4< DURESS");
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const std::string volume, volume_with_pin(bus, options.mode));
    PMOS_ASSIGN(const auto pin,
                secret_from(options.pin_fd, false, fmt::format("PIN for {}", options.mode)));
    PMOS_ASSIGN(const auto duress, secret_from(options.duress_pin_fd, true,
                                               fmt::format("duress PIN for {}", options.mode)));
    PMOS_TRY(call_with_progress(bus, options.mode, volumes_address(options.mode), "SetDuress",
                                "shh", volume.c_str(), pin.get(), duress.get()));
    print_outcome(globals, options.mode, "the duress PIN erases it from now on");
    return 0;
}

Result<int> remove(const Globals& globals, const Options& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const std::string volume, volume_with_pin(bus, options.mode));
    PMOS_ASSIGN(const auto pin,
                secret_from(options.pin_fd, false, fmt::format("PIN for {}", options.mode)));
    PMOS_TRY(call_with_progress(bus, options.mode, volumes_address(options.mode), "RemoveDuress",
                                "sh", volume.c_str(), pin.get()));
    print_outcome(globals, options.mode, "no PIN erases it any more");
    return 0;
}

std::shared_ptr<Options> common(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->mode, "the mode").required();
    line.add_option("--pin-fd", options->pin_fd, "read the PIN from this open descriptor")
        .not_negative();
    return options;
}

}  // namespace

Action attach_duress_set(CommandLine& line) {
    auto options = common(line);
    line.add_option("--duress-pin-fd", options->duress_pin_fd,
                    "read the duress PIN from this open descriptor")
        .not_negative();
    return [options](const Globals& globals) { return set(globals, *options); };
}

Action attach_duress_remove(CommandLine& line) {
    auto options = common(line);
    return [options](const Globals& globals) { return remove(globals, *options); };
}

}  // namespace pmos::cli
