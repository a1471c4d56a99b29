// daemon: when a mode's own secret was last given, and what fingers tried since, under /run/pmos:
// what survives a restart of pmosd, and no boot. Holds nothing in memory; what cannot be read is as
// if it had never been.
#include "runtime/daemon/strong_unlock.h"

#include <fmt/format.h>

#include "runtime/daemon/run_file.h"

namespace pmos::daemon {
namespace {

std::string path_of(const Paths& paths, const std::string& mode) {
    return paths.mode_dir(mode) + "/strong";
}

}  // namespace

Result<> write_strong_unlock(const Paths& paths, const std::string& mode,
                             const StrongUnlock& last) {
    return replace_file(path_of(paths, mode),
                        fmt::format("at={}\nrefused={}\n", last.at, last.refused));
}

std::optional<StrongUnlock> read_strong_unlock(const Paths& paths, const std::string& mode) {
    const std::string text = read_run_file(path_of(paths, mode));
    StrongUnlock last;
    if (!parse_number(value_of(text, "at"), last.at) || last.at == 0 ||
        !parse_number(value_of(text, "refused"), last.refused))
        return std::nullopt;
    return last;
}

Result<> remove_strong_unlock(const Paths& paths, const std::string& mode) {
    return remove_file(path_of(paths, mode));
}

std::string_view why_strong(const std::optional<StrongUnlock>& last, std::uint32_t within_ms,
                            std::uint64_t now) {
    if (!last || last->at > now) return "never";
    if (last->refused >= kMostFingers) return "too-many";
    if (now - last->at > std::uint64_t{within_ms} * 1000) return "expired";
    return "";
}

}  // namespace pmos::daemon
