// policy: how a merged tree becomes a typed profile, in parts. Knows no host.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policy/language.h"
#include "policy/profile.h"

namespace pmos::policy {

// Of a node that has the right type already; nullptr: the value that there is otherwise.
std::string text_or(const Node* node, std::string otherwise);
std::int64_t integer_or(const Node* node, std::int64_t otherwise);
std::uint32_t u32_or(const Node* node, std::uint32_t otherwise);
bool bool_or(const Node* node, bool otherwise);
std::uint64_t size_or(const Node* node, std::uint64_t otherwise);
std::uint32_t duration_or(const Node* node, std::uint32_t otherwise);
OnLock lock_strength(const Node* node);
std::vector<std::string> texts(const Node* node);

class ProfileReader {
  public:
    ProfileReader(const Node& root, std::string file, std::vector<Diagnostic>& out)
        : root_(with_defaults(profile_language(), root)), out_(out) {
        p_.source = root;
        p_.file = std::move(file);
    }
    Profile read();

  private:
    ImageSpec image(const std::string& at) const;
    void volume(const Node& node);
    void process();
    void user(const Node* node);
    void environment(const Node* node);
    void rlimits(const Node* node);
    void capabilities(const Node* node);
    void namespaces();
    void mount(const Node& node);
    void seccomp_rule(const Node& node);
    void devices();
    void modem();
    void audio();
    void display();
    void session_bus();
    void add_env(std::string_view name, std::string_view value);
    void network();
    void tunnel(const Node& node);
    void inbound_at_phone();
    void dns(const Node& node);
    bool looked_up(const FlowRule& rule);
    void dns_in_tunnel(const Node& node);
    void peer(const Node& node);
    void allowed_ip(const Node& item, TunnelPeer& peer);
    void tunnel_key(const Node& node);
    void resources();
    void limit(std::vector<LimitSpec>& limits, std::string_view path, std::string file,
               std::string controller);
    void session();
    void throttle();
    void unlock_recent();
    void hooks();
    void check_targets();
    void check_throttle(const VolumeSpec& volume, const Location& at);
    void check_unlock(const VolumeSpec& volume, const Location& at);
    void check_options(const std::vector<std::string>& options, const Location& at);

    const Node* get(std::string_view path) const { return root_.at_path(path); }
    void fault(Rule rule, const Location& at, std::string message, std::string fix = "",
               std::vector<Location> related = {}) {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix), std::move(related)));
    }

    const Node root_;  // with defaults; p_.source is without
    std::vector<Diagnostic>& out_;
    Profile p_;
};

}  // namespace pmos::policy
