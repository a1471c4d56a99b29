// policy: the devices of an OCI file as values: nodes to make, and rules of which may be used.
// Reads no file, knows no host.
#include <fmt/format.h>

#include <array>
#include <set>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

// mknod(2): 12 and 20 bits of a dev_t.
constexpr std::uint64_t kMaxMajor = (1U << 12) - 1, kMaxMinor = (1U << 20) - 1;
constexpr std::uint32_t kFileType = 0170000;  // S_IFMT

constexpr auto kDeviceTypes =
    std::to_array<NamedValue>({{"c", 'c'}, {"u", 'c'}, {"b", 'b'}, {"p", 'p'}});
constexpr auto kRuleTypes = std::to_array<NamedValue>({{"a", 'a'}, {"b", 'b'}, {"c", 'c'}});

Device device_of(Reader& reader, const Node& node) {
    Device out;
    out.at = node.at;
    const Node* const type = reader.need(node, "type", Node::Kind::string);
    const auto known =
        type == nullptr ? std::nullopt : reader.word(*type, kDeviceTypes, "type of device");
    out.type = known == 'b'   ? image::NodeType::block
               : known == 'p' ? image::NodeType::fifo
                              : image::NodeType::character;
    if (const Node* const path = reader.need(node, "path", Node::Kind::string))
        out.path = reader.inside(*path, false);
    if (known && known != 'p') {
        out.major = reader.need_number<std::uint32_t>(node, "major", {0, kMaxMajor}).value_or(0);
        out.minor = reader.need_number<std::uint32_t>(node, "minor", {0, kMaxMinor}).value_or(0);
    }
    // Docker gives the type's bits too.
    const Range mode{0, kFileType | 07777U};
    out.file_mode = reader.number<std::uint32_t>(node, "fileMode", mode).value_or(0666) & 07777U;
    out.uid = reader.number<std::uint32_t>(node, "uid").value_or(0);
    out.gid = reader.number<std::uint32_t>(node, "gid").value_or(0);
    return out;
}

DeviceRule rule_of(Reader& reader, const Node& node) {
    DeviceRule rule;
    const Node* const allow = reader.need(node, "allow", Node::Kind::boolean);
    rule.allow = allow != nullptr && allow->boolean;
    if (const Node* const type = reader.find(node, "type", Node::Kind::string);
        type != nullptr && !type->text.empty())
        rule.type =
            static_cast<char>(reader.word(*type, kRuleTypes, "type of device").value_or('a'));
    // -1: any, as engines write it.
    for (const auto& [key, number] : {std::pair{"major", &rule.major}, {"minor", &rule.minor}})
        if (const auto value = reader.number<std::int64_t>(node, key, {-1, UINT32_MAX});
            value && *value >= 0)
            *number = static_cast<std::uint32_t>(*value);
    if (const Node* const access = reader.need(node, "access", Node::Kind::string)) {
        rule.read = access->text.contains('r');
        rule.write = access->text.contains('w');
        rule.make = access->text.contains('m');
        if (access->text.empty() || access->text.find_first_not_of("rwm") != std::string::npos)
            reader.fault(Rule::bad_value, access->at,
                         fmt::format("'{}' is no access to a device", shown(access->text)),
                         "of the letters r, w and m");
    }
    return rule;
}

}  // namespace

std::vector<Device> devices_of(Reader& reader, const Node& node) {
    std::vector<Device> out;
    std::set<std::string> paths;
    for (const Node* const item : reader.items(node, "devices", Node::Kind::object)) {
        auto device = device_of(reader, *item);
        if (!device.path.empty() && !paths.insert(device.path).second)
            reader.fault(Rule::contradiction, item->at,
                         fmt::format("'{}' is given twice", shown(device.path)),
                         "keep one of the two");
        out.push_back(std::move(device));
    }
    return out;
}

std::vector<DeviceRule> device_rules_of(Reader& reader, const Node& node) {
    std::vector<DeviceRule> out;
    for (const Node* const item : reader.items(node, "devices", Node::Kind::object))
        out.push_back(rule_of(reader, *item));
    return out;
}

}  // namespace pmos::policy::oci
