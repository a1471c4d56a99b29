// policy: what a plan needs to know of the phone it is for. Filled by runtime/host; a value here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pmos::policy {

struct HostDevice {
    std::string device_class;  // "gpu", "modem", ...
    std::string right;         // "render", "display", "port": which right opens it
    std::string path;          // below /dev
    bool block = false;
    std::uint32_t major = 0, minor = 0;

    bool operator==(const HostDevice&) const = default;
};

// How the panel looks on this phone.
struct PanelLook {
    std::string language;
    std::uint32_t text_percent = 100;
    bool high_contrast = false;
    bool operator==(const PanelLook&) const = default;
};

struct HostFacts {
    PanelLook panel_look;
    std::uint32_t display_outputs = 1;  // that are connected; the panel has one of them
    std::string arch = "x86_64";
    std::uint32_t landlock_abi = 0;  // 0: none
    bool apparmor = false;           // enabled and enforcing
    bool cgroup_v2 = false;
    bool time_namespace = false;
    bool audit = false;                              // records of denials can be read
    bool device_denials = false;                     // device filters can report
    bool capability_denials = false;                 // programs after cap_capable can
    bool landlock_denials = false;                   // and after Landlock's hooks
    bool device_revocation = false;                  // an open device can be taken away
    std::string refusals_unseen;                     // why they cannot
    std::vector<std::string> cgroup_controllers;     // that can be enabled for modes
    std::vector<std::string> filesystems;            // "erofs", "ext4", ...
    std::vector<std::string> device_mapper_targets;  // "crypt", "verity"; empty: no device-mapper
    std::vector<std::string> missing_ciphers;        // of those that the profiles name
    bool no_aes = false;  // the CPU is known to have no instructions for AES
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_available = 0;  // now
    std::uint32_t cpus = 1;              // at work now
    bool wipes_freed = false;            // memory that is freed is overwritten
    bool sleep_syncs = false;            // and nothing can keep it from that
    std::string core_pattern;            // core(5)
    std::vector<HostDevice> devices;
    std::vector<std::string> problems;  // met while looking; `doctor` shows them
    // Where things live on this phone.
    std::string images_dir = "/usr/share/pmos/images";
    std::string volumes_dir = "/var/lib/pmos/volumes";
    std::string keys_dir = "/var/lib/pmos/keys";
    std::string hooks_dir = "/usr/share/pmos/hooks";
    std::string modem_dir = "/run/pmos/modem/modes", audio_dir = "/run/pmos/audio/modes";
    std::string notify_dir = "/run/pmos/notify/modes", panel_dir = "/run/pmos/panel/modes";
};

}  // namespace pmos::policy
