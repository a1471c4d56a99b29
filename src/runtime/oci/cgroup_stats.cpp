// oci: what a cgroup counts, as the data of runc's "stats" event (its types/events.go). Opens no
// file.
#include "runtime/oci/cgroup_stats.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string_view>

#include "policy/json_writer.h"
#include "runtime/host/small_file.h"

namespace pmos::oci {
namespace {

using policy::JsonWriter;
using Pairs = std::vector<std::pair<std::string, std::uint64_t>>;
constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();

// 0 for what is no number; "max" is the greatest.
std::uint64_t number_of(std::string_view text) {
    if (text.starts_with("max")) return kNoLimit;
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Pairs pairs_of(const std::string& text) {
    const auto words = host::split_words(text);
    Pairs pairs;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2)
        pairs.emplace_back(words[i], number_of(words[i + 1]));
    return pairs;
}

std::uint64_t value_of(const Pairs& pairs, std::string_view key) {
    const auto found = std::ranges::find(pairs, key, &Pairs::value_type::first);
    return found == pairs.end() ? 0 : found->second;
}

class Stats {
  public:
    explicit Stats(const CgroupFiles& files) : files_(files) { out_.compact(true); }

    std::string take() {
        out_.open_object();
        processor();
        processor_set();
        memory();
        processes();
        blocks();
        huge_pages();
        out_.key("intel_rdt").open_object().close();
        out_.key("network_interfaces").raw("null");
        out_.close();
        std::string text = out_.take();
        text.pop_back();
        return text;
    }

  private:
    std::uint64_t number(const std::string& file) const { return number_of(files_.read(file)); }
    void count(std::string_view key, std::uint64_t value) { out_.key(key).number(value); }
    void count_some(std::string_view key, std::uint64_t value) {
        if (value != 0) count(key, value);
    }

    void processor() {
        const auto stat = pairs_of(files_.read("cpu.stat"));
        const auto ns = [&](std::string_view key) { return value_of(stat, key) * 1000; };
        out_.key("cpu").open_object();
        out_.key("usage").open_object();
        count_some("total", ns("usage_usec"));
        count("kernel", ns("system_usec"));
        count("user", ns("user_usec"));
        out_.close();
        out_.key("throttling").open_object();
        count_some("periods", value_of(stat, "nr_periods"));
        count_some("throttledPeriods", value_of(stat, "nr_throttled"));
        count_some("throttledTime", ns("throttled_usec"));
        out_.close();
        pressure("cpu.pressure");
        out_.close();
    }

    // Of cgroup v1 only.
    void processor_set() {
        out_.key("cpuset").open_object();
        for (const auto* key : {"cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate",
                                "memory_spread_page", "memory_spread_slab", "memory_pressure",
                                "sched_load_balance", "sched_relax_domain_level"})
            count(key, 0);
        out_.close();
    }

    void memory_entry(std::string_view key, std::uint64_t limit, std::uint64_t usage,
                      std::uint64_t max, std::uint64_t refused) {
        out_.key(key).open_object();
        count("limit", limit);
        count_some("usage", usage);
        count_some("max", max);
        count("failcnt", refused);
        out_.close();
    }

    void memory() {
        const auto stat = pairs_of(files_.read("memory.stat"));
        const auto events = pairs_of(files_.read("memory.events"));
        const auto usage = number("memory.current"), limit = number("memory.max");
        const auto swap = number("memory.swap.current"), swap_limit = number("memory.swap.max");
        const bool unlimited = swap_limit == kNoLimit || limit == kNoLimit;
        out_.key("memory").open_object();
        count_some("cache", value_of(stat, "file"));
        memory_entry("usage", limit, usage, number("memory.peak"), value_of(events, "max"));
        memory_entry("swap", unlimited ? kNoLimit : limit + swap_limit, usage + swap, 0, 0);
        memory_entry("kernel", 0, 0, 0, 0);
        memory_entry("kernelTCP", 0, 0, 0, 0);
        if (!stat.empty()) table("raw", stat);
        pressure("memory.pressure");
        table("event_count", events);
        out_.close();
    }

    void table(std::string_view key, const Pairs& pairs) {
        out_.key(key).open_object();
        for (const auto& [name, value] : pairs) count(name, value);
        out_.close();
    }

    void processes() {
        const auto limit = number("pids.max");
        std::uint64_t now = number("pids.current");
        if (now == 0) now = host::split_words(files_.read("cgroup.procs")).size();
        out_.key("pids").open_object();
        count_some("current", now);
        count_some("limit", limit == kNoLimit ? 0 : limit);
        out_.close();
    }

    // "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..."
    void blocks() {
        out_.key("blkio").open_object();
        block_table("ioServiceBytesRecursive", {"rbytes=", "wbytes="});
        block_table("ioServicedRecursive", {"rios=", "wios="});
        pressure("io.pressure");
        out_.close();
    }

    void block_table(std::string_view key, const std::array<std::string_view, 2>& names) {
        bool begun = false;
        std::string device;
        for (const auto& word : host::split_words(files_.read("io.stat"))) {
            if (word.find('=') == word.npos) device = word;
            for (std::size_t i = 0; i < names.size(); ++i) {
                if (!word.starts_with(names[i])) continue;
                if (!begun) out_.key(key).open_array();
                begun = true;
                block_entry(device, i == 0 ? "Read" : "Write",
                            number_of(std::string_view(word).substr(names[i].size())));
            }
        }
        if (begun) out_.close();
    }

    void block_entry(std::string_view device, std::string_view operation, std::uint64_t value) {
        const auto colon = std::min(device.find(':'), device.size() - 1);
        out_.open_object();
        count_some("major", number_of(device.substr(0, colon)));
        count_some("minor", number_of(device.substr(colon + 1)));
        out_.key("op").text(operation);
        count_some("value", value);
        out_.close();
    }

    void huge_pages() {
        out_.key("hugetlb").open_object();
        for (const auto& size : files_.huge_pages) {
            out_.key(size).open_object();
            count_some("usage", number("hugetlb." + size + ".current"));
            count("failcnt", value_of(pairs_of(files_.read("hugetlb." + size + ".events")), "max"));
            out_.close();
        }
        out_.close();
    }

    // "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and a line of "full".
    void pressure(const std::string& file) {
        const auto words = host::split_words(files_.read(file));
        if (words.empty() || words.front() != "some") return;
        out_.key("psi").open_object();
        bool begun = false;
        for (const auto& word : words) {
            const auto equals = word.find('=');
            if (equals == word.npos) {
                if (begun) out_.close();
                begun = true;
                out_.key(word).open_object();
                continue;
            }
            const std::string value = word.substr(equals + 1);
            const bool sound =
                !value.empty() && value.find_first_not_of("0123456789.") == value.npos;
            out_.key(word.substr(0, equals)).raw(sound ? value : "0");
        }
        out_.close();
        out_.close();
    }

    const CgroupFiles& files_;
    JsonWriter out_;
};

}  // namespace

std::string cgroup_stats(const CgroupFiles& files) { return Stats(files).take(); }

}  // namespace pmos::oci
