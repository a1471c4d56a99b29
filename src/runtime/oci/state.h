// oci: what is kept of a container between two commands: a directory of its own below the root.
// Never touches its processes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/oci/cgroup.h"

namespace pmos::oci {

// By the specification; paused is runc's.
enum class Status : std::uint8_t { creating, created, running, paused, stopped };
std::string_view status_name(Status status);

struct Record {
    std::string id, bundle, rootfs, created;  // created: RFC 3339, UTC
    CgroupRecord cgroup;
    int pid = 0;
    std::uint64_t start_time =
        0;                    // field 22 of /proc/PID/stat: a number that comes again is another
    std::uint32_t owner = 0;  // uid
    std::vector<std::pair<std::string, std::string>> annotations;
};

// As `state` prints it and hooks read it. full: with what runc adds for those that list.
std::string state_json(const Record& record, Status status, bool full = false);

// Who speaks to systemd for us.
inline constexpr const char* kSystemdHelper = PMOS_LIBEXECDIR "/pmos-oci-systemd";
// Where containers are kept when nobody says so.
std::string default_root();
// Code::usage: what names no directory.
Result<> check_id(const std::string& id);

class StateDirectory {
  public:
    // Code::already_exists: there is one of this name.
    static Result<StateDirectory> create(const std::string& root, const std::string& id);
    // Code::not_found.
    static Result<StateDirectory> open(const std::string& root, const std::string& id);

    Result<> write(const Record& record) const;
    // Code::failed: it was killed while it was being made.
    Result<Record> read() const;
    // The configuration as it was when the container was made.
    Result<> keep_config(std::string_view bytes) const;
    Result<std::string> config() const;

    // Two fifos: the word to start, and what became of it. Both are open to read and write.
    struct Fifos {
        UniqueFd start, result;
    };
    Result<Fifos> make_fifos() const;
    // By who starts it: to write, and to read; they have no name any more. Code::not_found:
    // somebody else has started it.
    Result<Fifos> take_fifos() const;
    bool waits() const;

    Result<> remove() const;

  private:
    StateDirectory(UniqueFd root, UniqueFd directory, std::string id)
        : root_(std::move(root)), directory_(std::move(directory)), id_(std::move(id)) {}
    Result<> write_file(const char* name, std::string_view bytes) const;

    UniqueFd root_, directory_;
    std::string id_;
};

// By the kernel, and by whether it waits.
Status status_of(const StateDirectory& directory, const Record& record);
bool is_alive(const Record& record);
// Of the process, if it is the same. Code::not_running.
Result<UniqueFd> process_of(const Record& record);
std::optional<std::uint64_t> start_time_of(int pid);

// Names below the root, in their order.
std::vector<std::string> list_containers(const std::string& root);

}  // namespace pmos::oci
