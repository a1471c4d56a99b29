// policy: the filter of an OCI file apart from the rest of it. See oci_split.h.
#include "policy/oci_split.h"

#include <cstddef>

namespace pmos::policy::oci {
namespace {

// Past whatever it is at. What it cannot make sense of ends it, at the end of the file.
class Walker {
  public:
    explicit Walker(std::string_view bytes) : bytes_(bytes) {}

    std::size_t at() const { return at_; }
    void to(std::size_t at) { at_ = at; }
    bool lost() const { return at_ >= bytes_.size(); }
    bool take(char c) {
        blanks();
        if (lost() || bytes_[at_] != c) return false;
        ++at_;
        return true;
    }
    void blanks() { at_ = bytes_.find_first_not_of(" \t\r\n", at_); }
    // Without its quotes, as it is written.
    std::string_view string() {
        const std::size_t begin = ++at_;
        while (!lost()) {
            at_ = bytes_.find_first_of("\"\\", at_);
            if (lost()) break;
            if (bytes_[at_] == '"') return bytes_.substr(begin, at_++ - begin);
            at_ += 2;
        }
        at_ = std::string_view::npos;
        return {};
    }
    void value() {
        std::size_t depth = 0;
        do {
            blanks();
            if (lost()) return;
            const char c = bytes_[at_];
            if (c == '"') {
                string();
            } else if (c == '/') {
                at_ = std::string_view::npos;  // a comment
            } else if (c == '{' || c == '[') {
                ++depth;
                ++at_;
            } else if (c == '}' || c == ']') {
                if (depth-- == 0) return;
                ++at_;
            } else if (c == ',' || c == ':') {
                if (depth == 0) return;
                ++at_;
            } else {
                at_ = bytes_.find_first_of(" \t\r\n,:{}[]\"/", at_);
            }
        } while (depth > 0 && !lost());
    }

  private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

struct Span {
    std::size_t begin, end;
};

// Of the object that begins there, the member's value.
std::optional<Span> member(std::string_view bytes, std::size_t object, std::string_view key) {
    Walker walker(bytes);
    walker.to(object);
    if (!walker.take('{')) return std::nullopt;
    std::optional<Span> found;
    for (;;) {
        walker.blanks();
        if (walker.lost() || bytes[walker.at()] != '"') return std::nullopt;
        const auto name = walker.string();
        if (walker.lost() || !walker.take(':')) return std::nullopt;
        walker.blanks();
        const std::size_t begin = walker.at();
        walker.value();
        if (walker.lost() || walker.at() == begin) return std::nullopt;
        if (name == key) {
            if (found) return std::nullopt;
            found = Span{begin, walker.at()};
        }
        if (walker.take('}')) return found;
        if (!walker.take(',')) return std::nullopt;
    }
}

}  // namespace

std::optional<SplitConfig> split_config(std::string_view bytes) {
    const auto own = member(bytes, 0, "linux");
    if (!own) return std::nullopt;
    const auto filter = member(bytes, own->begin, "seccomp");
    if (!filter || bytes[filter->begin] != '{') return std::nullopt;
    std::string rest(bytes.substr(0, filter->begin));
    rest += "null";
    rest += bytes.substr(filter->end);
    return SplitConfig{bytes.substr(filter->begin, filter->end - filter->begin), std::move(rest)};
}

}  // namespace pmos::policy::oci
