// daemon: the files of a mode under /run/pmos: exit record, state, plan. Holds nothing in memory.
#include "runtime/daemon/mode_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <sstream>
#include <vector>

#include "policy/hash.h"
#include "policy/plan_image.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/daemon/run_file.h"
#include "runtime/host/small_file.h"
#include "runtime/launch/plan_view.h"
#include "runtime/launch/protocol.h"

namespace pmos::daemon {
namespace {

Result<UniqueFd> open_file(const std::string& path, int flags) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return fail(errno_error(errno, "cannot open '" + path + "'"));
    return fd;
}

}  // namespace

Result<ModeFiles> open_mode_files(const Paths& paths, const std::string& mode) {
    const std::string dir = paths.mode_dir(mode);
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + dir + "'"));
    ModeFiles files;
    PMOS_ASSIGN(files.log, open_log(paths, mode));
    PMOS_ASSIGN(files.status,
                open_file(paths.mode_dir(mode) + "/exit", O_WRONLY | O_CREAT | O_TRUNC));
    return files;
}

Result<> remove_run_files(const Paths& paths, const std::string& mode) {
    PMOS_TRY(remove_file(paths.mode_dir(mode) + "/exit"));
    return remove_file(paths.mode_dir(mode) + "/state");
}

Result<> remove_mode_dir(const Paths& paths, const std::string& mode) {
    PMOS_TRY(remove_log(paths, mode));
    std::error_code error;
    std::filesystem::remove_all(paths.mode_dir(mode), error);
    if (error)
        return fail(errno_error(error.value(), "cannot remove '" + paths.mode_dir(mode) + "'"));
    return {};
}

std::optional<int> read_exit_record(const Paths& paths, const std::string& mode) {
    const std::string bytes = read_run_file(paths.mode_dir(mode) + "/exit");
    launch::ExitRecord record;
    if (bytes.size() != sizeof record) return std::nullopt;
    std::memcpy(&record, bytes.data(), sizeof record);
    if (record.magic != launch::kExitMagic) return std::nullopt;
    return record.wait_status;
}

Result<> write_state(const Paths& paths, const Mode& mode) {
    const auto& run = *mode.running;
    return replace_file(
        paths.mode_dir(mode.name) + "/state",
        fmt::format("pid={}\nstart_time={}\nstarted_at={}\ndigest={}\npolicy={}\n", run.pid,
                    run.start_time, run.started_at, run.digest, run.policy));
}

std::optional<SavedState> read_state(const Paths& paths, const std::string& mode) {
    const std::string text = read_run_file(paths.mode_dir(mode) + "/state");
    SavedState saved;
    if (!parse_number(value_of(text, "pid"), saved.pid) ||
        !parse_number(value_of(text, "start_time"), saved.start_time) ||
        !parse_number(value_of(text, "started_at"), saved.started_at))
        return std::nullopt;
    saved.digest = value_of(text, "digest");
    saved.policy = value_of(text, "policy");
    return saved;
}

namespace {

std::string plan_file(const Paths& paths, const std::string& mode) {
    return paths.mode_dir(mode) + "/plan";
}
std::string next_plan_file(const Paths& paths, const std::string& mode) {
    return paths.mode_dir(mode) + "/plan-next";
}

Result<> write_image(const std::string& file, std::span<const std::byte> image) {
    return replace_file(file, {reinterpret_cast<const char*>(image.data()), image.size()});
}

std::shared_ptr<const policy::LaunchPlan> plan_in(const std::string& file,
                                                  const std::string& digest) {
    const std::string bytes = read_run_file(file, policy::image::kMaxSize);
    const auto image = std::as_bytes(std::span(bytes));
    if (policy::sha256_hex(image) != digest ||
        launch::PlanView::check(image) != launch::PlanFault::none)
        return nullptr;
    auto plan = policy::decode(image);
    return plan ? std::make_shared<policy::LaunchPlan>(std::move(*plan)) : nullptr;
}

}  // namespace

Result<> write_plan(const Paths& paths, const std::string& mode, std::span<const std::byte> image) {
    return write_image(plan_file(paths, mode), image);
}

Result<> write_next_plan(const Paths& paths, const std::string& mode,
                         std::span<const std::byte> image) {
    return write_image(next_plan_file(paths, mode), image);
}

Result<> take_next_plan(const Paths& paths, const std::string& mode) {
    const std::string next = next_plan_file(paths, mode);
    if (::rename(next.c_str(), plan_file(paths, mode).c_str()) == 0) return {};
    return fail(errno_error(errno, fmt::format("cannot rename '{}'", next)));
}

Result<> remove_plan(const Paths& paths, const std::string& mode) {
    PMOS_TRY(remove_file(next_plan_file(paths, mode)));
    return remove_file(plan_file(paths, mode));
}

std::shared_ptr<const policy::LaunchPlan> read_plan(const Paths& paths, const std::string& mode,
                                                    const std::string& digest) {
    auto plan = plan_in(plan_file(paths, mode), digest);
    return plan ? plan : plan_in(next_plan_file(paths, mode), digest);
}

Result<> write_opened(const Paths& paths, const Mode& mode) {
    if (mode.opened.empty()) return remove_file(paths.mode_dir(mode.name) + "/opened");
    std::string text;
    for (const auto& v : mode.opened)
        text +=
            fmt::format("{}\t{}\t{}\t{}\n", v.name, v.dm_name, v.block_device ? 1 : 0, v.source);
    return replace_file(paths.mode_dir(mode.name) + "/opened", text);
}

std::vector<policy::Volume> read_opened(const Paths& paths, const std::string& mode) {
    std::vector<policy::Volume> out;
    std::istringstream lines(read_run_file(paths.mode_dir(mode) + "/opened"));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream in(line);
        policy::Volume v;
        std::string block;
        if (std::getline(in, v.name, '\t') && std::getline(in, v.dm_name, '\t') &&
            std::getline(in, block, '\t') && std::getline(in, v.source)) {
            v.block_device = block == "1";
            out.push_back(std::move(v));
        }
    }
    return out;
}

Result<> write_fallen(const Paths& paths, const std::string& mode, const std::string& digest) {
    const std::string dir = paths.state + "/images";
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST)
        return fail(errno_error(errno, "cannot make '" + dir + "'"));
    return replace_file(dir + "/" + mode, "fallen=" + digest + "\n");
}

std::string read_fallen(const Paths& paths, const std::string& mode) {
    return std::string(value_of(read_run_file(paths.state + "/images/" + mode), "fallen"));
}

Result<> write_for_call(const Paths& paths, const std::string& mode, bool for_call) {
    const std::string path = paths.mode_dir(mode) + "/for-call";
    return for_call ? replace_file(path, "1\n") : remove_file(path);
}

bool read_for_call(const Paths& paths, const std::string& mode) {
    return !read_run_file(paths.mode_dir(mode) + "/for-call").empty();
}

Result<> write_foreground(const Paths& paths, const Foreground& foreground) {
    return replace_file(
        paths.run + "/foreground",
        fmt::format("mode={}\nbefore={}\n", foreground.mode, fmt::join(foreground.before, " ")));
}

void remove_foreground(const Paths& paths) { ::unlink((paths.run + "/foreground").c_str()); }

Foreground read_foreground(const Paths& paths) {
    const std::string text = read_run_file(paths.run + "/foreground");
    return {std::string(value_of(text, "mode")),
            host::split_words(std::string(value_of(text, "before")))};
}

}  // namespace pmos::daemon
