// daemon: what is told of a mode and stays in its own encrypted volume. See private_log.h.
#include "runtime/daemon/private_log.h"

#include <fmt/format.h>
#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/text.h"
#include "runtime/daemon/mode.h"
#include "runtime/daemon/volume_job.h"
#include "runtime/daemon/volumes.h"
#include "runtime/volume/protocol.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

constexpr auto kGather = 5s;
constexpr std::size_t kMaxWaiting = volume::kMaxLines;

const policy::Volume* volume_of(const Mode& mode) {
    const auto& plan = mode.running && mode.running->plan ? mode.running->plan : mode.plan;
    if (!plan) return nullptr;
    const auto it = std::ranges::find_if(plan->volumes, needs_secret);
    return it == plan->volumes.end() ? nullptr : &*it;
}

std::string line_of(std::string_view kind, const Details& details) {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    char when[32] = "";
    if (::gmtime_r(&now, &utc) != nullptr) std::strftime(when, sizeof when, "%FT%TZ", &utc);
    std::string line = fmt::format("{} {}", when, kind);
    for (const auto& [key, value] : details)
        if (!value.empty()) line += fmt::format(" {}='{}'", key, printable(value));
    return line + "\n";
}

// Its pages are the file's own, and gone with it.
Result<UniqueFd> file_of(std::string_view lines) {
    UniqueFd fd(::memfd_create("denials", MFD_CLOEXEC));
    if (!fd || ::write(fd.get(), lines.data(), lines.size()) != static_cast<ssize_t>(lines.size()))
        return fail(errno_error(errno, "cannot make a file in memory"));
    return fd;
}

void forget(PrivateLog& log) {
    ::explicit_bzero(log.lines.data(), log.lines.size());
    log.lines.clear();
    log.lost = 0;
    log.later.reset();
}

}  // namespace

void forget_private(Mode& mode) { forget(mode.private_log); }

bool has_private_part(const Mode& mode) { return volume_of(mode) != nullptr; }

void keep_private(const Context& ctx, Mode& mode, std::string_view kind, const Details& details) {
    auto& log = mode.private_log;
    // No more of it is in memory than is written at once: growing it would leave copies behind.
    if (log.lines.capacity() < kMaxWaiting) log.lines.reserve(kMaxWaiting);
    const std::string line = line_of(kind, details);
    if (log.lines.size() + line.size() > kMaxWaiting)
        ++log.lost;
    else
        log.lines += line;
    if (log.later) return;
    log.later = ctx.loop.after(kGather, [&ctx, &mode] {
        mode.jobs.add([&ctx, &mode](Done done) { write_private(ctx, mode, std::move(done)); },
                      [](Result<>) {});
    });
}

void write_private(const Context& ctx, Mode& mode, Done done) {
    auto& log = mode.private_log;
    const auto* const volume = volume_of(mode);
    if (log.lines.empty()) return done({});
    const auto lost = [&ctx, &mode](const std::string& why) {
        ctx.observer.event("denials-lost", mode.name, {{"why", why}});
    };
    if (log.lost != 0) lost(fmt::format("{} came faster than they could be kept", log.lost));
    refresh_volume_state(mode);
    // One that is only frozen has its volumes open.
    if (volume == nullptr || (mode.locked && (!mode.held || mode.suspended))) {
        forget(log);
        lost("the mode is locked");
        return done({});
    }
    auto file = file_of(log.lines);
    forget(log);
    if (!file) {
        lost(file.error().message());
        return done({});
    }
    VolumeJob job = make_volume_job(ctx, mode, *volume, volume::Verb::keep_denials);
    job.progress = {};
    job.other = std::move(*file);
    run_volume_worker(ctx.loop, ctx.paths.libexec, std::move(job),
                      [lost, done = std::move(done)](Result<VolumeEnd> end) mutable {
                          if (!end)
                              lost(end.error().message());
                          else if (!end->event)
                              lost("the volume worker died");
                          done({});
                      });
}

}  // namespace pmos::daemon
