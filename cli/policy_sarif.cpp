// cli: findings as SARIF 2.1.0 (OASIS), what code hosting services and editors read.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/policy_report.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;
using policy::Diagnostic;

// A path as a relative or file URI, RFC 3986.
std::string uri_of(std::string_view path) {
    std::string out = path.starts_with('/') ? "file://" : "";
    for (const char c : path) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || std::string_view("-._~/").contains(c);
        if (plain)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

// Our columns count bytes, SARIF's characters: bytes that continue one do not count.
std::uint32_t column_of(const CheckedPolicy& policy, const policy::Location& at) {
    const auto text = policy.texts.find(at.file);
    if (text == policy.texts.end()) return at.column;
    std::string_view rest = text->second;
    for (std::uint32_t line = 1; line < at.line; ++line) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) return at.column;
        rest.remove_prefix(end + 1);
    }
    const auto before = rest.substr(0, at.column - 1);
    const auto trail = std::ranges::count_if(
        before, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; });
    return at.column - static_cast<std::uint32_t>(trail);
}

Json location(const CheckedPolicy& policy, const policy::Location& at) {
    Json physical{{"artifactLocation", {{"uri", uri_of(at.file)}}}};
    if (at.line > 0)
        physical["region"] = {{"startLine", at.line}, {"startColumn", column_of(policy, at)}};
    Json out{{"physicalLocation", std::move(physical)}};
    if (!at.pointer.empty())
        out["logicalLocations"] = Json::array({{{"fullyQualifiedName", at.pointer}}});
    return out;
}

Json rule_json(const policy::RuleInfo& rule) {
    Json out{{"id", rule.id},
             {"shortDescription", {{"text", rule.title}}},
             {"fullDescription", {{"text", rule.why}}},
             {"defaultConfiguration", {{"level", policy::severity_name(rule.severity)}}}};
    if (!rule.example.empty())
        out["help"] = {{"text", fmt::format("For example: {{ {} }}", rule.example)}};
    return out;
}

Json result(const CheckedPolicy& policy, const Diagnostic& d) {
    std::string text = d.message;
    if (!d.fix.empty()) text += fmt::format("\nhint: {}", d.fix);
    Json out{{"ruleId", policy::rule_id(d.rule)},
             {"ruleIndex", static_cast<std::size_t>(d.rule)},
             {"level", policy::severity_name(d.severity)},
             {"message", {{"text", std::move(text)}}},
             {"locations", Json::array({location(policy, d.at)})}};
    if (!d.related.empty()) {
        auto related = Json::array();
        for (const auto& at : d.related) related.push_back(location(policy, at));
        out["relatedLocations"] = std::move(related);
    }
    return out;
}

}  // namespace

std::string findings_sarif(const CheckedPolicy& policy) {
    auto rules = Json::array();
    for (const auto& rule : policy::rules()) rules.push_back(rule_json(rule));
    auto results = Json::array();
    for (const auto& d : policy.diagnostics) results.push_back(result(policy, d));
    const Json run{
        {"tool", {{"driver", {{"name", "pmosctl"}, {"version", PMOS_VERSION}, {"rules", rules}}}}},
        {"columnKind", "unicodeCodePoints"},
        {"results", std::move(results)}};
    const Json out{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                   {"version", "2.1.0"},
                   {"runs", Json::array({run})}};
    return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pmos::cli
