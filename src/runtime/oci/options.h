// oci: the command line of an OCI runtime, as runc has made it known. Opens nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace pmos::oci {

enum class Command {
    create,
    start,
    state,
    kill,
    remove,  // delete
    run,
    exec,
    list,
    ps,
    pause,
    resume,
    update,
    events,
    features,
    spec,
};

struct Options {
    // Before the command.
    std::string root;  // "": by who runs it
    std::string log, log_format = "text";
    bool debug = false, systemd_cgroup = false;
    std::string site;  // what this machine's owner demands of every container

    Command command{};
    char** argv = nullptr;  // as it was called
    std::string id;
    std::vector<std::string> words;  // behind the id: a signal, a program and its arguments
    std::string bundle, pid_file, console_socket, config = "config.json";
    unsigned preserve_fds = 0;
    bool detach = false, keep = false, force = false, all = false, tty = false, quiet = false;
    bool rootless = false, stats = false, no_new_privileges = false, ignore_paused = false;
    std::string format;   // list, ps: table or json
    std::string process;  // exec: a file; update: its resources
    std::string cwd, user, apparmor, resources;
    std::vector<std::string> env, capabilities;
    std::vector<unsigned> additional_gids;
    unsigned interval_s = 5;
    // update
    std::vector<std::pair<std::string, std::string>> limits;  // "memory", "1000000"
};

// Code::usage and what is right. Nothing where help or the version was asked for, and printed.
Result<std::optional<Options>> parse_options(int argc, char** argv);

}  // namespace pmos::oci
