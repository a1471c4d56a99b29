// policy: `resources` of an OCI file as files of cgroup v2. Its terms are version 1's, and are
// converted as runc and crun do. Writes no file.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "policy/oci_reader.h"

namespace pmos::policy::oci {
namespace {

constexpr std::string_view kDefaultPeriod = "100000";  // the kernel's, in us
constexpr Range kLimit{-1, INT64_MAX};                 // -1: none
constexpr std::string_view kBfq = "io.bfq.weight";

constexpr std::array kRefused{
    Refused{"network", "cgroup v2 has no net_cls and net_prio: use nftables"},
};
constexpr std::array kRefusedOfMemory{
    Refused{"kernel", "cgroup v2 counts it within 'limit'"},
    Refused{"kernelTCP", "cgroup v2 counts it within 'limit'"},
    Refused{"swappiness", "cgroup v2 has none: bound the swap by 'swap'", true},
    Refused{"disableOOMKiller", "cgroup v2 always has it"},
    Refused{"checkBeforeUpdate", "read memory.current before"},
};
constexpr std::array kRefusedOfCpu{
    Refused{"realtimeRuntime", "cgroup v2 has none: use process/scheduler"},
    Refused{"realtimePeriod", "cgroup v2 has none: use process/scheduler"},
};
constexpr std::array kRefusedOfBlockIo{Refused{"leafWeight", "cgroup v2 has none: use 'weight'"}};

constexpr auto kControllers = std::to_array<NamedValue>({
    {"cpu"},
    {"cpuset"},
    {"dmem"},
    {"hugetlb"},
    {"io"},
    {"memory"},
    {"misc"},
    {"pids"},
    {"rdma"},
});

std::string_view controller_of(std::string_view file) { return file.substr(0, file.find('.')); }

// No other way out of the directory or to a second file, and no blank or '=' in what is a word.
bool is_word(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    });
}

class ResourceReader {
  public:
    explicit ResourceReader(Reader& reader) : reader_(reader) {}
    Resources read(const Node& node);

  private:
    void memory(const Node& node);
    void swap(const Node& node, std::optional<std::int64_t> limit);
    void cpu(const Node& node);
    void bandwidth(const Node& node);
    void block_io(const Node& node);
    void device_weight(const Node& node);
    void throttle(const Node& node, std::string_view key, std::string_view word);
    std::optional<std::string> device_number(const Node& node);
    void huge_pages(const Node& node);
    void rdma(const Node& node);
    void unified(const Node& node);

    void limit(std::string file, std::string value, const Node& from) {
        const std::string controller(controller_of(file));
        // "max" is what a new cgroup has: nothing is asked of a machine without the controller.
        const bool optional = value == "max";
        out_.limits.push_back(
            {std::move(file), std::move(value), controller, optional, from.at.pointer});
    }
    // 0: not said, as engines write it.
    std::optional<std::int64_t> bytes(const Node& node, std::string_view key) {
        const auto value = reader_.number<std::int64_t>(node, key, kLimit);
        return value == 0 ? std::nullopt : value;
    }

    Reader& reader_;
    Resources out_;
};

std::string or_max(std::int64_t value) { return value < 0 ? "max" : fmt::format("{}", value); }

void ResourceReader::memory(const Node& node) {
    reader_.refuse_all(node, kRefusedOfMemory);
    if (const Node* const shared = reader_.find(node, "useHierarchy", Node::Kind::boolean);
        shared != nullptr && !shared->boolean)
        reader_.refuse(shared->at, "in cgroup v2 a limit is always one of all below");
    const auto most = bytes(node, "limit");
    swap(node, most);
    if (most) limit("memory.max", or_max(*most), *node.find("limit"));
    if (const auto low = bytes(node, "reservation"))
        limit("memory.low", or_max(*low), *node.find("reservation"));
}

// Version 1 counts memory and swap together.
void ResourceReader::swap(const Node& node, std::optional<std::int64_t> limit_of_memory) {
    constexpr std::string_view kFile = "memory.swap.max";
    const auto both = bytes(node, "swap");
    if (!both) {
        // As version 1: without a bound of the memory there is none of the two.
        if (limit_of_memory == -1) limit(std::string(kFile), "max", *node.find("limit"));
        return;
    }
    const Node& from = *node.find("swap");
    if (*both < 0 || limit_of_memory == -1)
        limit(std::string(kFile), or_max(*both), from);
    else if (!limit_of_memory)
        reader_.fault(Rule::missing_key, from.at, "'swap' is memory and swap, without a 'limit'",
                      "add \"limit\": how much of it is memory");
    else if (*both < *limit_of_memory)
        reader_.fault(Rule::contradiction, from.at,
                      "'swap' is memory and swap, and less than 'limit'",
                      fmt::format("at least {}: then there is no swap", *limit_of_memory));
    else
        limit(std::string(kFile), or_max(*both - *limit_of_memory), from);
}

void ResourceReader::cpu(const Node& node) {
    reader_.refuse_all(node, kRefusedOfCpu);
    const auto idle = reader_.number<std::uint32_t>(node, "idle", {0, 1});
    const auto shares = reader_.number<std::uint64_t>(node, "shares").value_or(0);
    // The kernel takes no weight of a group that is idle.
    if (idle == 0U) limit("cpu.idle", "0", *node.find("idle"));
    if (shares != 0) {
        const auto bounded = std::clamp<std::uint64_t>(shares, 2, 262'144);
        const auto weight = 1 + (bounded - 2) * 9999 / 262'142;
        limit("cpu.weight", fmt::format("{}", weight), *node.find("shares"));
    }
    if (idle == 1U) limit("cpu.idle", "1", *node.find("idle"));
    bandwidth(node);
    for (const std::string_view key : {"cpus", "mems"})
        if (auto list = reader_.number_list(node, key); !list.empty())
            limit(fmt::format("cpuset.{}", key), std::move(list), *node.find(key));
}

// The kernel: a period of 1 ms to 1 s, and no less to run in.
void ResourceReader::bandwidth(const Node& node) {
    const auto quota = reader_.number<std::int64_t>(node, "quota", kLimit).value_or(0);
    const auto period = reader_.number<std::uint64_t>(node, "period", {0, 1'000'000}).value_or(0);
    for (const auto& [key, value] :
         {std::pair{"quota", quota}, std::pair{"period", static_cast<std::int64_t>(period)}})
        if (value > 0 && value < 1000)
            reader_.fault(
                Rule::out_of_range, node.find(key)->at,
                fmt::format("'{}' is out of range: {}", node.find(key)->at.pointer, value),
                "at least 1000 us");
    if (quota != 0 || period != 0)
        limit("cpu.max",
              fmt::format("{} {}", quota > 0 ? or_max(quota) : "max",
                          period == 0 ? std::string(kDefaultPeriod) : fmt::format("{}", period)),
              *node.find(quota != 0 ? "quota" : "period"));
    const auto burst = reader_.number<std::uint64_t>(node, "burst");
    if (!burst) return;
    if (quota > 0 && *burst > static_cast<std::uint64_t>(quota))
        reader_.fault(Rule::contradiction, node.find("burst")->at, "'burst' is above 'quota'",
                      fmt::format("at most {}", quota));
    limit("cpu.max.burst", fmt::format("{}", *burst), *node.find("burst"));
}

constexpr Range kWeight{0, 1000};  // 0: not said

void ResourceReader::block_io(const Node& node) {
    reader_.refuse_all(node, kRefusedOfBlockIo);
    if (const auto weight = reader_.number<std::uint32_t>(node, "weight", kWeight).value_or(0);
        weight != 0)
        limit(std::string(kBfq), fmt::format("{}", weight), *node.find("weight"));
    for (const Node* const item : reader_.items(node, "weightDevice", Node::Kind::object))
        device_weight(*item);
    throttle(node, "throttleReadBpsDevice", "rbps");
    throttle(node, "throttleWriteBpsDevice", "wbps");
    throttle(node, "throttleReadIOPSDevice", "riops");
    throttle(node, "throttleWriteIOPSDevice", "wiops");
}

std::optional<std::string> ResourceReader::device_number(const Node& node) {
    const auto major = reader_.need_number<std::uint32_t>(node, "major");
    const auto minor = reader_.need_number<std::uint32_t>(node, "minor");
    if (!major || !minor) return std::nullopt;
    return fmt::format("{}:{}", *major, *minor);
}

void ResourceReader::device_weight(const Node& node) {
    reader_.refuse_all(node, kRefusedOfBlockIo);
    const auto device = device_number(node);
    const auto weight = reader_.need_number<std::uint32_t>(node, "weight", {1, kWeight.high});
    if (device && weight) limit(std::string(kBfq), fmt::format("{} {}", *device, *weight), node);
}

void ResourceReader::throttle(const Node& node, std::string_view key, std::string_view word) {
    for (const Node* const item : reader_.items(node, key, Node::Kind::object)) {
        const auto device = device_number(*item);
        const auto rate = reader_.need_number<std::uint64_t>(*item, "rate");
        if (!device || !rate) continue;
        // 0 ends a limit in version 1, and is an error in version 2.
        const auto value = *rate == 0 ? "max" : fmt::format("{}", *rate);
        limit("io.max", fmt::format("{} {}={}", *device, word, value), *item);
    }
}

bool is_page_size(std::string_view text) {
    if (text.size() < 3 || text.front() < '1' || text.front() > '9' || !text.ends_with('B'))
        return false;
    const char unit = text[text.size() - 2];
    text.remove_suffix(2);
    return std::string_view("KMG").contains(unit) && text.size() < 8 &&
           std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Reservations and faults both: without a reservation, a page counts as a fault alone.
void ResourceReader::huge_pages(const Node& node) {
    for (const Node* const item : reader_.items(node, "hugepageLimits", Node::Kind::object)) {
        const Node* const size = reader_.need(*item, "pageSize", Node::Kind::string);
        const auto most = reader_.need_number<std::uint64_t>(*item, "limit");
        if (size == nullptr || !most) continue;
        if (!is_page_size(size->text)) {
            reader_.fault(Rule::bad_value, size->at,
                          fmt::format("'{}' is not a size of pages", shown(size->text)),
                          "such as \"64KB\", \"2MB\" or \"1GB\"");
            continue;
        }
        for (const std::string_view kind : {"", "rsvd."})
            limit(fmt::format("hugetlb.{}.{}max", size->text, kind), fmt::format("{}", *most),
                  *item);
    }
}

void ResourceReader::rdma(const Node& node) {
    const Node* const devices = reader_.find(node, "rdma", Node::Kind::object);
    if (devices == nullptr) return;
    for (const auto& [device, at, value] : devices->members) {
        const Node* const limits = reader_.need(*devices, device, Node::Kind::object);
        if (limits == nullptr) continue;
        if (!is_word(device))
            reader_.fault(Rule::bad_value, at,
                          fmt::format("'{}' is not the name of a device", shown(device)),
                          "such as \"mlx5_1\"");
        const auto handles = reader_.number<std::uint32_t>(*limits, "hcaHandles");
        const auto objects = reader_.number<std::uint32_t>(*limits, "hcaObjects");
        if (!handles && !objects) reader_.missing(*limits, "hcaHandles");
        auto line = device;
        if (handles) line += fmt::format(" hca_handle={}", *handles);
        if (objects) line += fmt::format(" hca_object={}", *objects);
        limit("rdma.max", std::move(line), *limits);
    }
}

// They come last: what they name is meant as it stands.
void ResourceReader::unified(const Node& node) {
    const Node* const files = reader_.find(node, "unified", Node::Kind::object);
    if (files == nullptr) return;
    for (const auto& [file, text] : reader_.pairs(node, "unified")) {
        const Member& member = *files->member(file);
        const auto dot = file.find('.');
        if (!is_word(file) || file.contains("..") || file.ends_with('.') ||
            dot == std::string::npos || !value_of(kControllers, controller_of(file))) {
            reader_.fault(Rule::bad_value, member.key_at,
                          fmt::format("'{}' is not a file of a controller", shown(file)),
                          "a plain name, such as \"memory.high\"");
            continue;
        }
        bool empty = true;
        for (std::string_view rest = text; !rest.empty();) {
            const auto end = std::min(rest.find('\n'), rest.size());
            if (end != 0) limit(file, std::string(rest.substr(0, end)), member.value);
            empty = empty && end == 0;
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        if (empty)
            reader_.fault(Rule::bad_value, member.value.at,
                          fmt::format("there is nothing to write to '{}'", file), "remove it");
    }
}

Resources ResourceReader::read(const Node& node) {
    reader_.refuse_all(node, kRefused);
    out_.devices = device_rules_of(reader_, node);
    if (const Node* const part = reader_.find(node, "memory", Node::Kind::object)) memory(*part);
    if (const Node* const part = reader_.find(node, "pids", Node::Kind::object))
        // 0: not said, as engines write it.
        if (const auto most = reader_.number<std::int64_t>(*part, "limit", kLimit).value_or(0);
            most != 0)
            limit("pids.max", or_max(most), *part->find("limit"));
    if (const Node* const part = reader_.find(node, "cpu", Node::Kind::object)) cpu(*part);
    if (const Node* const part = reader_.find(node, "blockIO", Node::Kind::object)) block_io(*part);
    huge_pages(node);
    rdma(node);
    unified(node);
    return std::move(out_);
}

}  // namespace

Resources resources_of(Reader& reader, const Node& node) {
    return ResourceReader(reader).read(node);
}

std::optional<CgroupLimit> instead_of(const CgroupLimit& limit) {
    std::uint64_t weight = 0;
    const auto end = limit.value.data() + limit.value.size();
    const auto [stop, ec] = std::from_chars(limit.value.data(), end, weight);
    // Of a device's own there is nothing instead.
    if (limit.file != kBfq || ec != std::errc{} || stop != end || weight > kWeight.high)
        return std::nullopt;
    auto out = limit;
    out.file = "io.weight";
    out.value = fmt::format("{}", 1 + (std::max<std::uint64_t>(weight, 10) - 10) * 9999 / 990);
    return out;
}

}  // namespace pmos::policy::oci
