// policy: the volumes and mounts of a profile. Knows no host.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/luks.h"
#include "policy/names.h"
#include "policy/profile_reader.h"

namespace pmos::policy {

void ProfileReader::volume(const Node& node) {
    VolumeSpec v;
    v.at = node.at;
    v.name = text_or(node.find("name"), "");
    v.target = text_or(node.find("target"), "");
    v.size = size_or(node.find("size"), 0);
    v.file = text_or(node.at_path("source/file"), "");
    v.device = text_or(node.at_path("source/device"), "");
    v.options = texts(node.find("options"));
    v.cipher = text_or(node.at_path("luks/cipher"), "");
    v.integrity = text_or(node.at_path("luks/integrity"), "none");
    v.discards = text_or(node.at_path("luks/discards"), "never");
    v.header = text_or(node.at_path("luks/header"), "");
    v.key_bits = u32_or(node.at_path("luks/keySize"), 0);
    v.sector_size = u32_or(node.at_path("luks/sectorSize"), 0);
    v.pbkdf = text_or(node.at_path("luks/pbkdf/type"), "");
    v.pbkdf_memory_max = size_or(node.at_path("luks/pbkdf/memoryMax"), 0);
    v.pbkdf_time_ms = u32_or(node.at_path("luks/pbkdf/timeMs"), 0);
    v.unlock = texts(node.find("unlock"));
    const Node* const pcrs = node.at_path("tpm2/pcrs");
    if (pcrs != nullptr)
        for (const Node& pcr : pcrs->items)
            if (const auto number = u32_or(&pcr, 0); number < 24) v.pcrs |= 1U << number;
    v.tpm_throttle = bool_or(node.at_path("tpm2/throttle"), false);
    v.escrow = text_or(node.find("escrow"), "");
    v.on_lock = lock_strength(node.find("onLock"));
    check_options(v.options, node.at);
    if (!v.file.empty() && !v.device.empty())
        fault(Rule::contradiction, node.at, "a volume has a file or a device, not both");
    if (v.device.empty() && v.size == 0)
        fault(Rule::missing_key, node.at, "'size' is missing", "add \"size\": \"64MiB\"");
    if (!v.device.empty() && v.size != 0)
        fault(Rule::contradiction, node.at, "a device brings its own size", "remove 'size'");
    if (!v.device.empty() && !v.device.starts_with("/dev/"))
        fault(Rule::bad_value, node.at, "a device is below /dev");
    const auto place = [&](std::string_view path) {
        const Node* found = node.at_path(path);
        return found == nullptr ? node.at : found->at;
    };
    const auto* cipher = find_cipher(v.cipher);
    if (v.key_bits != 256 && v.key_bits != 512)
        fault(Rule::bad_value, place("luks/keySize"), "the key size is 256 or 512");
    else if (cipher != nullptr && v.key_bits == 512 && !cipher->long_key)
        fault(Rule::bad_value, place("luks/keySize"),
              fmt::format("{} has no key of 512 bits", v.cipher), "write \"keySize\": 256");
    if (v.sector_size != 512 && v.sector_size != 4096)
        fault(Rule::bad_value, place("luks/sectorSize"), "the sector size is 512 or 4096");
    if (v.integrity != "none" && v.discards != "never")
        fault(Rule::contradiction, place("luks/discards"),
              "a volume with integrity cannot tell which blocks are free",
              "write \"discards\": \"never\"");
    if (v.header.starts_with("/dev/") || (!v.header.empty() && v.header == v.file))
        fault(Rule::bad_value, place("luks/header"), "the header is a file of its own");
    check_unlock(v, place("unlock"));
    if (v.tpm_throttle) check_throttle(v, place("tpm2/throttle"));
    // The default is there too, and has no line.
    if (pcrs != nullptr && pcrs->at.line != 0 && !has_word(v.unlock, "tpm2"))
        fault(Rule::contradiction, pcrs->at, "nothing that opens this volume looks at PCRs",
              "add \"tpm2\" to 'unlock', or take 'pcrs' out");
    for (const auto& other : p_.volumes)
        if (!v.header.empty() && other.header == v.header)
            fault(Rule::contradiction, place("luks/header"),
                  fmt::format("'{}' holds two headers", shown(v.header)),
                  "give each volume a file of its own", {other.at});
    for (const auto& other : p_.volumes)
        if (other.name == v.name)
            fault(Rule::duplicate_volume, node.at,
                  fmt::format("volume '{}' is there twice", v.name), "", {other.at});
    p_.volumes.push_back(std::move(v));
}

// What the volume is made with is made up by somebody, or lies in a file. The others come later and
// stand beside it: a recovery key is for when it is lost. A finger holds no secret that a key could
// be made of.
void ProfileReader::check_unlock(const VolumeSpec& v, const Location& at) {
    constexpr std::array<std::string_view, 3> kFirst{"pin", "passphrase", "device-key"};
    constexpr std::array<std::string_view, 1> kBeside{"recovery-key"};
    const auto among = [](const auto& list) {
        return [&list](const std::string& name) { return std::ranges::count(list, name) != 0; };
    };
    if (v.unlock.empty()) return fault(Rule::bad_value, at, "nothing unlocks this volume");
    for (const auto& name : v.unlock)
        if (std::ranges::count(v.unlock, name) > 1)
            return fault(Rule::contradiction, at, fmt::format("'{}' is there twice", name),
                         "write it once");
    if (has_word(v.unlock, "fingerprint"))
        return fault(Rule::contradiction, at, "a fingerprint never releases a volume's key",
                     "let it be enough after a recent unlock: session/unlockRecent");
    if (std::ranges::all_of(v.unlock, among(kBeside)))
        return fault(Rule::contradiction, at, "nothing of this can be the first to open a volume",
                     "add \"pin\" or \"passphrase\"");
    if (std::ranges::count_if(v.unlock, among(kFirst)) > 1)
        return fault(Rule::contradiction, at, "a volume has one secret of its own, not two",
                     "keep one of pin, passphrase and device-key");
    if (has_word(v.unlock, "device-key") && (v.unlock.size() > 1 || !v.escrow.empty()))
        fault(Rule::contradiction, at, "a volume with a device key asks nobody for a secret",
              "keep a copy of the key file instead of another way");
}

// What the TPM neither counts nor keeps a share of would be the way around it.
void ProfileReader::check_throttle(const VolumeSpec& v, const Location& at) {
    if (!has_word(v.unlock, "tpm2+pin"))
        fault(Rule::contradiction, at, "there is no PIN whose wrong tries the TPM counts",
              "add \"tpm2+pin\" to 'unlock'");
    for (const std::string_view around : {"pin", "passphrase", "tpm2"})
        if (has_word(v.unlock, around))
            fault(Rule::contradiction, at,
                  fmt::format("what '{}' opens the TPM does not throttle", around),
                  fmt::format("take \"{}\" out of 'unlock'", around));
}

void ProfileReader::check_options(const std::vector<std::string>& options, const Location& at) {
    const auto has = [&](std::string_view o) { return has_word(options, o); };
    if ((has("ro") && has("rw")) || (has("exec") && has("noexec")))
        fault(Rule::contradiction, at, "the mount options contradict each other");
}

void ProfileReader::mount(const Node& node) {
    MountSpec m;
    m.at = node.at;
    m.type = text_or(node.find("type"), "");
    m.source = text_or(node.find("source"), "");
    m.target = text_or(node.find("target"), "");
    m.options = texts(node.find("options"));
    m.size = size_or(node.find("size"), 0);
    check_options(m.options, node.at);
    if (m.type == "bind" && m.source.empty())
        fault(Rule::missing_key, node.at, "'source' is missing", "name the directory of the host");
    if (m.type == "bind" && m.size != 0)
        fault(Rule::contradiction, node.at, "a bind mount has no size", "remove 'size'");
    if (m.type == "tmpfs" && !m.source.empty())
        fault(Rule::contradiction, node.at, "a tmpfs has no source", "remove 'source'");
    if (m.type == "bind" && !m.source.empty()) {
        // Trees that would hand over the host or another mode.
        constexpr std::array<std::string_view, 9> kNever{
            "/proc", "/sys", "/dev",          "/run",           "/boot",
            "/root", "/etc", "/var/lib/pmos", "/usr/share/pmos"};
        for (const auto tree : kNever)
            if (m.source == "/" || m.source == tree ||
                m.source.starts_with(std::string(tree) + "/") || tree.starts_with(m.source + "/"))
                return fault(Rule::forbidden_source, node.find("source")->at,
                             fmt::format("'{}' may not be shown to a mode", shown(m.source)),
                             "bind a directory made for the purpose");
    }
    p_.mounts.push_back(std::move(m));
}

void ProfileReader::check_targets() {
    struct Target {
        std::string path;
        Location at;
    };
    std::vector<Target> seen;
    const auto check = [&](const std::string& path, const Location& at) {
        for (const std::string_view tree : {"/proc", "/sys", "/dev"})
            if (path == tree || path.starts_with(std::string(tree) + "/"))
                fault(Rule::forbidden_target, at, fmt::format("nothing is mounted on '{}'", path));
        if (path == "/")
            fault(Rule::forbidden_target, at, "the root is the image", "choose a directory in it");
        for (const auto& other : seen) {
            if (other.path == path)
                fault(Rule::duplicate_target, at, fmt::format("'{}' is mounted twice", path), "",
                      {other.at});
            else if (other.path.starts_with(path + "/"))
                fault(Rule::hidden_target, at,
                      fmt::format("this mount hides '{}', mounted before it", other.path),
                      "put the outer one first", {other.at});
        }
        seen.push_back({path, at});
    };
    for (const auto& v : p_.volumes) check(v.target, v.at);
    for (const auto& m : p_.mounts) check(m.target, m.at);
    for (const auto& other : seen)
        for (const auto& [place, whose] : {std::pair{kModemPlace, "modem's"},
                                           {kAudioPlace, "sound's"},
                                           {kNotifyPlace, "notifications'"},
                                           {kPanelPlace, "panel's"}})
            if (other.path == place || other.path.starts_with(std::string(place) + "/"))
                fault(Rule::duplicate_target, other.at,
                      fmt::format("'{}' is where a mode finds the {} broker", place, whose),
                      "choose another directory");
}

}  // namespace pmos::policy
