// tests: what pmosd keeps under /run/pmos.
#include "runtime/daemon/mode_files.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "policy/plan_image.h"
#include "runtime/daemon/mode_log.h"
#include "runtime/launch/protocol.h"

using namespace pmos;
using namespace pmos::daemon;

namespace {

struct RunDirectory {
    Paths paths;
    RunDirectory() {
        char path[] = "/tmp/pmos-test-XXXXXX";
        paths.run = ::mkdtemp(path);
        std::filesystem::create_directory(paths.run + "/modes");
        std::filesystem::create_directory(paths.logs());
    }
    ~RunDirectory() {
        // Each mode's log is a file system of its own.
        for (const auto& log : std::filesystem::directory_iterator(paths.logs()))
            ::umount2(log.path().c_str(), MNT_DETACH);
        std::filesystem::remove_all(paths.run);
    }
};

// The least that a launch would accept.
policy::LaunchPlan smallest_plan() {
    policy::LaunchPlan plan;
    plan.mode = plan.hostname = "secure";
    plan.namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;
    plan.uid_map = plan.gid_map = {{0, 100000, 65536}};
    policy::MountOp root;
    root.kind = policy::image::MountKind::root;
    root.target = "/";
    plan.mounts = {root};
    plan.process.args = {"/bin/true"};
    plan.process.cwd = "/";
    plan.seccomp.resize(8);
    return plan;
}

}  // namespace

TEST_CASE("the state of a running mode survives being written and read") {
    const RunDirectory dir;
    const auto loop = std::move(*EventLoop::make());
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());
    Mode mode(*loop, "secure");
    mode.running.emplace();
    mode.running->pid = 4711;
    mode.running->start_time = 99;
    mode.running->started_at = 123456789;
    mode.running->digest = "abc";
    REQUIRE(write_state(dir.paths, mode).has_value());
    const auto saved = read_state(dir.paths, "secure");
    REQUIRE(saved.has_value());
    CHECK(saved->pid == 4711);
    CHECK(saved->start_time == 99);
    CHECK(saved->started_at == 123456789);
    CHECK(saved->digest == "abc");
    REQUIRE(remove_run_files(dir.paths, "secure").has_value());
    CHECK_FALSE(read_state(dir.paths, "secure").has_value());
}

TEST_CASE("a plan is read back only as what it was, and by its digest") {
    const RunDirectory dir;
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());
    auto plan = smallest_plan();
    plan.session.stop_timeout_ms = 1234;
    REQUIRE(write_plan(dir.paths, "secure", policy::encode(plan)).has_value());
    const auto again = read_plan(dir.paths, "secure", policy::digest(plan));
    REQUIRE(again);
    CHECK(policy::to_json(*again) == policy::to_json(plan));
    CHECK_FALSE(read_plan(dir.paths, "secure", std::string(64, '0')));
    CHECK_FALSE(read_plan(dir.paths, "other", policy::digest(plan)));
}

TEST_CASE("a plan is read back however large an image may be, and through no link") {
    const RunDirectory dir;
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());
    auto plan = smallest_plan();
    plan.process.env = std::vector<std::string>(400, "A=" + std::string(1700, 'x'));
    const auto image = policy::encode(plan);
    REQUIRE(image.size() > 1 << 20);
    REQUIRE(image.size() < policy::image::kMaxSize);
    REQUIRE(write_plan(dir.paths, "secure", image).has_value());
    CHECK(read_plan(dir.paths, "secure", policy::digest(plan)));
    const std::string path = dir.paths.mode_dir("secure") + "/plan";
    std::filesystem::rename(path, path + "-elsewhere");
    std::filesystem::create_symlink(path + "-elsewhere", path);
    CHECK_FALSE(read_plan(dir.paths, "secure", policy::digest(plan)));
}

TEST_CASE("a file that cannot be replaced leaves nothing of the new one") {
    const RunDirectory dir;
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());
    const std::string path = dir.paths.mode_dir("secure") + "/plan";
    std::filesystem::create_directory(path);  // rename(2) over it fails
    const std::byte image[3]{};
    REQUIRE_FALSE(write_plan(dir.paths, "secure", image).has_value());
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE("a state file that is cut short is no state") {
    const RunDirectory dir;
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());
    const std::string path = dir.paths.mode_dir("secure") + "/state";
    for (const char* text : {"", "pid=12\n", "pid=x\nstart_time=1\nstarted_at=1\n"}) {
        const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        REQUIRE(::write(fd.get(), text, std::strlen(text)) ==
                static_cast<ssize_t>(std::strlen(text)));
        CHECK_FALSE(read_state(dir.paths, "secure").has_value());
    }
}

TEST_CASE("an exit record is read only when it is whole") {
    const RunDirectory dir;
    auto files = open_mode_files(dir.paths, "secure");
    REQUIRE(files.has_value());
    CHECK_FALSE(read_exit_record(dir.paths, "secure").has_value());
    launch::ExitRecord record;
    record.wait_status = 7 << 8;
    REQUIRE(::write(files->status.get(), &record, sizeof record) == sizeof record);
    CHECK(read_exit_record(dir.paths, "secure") == 7 << 8);
    REQUIRE(open_mode_files(dir.paths, "secure").has_value());  // the next run begins without one
    CHECK_FALSE(read_exit_record(dir.paths, "secure").has_value());
}

TEST_CASE("a log that grows past its bound keeps its end") {
    const RunDirectory dir;
    auto log = open_log(dir.paths, "secure");
    REQUIRE(log.has_value());
    const std::string line(1023, 'x');
    for (int i = 0; i < 1100; ++i) REQUIRE(::write(log->get(), (line + "\n").data(), 1024) == 1024);
    REQUIRE(::write(log->get(), "last\n", 5) == 5);
    bound_log(dir.paths, "secure");
    struct stat status {};
    REQUIRE(::fstat(log->get(), &status) == 0);
    CHECK(status.st_size == 1 << 19);
    char end[5];
    const auto reader = open_log_to_read(dir.paths, "secure");  // the mode's own only writes
    REQUIRE(reader.has_value());
    REQUIRE(::pread(reader->get(), end, 5, status.st_size - 5) == 5);
    CHECK(std::string(end, 5) == "last\n");
    // The writer goes on where the file now ends.
    REQUIRE(::write(log->get(), "more\n", 5) == 5);
    REQUIRE(::fstat(log->get(), &status) == 0);
    CHECK(status.st_size == (1 << 19) + 5);
}

TEST_CASE("open volumes are remembered, and nothing when none is open") {
    const RunDirectory dir;
    const auto loop = std::move(*EventLoop::make());
    Mode mode(*loop, "secure");
    std::filesystem::create_directory(dir.paths.mode_dir("secure"));
    policy::Volume volume;
    volume.name = "data";
    volume.dm_name = "pmos-secure-data";
    volume.source = "/var/lib/pmos/volumes/secure data.luks";
    mode.opened.push_back(volume);
    REQUIRE(write_opened(dir.paths, mode).has_value());
    const auto read = read_opened(dir.paths, "secure");
    REQUIRE(read.size() == 1);
    CHECK(read.front().name == volume.name);
    CHECK(read.front().dm_name == volume.dm_name);
    CHECK(read.front().source == volume.source);
    mode.opened.clear();
    REQUIRE(write_opened(dir.paths, mode).has_value());
    CHECK(read_opened(dir.paths, "secure").empty());
    CHECK(std::filesystem::is_empty(dir.paths.mode_dir("secure")));
}

TEST_CASE("who is in the foreground is remembered") {
    const RunDirectory dir;
    CHECK(read_foreground(dir.paths).mode.empty());
    REQUIRE(write_foreground(dir.paths, {"personal", {"work", "secure"}}).has_value());
    CHECK(read_foreground(dir.paths).mode == "personal");
    CHECK(read_foreground(dir.paths).before == std::vector<std::string>{"work", "secure"});
    REQUIRE(write_foreground(dir.paths, {}).has_value());
    CHECK(read_foreground(dir.paths).before.empty());
}
