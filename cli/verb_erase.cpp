// cli: erase, the end of a mode's volumes. Asks for a yes, and for no PIN: nothing is read by it.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/consent.h"
#include "cli/mode_info.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

Result<int> erase(const Globals& globals, const std::string& name, bool yes) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto mode, read_mode(bus, name));
    PMOS_TRY(ask_consent(
        yes, fmt::format("all data of '{}' will be gone: its keys are destroyed on this phone, and "
                         "no PIN brings them back",
                         printable(mode.name))));
    PMOS_TRY(call_with_progress(bus, name, mode_address(name), "Erase", ""));
    print_outcome(globals, name,
                  fmt::format("erased; 'pmosctl {} {}' makes it anew",
                              mode.needs_secret ? "provision" : "unlock", printable(mode.name)));
    return 0;
}

}  // namespace

Action attach_erase(CommandLine& line) {
    auto mode = std::make_shared<std::string>();
    auto yes = std::make_shared<bool>(false);
    line.add_option("MODE", *mode, "the mode").required();
    line.add_flag("--yes", *yes, "do not ask");
    return [mode, yes](const Globals& globals) { return erase(globals, *mode, *yes); };
}

}  // namespace pmos::cli
