// cli: volume backup and volume restore: a header into a file and back. The file is opened here,
// with the caller's rights, and passed on open.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "cli/consent.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/show_progress.h"
#include "cli/volume_address.h"

namespace pmos::cli {
namespace {

struct Options {
    VolumeName name;
    std::string file;
    bool yes = false;
};

Result<> call(BusClient& bus, const VolumeName& name, const char* member, const UniqueFd& file) {
    PMOS_TRY(call_with_progress(bus, name.mode, volumes_address(name.mode), member, "sh",
                                name.volume.c_str(), file.get()));
    return {};
}

Result<int> backup(const Globals& globals, Options options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, options.name));
    const UniqueFd file(
        ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file)
        return fail(errno_error(errno, fmt::format("cannot make '{}'", options.file),
                                errno == EEXIST ? "name a file that is not there yet" : ""));
    if (auto written = call(bus, options.name, "BackupHeader", file); !written) {
        ::unlink(options.file.c_str());
        return fail(std::move(written.error()));
    }
    std::fputs(
        "warning: this file and the PIN of today open the volume, also after the PIN was changed\n"
        "or the volume erased. Guesses at it are not counted. Keep it apart from the phone.\n",
        stderr);
    print_outcome(globals, options.name.mode,
                  fmt::format("header written to '{}'", printable(options.file)));
    return 0;
}

Result<int> restore(const Globals& globals, Options options) {
    PMOS_ASSIGN(auto bus, globals.connect());
    PMOS_TRY(settle_name(bus, options.name));
    const UniqueFd file(::open(options.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(errno_error(errno, fmt::format("cannot open '{}'", options.file)));
    PMOS_TRY(ask_consent(
        options.yes,
        fmt::format(
            "the PINs of today will not open '{}' of '{}' any more, those of the backup will",
            options.name.volume, options.name.mode)));
    PMOS_TRY(call(bus, options.name, "RestoreHeader", file));
    print_outcome(globals, options.name.mode, "header restored");
    return 0;
}

std::shared_ptr<Options> common(CommandLine& line, const char* file) {
    auto options = std::make_shared<Options>();
    line.add_option("MODE", options->name.mode, "the mode").required();
    line.add_option("VOLUME", options->name.volume, "its volume").required();
    line.add_option("FILE", options->file, file).required();
    return options;
}

}  // namespace

Action attach_volume_backup(CommandLine& line) {
    auto options = common(line, "a file to be made");
    return [options](const Globals& globals) { return backup(globals, *options); };
}

Action attach_volume_restore(CommandLine& line) {
    auto options = common(line, "what 'volume backup' has written");
    line.add_flag("--yes", options->yes, "do not ask");
    return [options](const Globals& globals) { return restore(globals, *options); };
}

}  // namespace pmos::cli
