// tests: containers' cgroups below the test's own, and who is in them.
#pragma once

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "../cgroup_tree.h"
#include "runtime/oci/cgroup.h"
#include "runtime/sys/process.h"

namespace pmos::oci::test {

namespace fs = std::filesystem;

using policy::oci::DeviceRule;
inline const DeviceRule kDenyAll{false, 'a', {}, {}, true, true, true};
inline const DeviceRule kAllowAll{true, 'a', {}, {}, true, true, true};

inline std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

inline std::string mount_of_tree() { return find_cgroup_tree()->mount; }

inline bool has_controller(const std::string& name) {
    const auto text = " " + text_of(mount_of_tree() + "/cgroup.controllers");
    return text.find(" " + name) != text.npos;
}

// Of a container whose cgroup is below the test's.
inline CgroupRequest request_for(const std::string& path) {
    CgroupRequest request;
    request.id = "web";
    REQUIRE(test_cgroup_tree().starts_with(mount_of_tree()));
    request.cgroups_path = test_cgroup_tree().substr(mount_of_tree().size()) + path;
    return request;
}

inline policy::CgroupLimit limit(std::string file, std::string value, std::string controller = "") {
    const auto pointer = "/linux/resources/" + file;
    return {std::move(file), std::move(value), std::move(controller), false, pointer};
}

// A process that was cloned into the cgroup and does what it is told.
class Inside {
  public:
    template <class Run>
    Inside(const ContainerCgroup& cgroup, Run run) {
        clone_args args{};
        int pidfd = -1;
        args.flags = CLONE_INTO_CGROUP | CLONE_PIDFD;
        args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
        args.cgroup = static_cast<std::uint64_t>(cgroup.fd().get());
        args.exit_signal = SIGCHLD;
        pid_ = sys::sys_clone3(args);
        if (pid_ == 0) ::_exit(run());
        REQUIRE(pid_ > 0);
        pidfd_.reset(pidfd);
    }
    Inside(const Inside&) = delete;
    ~Inside() {
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        wait();
    }
    int pid() const { return pid_; }
    int wait() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return status;
    }

  private:
    int pid_ = 0;
    UniqueFd pidfd_;
};

inline int sleep_for_ever() {
    for (;;) ::pause();
}

// errno of opening the device inside, 0 when it opens.
inline int open_inside(const ContainerCgroup& cgroup, const char* device) {
    Inside one(cgroup, [&] { return ::open(device, O_RDONLY | O_CLOEXEC) < 0 ? errno : 0; });
    return WEXITSTATUS(one.wait());
}

struct Level {
    explicit Level(const std::string& name) : path(test_cgroup_tree() + name) {
        REQUIRE(::mkdir(path.c_str(), 0755) == 0);
    }
    ~Level() { ::rmdir(path.c_str()); }
    std::string path;
};

// Does below the test's cgroup what pmos-oci-systemd has systemd do.
struct FakeHelper {
    FakeHelper() {
        char path[] = "/tmp/pmos-oci-helper-XXXXXX";
        directory = ::mkdtemp(path);
        program = directory + "/helper";
        log = directory + "/log";
        const auto tree = test_cgroup_tree();
        std::ofstream(program)
            << "#!/bin/sh\necho \"$@\" >>" << log << "\ncase $1 in\nstart)\n"
            << "    [ \"$3\" != bad-x.scope ] || {\n"
            << "        printf 'no such slice\\nhint: choose another\\n' >&2; exit 1; }\n"
            << "    mkdir " << tree << "/$3\n    echo $4 >" << tree << "/$3/cgroup.procs\n"
            << "    echo " << tree.substr(mount_of_tree().size()) << "/$3 ;;\n"
            << "set)\n    [ \"$3\" != TasksMax=13 ] || exit 1 ;;\nstop)\n"
            << "    for p in $(cat " << tree << "/$2/cgroup.procs); do kill -9 $p; done ;;\nesac\n";
        REQUIRE(::chmod(program.c_str(), 0755) == 0);
    }
    ~FakeHelper() { fs::remove_all(directory); }
    std::string directory, program, log;
};

}  // namespace pmos::oci::test
