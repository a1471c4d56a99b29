// cli: fingerprints, which let a mode go on that was locked by freeze: what the verbs of auth do
// with them. The secrets themselves stay in secret_input.cpp.
#include "cli/fingers.h"

#include <fmt/format.h>

#include "cli/mode_info.h"
#include "cli/outcome.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"

namespace pmos::cli {
namespace {

Result<UniqueFd> secret_of_mode(BusClient& bus, const std::string& name,
                                const SecretOptions& options) {
    PMOS_ASSIGN(const auto mode, read_mode(bus, name));
    SecretSource source;
    source.pin_fd = options.pin_fd;
    source.wanted = mode.needs_secret || options.ask;
    source.prompt = fmt::format("PIN for {}", name);
    return obtain_secret(source);
}

}  // namespace

Result<std::vector<std::string>> list_fingers(BusClient& bus, const std::string& mode) {
    PMOS_ASSIGN(const auto answer, bus.call(fingers_address(mode), "List"));
    std::vector<std::string> fingers;
    const char* finger = nullptr;
    int r = sd_bus_message_enter_container(answer.get(), 'a', "s");
    while (r >= 0 && (r = sd_bus_message_read(answer.get(), "s", &finger)) > 0)
        fingers.emplace_back(finger);
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return fingers;
}

Result<int> enroll_finger(const Globals& globals, const std::string& mode,
                          const std::string& finger, const SecretOptions& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto secret, secret_of_mode(bus, mode, options));
    PMOS_TRY(call_with_progress(bus, mode, fingers_address(mode), "Enroll", "sh", finger.c_str(),
                                secret.get()));
    print_outcome(globals, mode, fmt::format("'{}' is enrolled", finger));
    return 0;
}

Result<int> remove_fingers(const Globals& globals, const std::string& mode,
                           const SecretOptions& options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto secret, secret_of_mode(bus, mode, options));
    PMOS_TRY(call_with_progress(bus, mode, fingers_address(mode), "Remove", "h", secret.get()));
    print_outcome(globals, mode, "no finger is enrolled any more");
    return 0;
}

Result<int> test_finger(const Globals& globals, const std::string& mode) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(call_with_progress(bus, mode, fingers_address(mode), "Test", ""));
    print_outcome(globals, mode, "this finger is enrolled, and enough now");
    return 0;
}

}  // namespace pmos::cli
