// cli: which processes of a cgroup have a device open now. Looks into /proc, opens no device.
#include "cli/open_devices.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

namespace pmos::cli {
namespace {

namespace fs = std::filesystem;

// What a link of /proc leads to, without opening it.
std::optional<DeviceNumber> number_of(const std::string& path) {
    struct stat st {};
    if (::stat(path.c_str(), &st) != 0) return std::nullopt;
    if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)) return std::nullopt;
    return DeviceNumber{S_ISBLK(st.st_mode), ::major(st.st_rdev), ::minor(st.st_rdev)};
}

// Entries that go meanwhile end the list.
template <class Each>
void each_entry(const fs::path& directory, const Each& each) {
    std::error_code gone;
    for (fs::directory_iterator at(directory, gone), end; !gone && at != end; at.increment(gone))
        each(*at);
}

void add_processes(const std::string& cgroup, std::vector<int>& pids) {
    std::ifstream procs(cgroup + "/cgroup.procs");
    for (int pid = 0; procs >> pid;)
        if (pid > 0) pids.push_back(pid);
    each_entry(cgroup, [&](const fs::directory_entry& entry) {
        std::error_code gone;
        if (entry.is_directory(gone)) add_processes(entry.path().string(), pids);
    });
}

class Process {
  public:
    Process(int pid, std::string directory) : pid_(pid), directory_(std::move(directory)) {}

    // A thread may have descriptors of its own, and outlive the first one.
    void look(const std::vector<DeviceNumber>& devices) {
        each_entry(directory_ + "/task", [&](const fs::directory_entry& task) {
            each_entry(task.path() / "fd", [&](const fs::directory_entry& entry) {
                if (OpenDevice* open = find(devices, entry)) open->fds.insert(number(entry));
            });
        });
        // A mapping outlives its descriptor.
        each_entry(directory_ + "/map_files", [&](const fs::directory_entry& entry) {
            if (OpenDevice* open = find(devices, entry)) open->mapped = true;
        });
    }
    std::vector<OpenDevice> take() { return std::move(found_); }

  private:
    static int number(const fs::directory_entry& entry) {
        const std::string name = entry.path().filename();
        int fd = -1;
        std::from_chars(name.data(), name.data() + name.size(), fd);
        return fd;
    }
    OpenDevice* find(const std::vector<DeviceNumber>& devices, const fs::directory_entry& entry) {
        const auto device = number_of(entry.path());
        if (!device || std::ranges::find(devices, *device) == devices.end()) return nullptr;
        const auto it = std::ranges::find(found_, *device, &OpenDevice::device);
        if (it != found_.end()) return &*it;
        OpenDevice open{.pid = pid_, .program = "", .device = *device};
        std::ifstream comm(directory_ + "/comm");
        std::getline(comm, open.program);
        return &found_.emplace_back(std::move(open));
    }

    int pid_;
    std::string directory_;
    std::vector<OpenDevice> found_;
};

}  // namespace

Result<DeviceNumber> device_number(const std::string& node) {
    const auto number = number_of(node);
    if (!number) return fail(Code::not_found, fmt::format("'{}' is no device", node));
    return *number;
}

std::vector<OpenDevice> open_devices(const std::string& cgroup,
                                     const std::vector<DeviceNumber>& devices,
                                     const std::string& proc) {
    std::vector<int> pids;
    add_processes(cgroup, pids);
    std::ranges::sort(pids);
    std::vector<OpenDevice> found;
    for (const int pid : pids) {
        Process process(pid, fmt::format("{}/{}", proc, pid));
        process.look(devices);
        std::ranges::move(process.take(), std::back_inserter(found));
    }
    return found;
}

}  // namespace pmos::cli
