// tests: what the policy tests share. Reads the source tree, writes golden files when asked to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policy/host_facts.h"
#include "policy/policy_set.h"

namespace pmos::policy::test {

std::string source_path(const std::string& relative);
std::string read_file(const std::string& path);  // "" where there is none
// Compares with a file of the tree; PMOS_UPDATE_GOLDEN=1 rewrites it instead.
void check_golden(const std::string& relative, const std::string& actual);

Result<std::string> read_shipped_block(const std::string& path);
// The shipped profiles and the site policy.
PolicySet shipped_policy();
const ModePolicy& find_mode(const PolicySet& set, const std::string& name);

// Blocks by their paths, for read_policy.
struct Files {
    std::map<std::string, std::string> blocks;
    Result<std::string> operator()(const std::string& path) const;
};
// One profile, "a.json", under the site policy "site.json" unless that is "".
ModePolicy read_one(const std::string& text, const Files& files = {}, const std::string& site = "");
std::string texts(const std::vector<Diagnostic>& diagnostics);

// A phone that has everything, always the same one.
HostFacts fixed_facts();

// A profile without faults as text, with "@@" replaced by `extra` (", \"key\": ...").
std::string profile_text(const std::string& mode, unsigned id_start, const std::string& extra = "");
// The same with a network; sockets are allowed.
std::string network_text(const std::string& mode, unsigned id_start, const std::string& network,
                         const std::string& extra = "");
// A tunnel of that name, whose peer and address follow from the name and `host`, with a volume for
// its key. `rules`: ", \"egress\": ...".
std::string tunnel_text(const std::string& mode, unsigned id_start,
                        const std::string& name = "work", const std::string& rules = "",
                        unsigned host = 2);
std::vector<std::string> rules_of(const std::vector<Diagnostic>& diagnostics);
bool has_rule(const std::vector<Diagnostic>& diagnostics, const std::string& rule);
const Diagnostic& find_rule(const std::vector<Diagnostic>& diagnostics, const std::string& rule);

}  // namespace pmos::policy::test
