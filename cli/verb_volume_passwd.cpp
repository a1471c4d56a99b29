// cli: volume passwd, another PIN in place of the one that opens a volume. The PINs themselves stay
// in secret_input.cpp.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/outcome.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

struct Options {
    VolumeName name;
    int pin_fd = -1, new_pin_fd = -1;
};

Result<UniqueFd> secret_from(int fd, bool confirm, const std::string& prompt) {
    SecretSource source;
    source.pin_fd = fd;
    source.confirm = confirm;
    source.prompt = prompt;
    return obtain_secret(source);
}

Result<int> passwd(const Globals& globals, Options options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    auto& name = options.name;
    PMOS_TRY(settle_name(bus, name));
    if (options.pin_fd >= 0 && options.pin_fd == options.new_pin_fd)
        return fail(Code::usage, "the old and the new PIN need a descriptor each", "",
                    "pmosctl volume passwd ... --pin-fd 3 --new-pin-fd 4 3< OLD 4< NEW");
    const std::string of = fmt::format("PIN for {}", name.mode);
    PMOS_ASSIGN(const auto old, secret_from(options.pin_fd, false, "old " + of));
    PMOS_ASSIGN(const auto fresh, secret_from(options.new_pin_fd, true, "new " + of));
    PMOS_TRY(call_with_progress(bus, name.mode, volumes_address(name.mode), "ChangeSecret", "shh",
                                name.volume.c_str(), old.get(), fresh.get()));
    print_outcome(globals, name.mode, "the new PIN opens it, the old one no more");
    return 0;
}

}  // namespace

Action attach_volume_passwd(CommandLine& line) {
    auto options = std::make_shared<Options>();
    add_volume_options(line, options->name);
    line.add_option("--pin-fd", options->pin_fd, "read the old PIN from this open descriptor")
        .not_negative();
    line.add_option("--new-pin-fd", options->new_pin_fd,
                    "read the new PIN from this open descriptor")
        .not_negative();
    return [options](const Globals& globals) { return passwd(globals, *options); };
}

}  // namespace pmos::cli
