// policy: the index at the head of a bundle's payload: lines of words, one way to write each.
// Internal to the bundle; reads no file.
#include "policy/bundle_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "policy/diagnostic.h"
#include "policy/json_reader.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kMaxName = 64, kMaxPath = 255, kMaxLine = 512;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= kMaxName && text[0] != '.' && text[0] != '-' &&
           std::ranges::all_of(text, is_plain);
}

// Segments of plain characters, none of them hidden, "." or "..": what it names lies below.
bool is_path_below(std::string_view text) {
    if (text.empty() || text.size() > kMaxPath) return false;
    for (;;) {
        const auto end = text.find('/');
        const auto segment = text.substr(0, end);
        if (segment.empty() || segment[0] == '.' || !std::ranges::all_of(segment, is_plain))
            return false;
        if (end == text.npos) return true;
        text.remove_prefix(end + 1);
    }
}

bool is_file_path(std::string_view text) { return is_path_below(text) && text.ends_with(".json"); }

bool is_pin_path(const Pin& pin, std::string_view path) {
    if (pin.kind == Pin::Kind::hook && path.starts_with('/')) path.remove_prefix(1);
    return is_path_below(path);
}

bool is_digest(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

// Decimal, as it would be written: no sign, no leading zero.
std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (text[0] == '0' && text.size() > 1) return std::nullopt;
    return value;
}

std::string quoted(std::string_view text) { return fmt::format("'{}'", shown(text)); }

// Why not, or "".
std::string fault_of(const Bundle& bundle) {
    if (!is_word(bundle.name))
        return fmt::format("{} is not a name: letters, digits, '.', '_' and '-', at most {}",
                           quoted(bundle.name), kMaxName);
    if (!is_word(bundle.made_for))
        return fmt::format("{} is not a model of phone", quoted(bundle.made_for));
    if (bundle.version == 0 || bundle.version > kMaxBundleVersion)
        return fmt::format("a version is between 1 and {}", kMaxBundleVersion);
    if (bundle.files.size() + bundle.pins.size() > kMaxBundleEntries)
        return fmt::format("more than {} files and pins", kMaxBundleEntries);
    for (std::size_t i = 0; i < bundle.pins.size(); ++i) {
        const Pin& pin = bundle.pins[i];
        if (!is_pin_path(pin, pin.path) || !is_digest(pin.sha256))
            return fmt::format("the {} {} cannot be named in a bundle", pin_kind_name(pin.kind),
                               quoted(pin.path));
        if (i > 0 && !(std::pair(bundle.pins[i - 1].kind, bundle.pins[i - 1].path) <
                       std::pair(pin.kind, pin.path)))
            return fmt::format("the {} {} stands twice or out of order", pin_kind_name(pin.kind),
                               quoted(pin.path));
    }
    for (std::size_t i = 0; i < bundle.files.size(); ++i) {
        const auto& file = bundle.files[i];
        if (!is_file_path(file.path))
            return fmt::format("{} is not the path of a profile or block", quoted(file.path));
        if (file.bytes.size() > kMaxFileSize)
            return fmt::format("{} is larger than {} KiB", quoted(file.path), kMaxFileSize / 1024);
        if (i > 0 && !(bundle.files[i - 1].path < file.path))
            return fmt::format("{} stands twice or out of order", quoted(file.path));
    }
    return "";
}

// Lines of words from the front of a payload; remembers the line for what is wrong with it.
class Index {
  public:
    Index(std::string_view file, std::string_view payload) : file_(file), rest_(payload) {}

    Result<Bundle> read() {
        PMOS_TRY(words("name", 1));
        bundle_.name = word_[1];
        PMOS_TRY(words("version", 1));
        PMOS_TRY(take_number(word_[1], kMaxBundleVersion, bundle_.version));
        PMOS_TRY(words("for", 1));
        bundle_.made_for = word_[1];
        PMOS_TRY(next());
        while (word_[0] == "hook" || word_[0] == "image") {
            PMOS_TRY(take_pin());
            PMOS_TRY(next());
        }
        while (word_[0] == "file") {
            PMOS_TRY(take_file());
            PMOS_TRY(next());
        }
        if (count_ != 0) return wrong(fmt::format("{} is not expected here", quoted(word_[0])));
        PMOS_TRY(take_contents());
        if (const std::string fault = fault_of(bundle_); !fault.empty()) return wrong(fault);
        return std::move(bundle_);
    }

  private:
    std::unexpected<Error> wrong(std::string why) const {
        return fail(Code::usage, fmt::format("the index of '{}' is wrong at line {}", file_, line_),
                    std::move(why), "have it packed again by 'pmosctl policy pack'");
    }

    // The next line's words; an empty line has none.
    Result<> next() {
        ++line_;
        const auto end = rest_.substr(0, kMaxLine).find('\n');
        if (end == rest_.npos) return wrong("the line does not end");
        auto line = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        word_ = {};
        for (count_ = 0; !line.empty(); ++count_) {
            if (count_ == word_.size()) return wrong("too many words");
            const auto blank = line.find(' ');
            word_[count_] = line.substr(0, blank);
            if (word_[count_].empty() || blank + 1 == line.size())
                return wrong("one blank stands between words");
            line = blank == line.npos ? std::string_view() : line.substr(blank + 1);
        }
        return {};
    }
    Result<> words(std::string_view key, std::size_t values) {
        PMOS_TRY(next());
        if (word_[0] != key || count_ != values + 1)
            return wrong(fmt::format("'{}' and {} word(s) are expected here", key, values));
        return {};
    }
    Result<> take_number(std::string_view text, std::uint64_t most, std::uint64_t& out) const {
        const auto value = number(text);
        if (!value || *value > most)
            return wrong(fmt::format("{} is not a number up to {}", quoted(text), most));
        out = *value;
        return {};
    }
    Result<> take_pin() {
        if (count_ != 4) return wrong("kind, path, size and digest are expected here");
        PMOS_TRY(room_for_one());
        Pin pin;
        pin.kind = word_[0] == "hook" ? Pin::Kind::hook : Pin::Kind::image;
        pin.path = word_[1];
        PMOS_TRY(take_number(word_[2], UINT64_MAX >> 1U, pin.size));
        pin.sha256 = word_[3];
        bundle_.pins.push_back(std::move(pin));
        return {};
    }
    Result<> take_file() {
        if (count_ != 3) return wrong("'file', path and size are expected here");
        PMOS_TRY(room_for_one());
        std::uint64_t size = 0;
        PMOS_TRY(take_number(word_[2], kMaxFileSize, size));
        bundle_.files.push_back({std::string(word_[1]), {}});
        sizes_.push_back(static_cast<std::size_t>(size));
        return {};
    }
    Result<> room_for_one() const {
        if (bundle_.files.size() + bundle_.pins.size() < kMaxBundleEntries) return {};
        return wrong(fmt::format("more than {} files and pins", kMaxBundleEntries));
    }
    // What the sizes say must be all there is, to the last byte.
    Result<> take_contents() {
        for (std::size_t i = 0; i < sizes_.size(); ++i) {
            if (rest_.size() < sizes_[i])
                return wrong(fmt::format("{} should have {} bytes and {} are left",
                                         quoted(bundle_.files[i].path), sizes_[i], rest_.size()));
            bundle_.files[i].bytes = rest_.substr(0, sizes_[i]);
            rest_.remove_prefix(sizes_[i]);
        }
        if (rest_.empty()) return {};
        return wrong(fmt::format("{} bytes follow that belong to no file", rest_.size()));
    }

    std::string_view file_, rest_;
    std::array<std::string_view, 5> word_{};
    std::size_t count_ = 0, line_ = 0;
    Bundle bundle_;
    std::vector<std::size_t> sizes_;
};

}  // namespace

Result<> check_names(const Bundle& bundle) {
    if (std::string fault = fault_of(bundle); !fault.empty())
        return fail(Code::usage, "cannot pack this policy", std::move(fault));
    return {};
}

std::string write_index(const Bundle& bundle) {
    std::string out =
        fmt::format("name {}\nversion {}\nfor {}\n", bundle.name, bundle.version, bundle.made_for);
    for (const auto& pin : bundle.pins)
        out +=
            fmt::format("{} {} {} {}\n", pin_kind_name(pin.kind), pin.path, pin.size, pin.sha256);
    for (const auto& file : bundle.files)
        out += fmt::format("file {} {}\n", file.path, file.bytes.size());
    return out + "\n";
}

Result<Bundle> read_payload(std::string_view file, std::string_view payload) {
    return Index(file, payload).read();
}

}  // namespace pmos::policy
