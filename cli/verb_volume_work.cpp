// cli: the verbs on volumes that take long: volume resize, wipe-free, trim, reencrypt.
// Ctrl-C ends pmosctl, and pmosd ends what its caller is gone from.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "cli/details.h"
#include "cli/outcome.h"
#include "cli/secret_input.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

struct Options {
    VolumeName name;
    std::string size;
    SecretOptions secret;
};

Result<std::uint64_t> bytes_of(const std::string& size) {
    if (size == "device") return 0;
    const auto bytes = policy::parse_size(size);
    if (bytes && *bytes > 0) return *bytes;
    return fail(Code::usage, fmt::format("'{}' is no size", size), "",
                "write it as in a profile, \"4GiB\", or 'device' for all of a block device");
}

Result<int> resize(const Globals& globals, Options options) {
    auto& name = options.name;
    PMOS_ASSIGN(const std::uint64_t bytes, bytes_of(options.size));
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_ASSIGN(const auto secret, secret_of(bus, name, options.secret));
    PMOS_TRY(call_with_progress(bus, name.mode, volumes_address(name.mode), "Resize", "sth",
                                name.volume.c_str(), bytes, secret.get()));
    print_outcome(globals, name.mode, fmt::format("'{}' has grown", name.volume));
    return 0;
}

Result<int> wipe_free(const Globals& globals, VolumeName name) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_TRY(call_with_progress(bus, name.mode, volumes_address(name.mode), "WipeFree", "s",
                                name.volume.c_str()));
    print_outcome(globals, name.mode, fmt::format("free space of '{}' overwritten", name.volume));
    return 0;
}

Result<int> trim(const Globals& globals, VolumeName name) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto message, call_with_progress(bus, name.mode, volumes_address(name.mode),
                                                       "Trim", "s", name.volume.c_str()));
    PMOS_ASSIGN(const auto told, read_details(message));
    print_outcome(globals, name.mode,
                  fmt::format("the storage of '{}' was told of {} free", name.volume,
                              size_words(told.number("trimmed"))));
    return 0;
}

Result<int> reencrypt(const Globals& globals, Options options) {
    auto& name = options.name;
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, name));
    PMOS_ASSIGN(const auto secret, secret_of(bus, name, options.secret));
    PMOS_TRY(call_with_progress(bus, name.mode, volumes_address(name.mode), "Reencrypt", "sh",
                                name.volume.c_str(), secret.get()));
    print_outcome(globals, name.mode,
                  fmt::format("'{}' has a new key; backups of its header are of no use any more",
                              name.volume));
    return 0;
}

void add_pin_option(CommandLine& line, Options& options) {
    add_secret_options(line, options.secret, "read the PIN from this open descriptor");
}

}  // namespace

Action attach_volume_resize(CommandLine& line) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->name.mode, "the mode").required();
    line.add_option("VOLUME", options->name.volume, "its volume").required();
    line.add_option("SIZE", options->size, "size of the file: 4GiB; 'device': all of the device")
        .required();
    add_pin_option(line, *options);
    return [options](const Globals& globals) { return resize(globals, *options); };
}

Action attach_volume_wipe_free(CommandLine& line) {
    auto name = std::make_shared<VolumeName>();
    add_volume_options(line, *name);
    return [name](const Globals& globals) { return wipe_free(globals, *name); };
}

Action attach_volume_trim(CommandLine& line) {
    auto name = std::make_shared<VolumeName>();
    add_volume_options(line, *name);
    return [name](const Globals& globals) { return trim(globals, *name); };
}

Action attach_volume_reencrypt(CommandLine& line) {
    auto options = std::make_shared<Options>();
    add_volume_options(line, options->name);
    add_pin_option(line, *options);
    return [options](const Globals& globals) { return reencrypt(globals, *options); };
}

}  // namespace pmos::cli
