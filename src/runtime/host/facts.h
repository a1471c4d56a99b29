// host: what this phone and its kernel have. Looks only; decides nothing, enforces nothing.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/host_facts.h"
#include "policy/policy_set.h"

namespace pmos::host {

struct HostPaths {
    std::string cgroup_root = "/sys/fs/cgroup/pmos";  // of the modes; prepared before
    std::string handset_json = "/etc/pmos/handset.json";
};

// A broken handset.json is not an error here: its devices are missing (and so denied), and
// HostFacts::problems says why.
Result<policy::HostFacts> read_host_facts(const HostPaths& paths);

// The part that an administrator may change at any moment: what becomes of memory that a mode held,
// and what is to be had of memory and CPUs.
void read_traces(policy::HostFacts& facts);

// Of the ciphers that the profiles name; asking the kernel for one loads its module.
void read_ciphers(policy::HostFacts& facts, const policy::PolicySet& policies);

// Of the words of /proc/cpuinfo: a list of what the CPU can do, and AES not in it.
bool says_no_aes(const std::vector<std::string>& cpuinfo);

// "" where the file says none, or cannot be read: then read_host_facts() tells why. What is wrong
// with a device makes no other phone of it.
std::string handset_model(const std::string& handset_json);

}  // namespace pmos::host
