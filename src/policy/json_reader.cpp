// policy: bytes to a tree that knows where every key and value stands. The only user of
// nlohmann's parser: none of its exceptions leaves this file.
#include "policy/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "policy/json_duplicates.h"

namespace pmos::policy {
namespace {

struct Position {
    std::uint32_t line = 1, column = 1;
};

// Walks forward over the bytes and counts lines; never goes back.
class Cursor {
  public:
    explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

    Position position() const { return at_; }
    std::size_t offset() const { return offset_; }
    bool done() const { return offset_ >= bytes_.size(); }
    char peek() const { return done() ? '\0' : bytes_[offset_]; }
    std::string_view rest() const { return bytes_.substr(offset_); }

    void step() {
        if (done()) return;
        if (bytes_[offset_] == '\n') {
            ++at_.line;
            at_.column = 1;
        } else {
            ++at_.column;
        }
        ++offset_;
    }
    void to(std::size_t offset) {
        while (offset_ < offset && !done()) step();
    }

    // To the first byte of the next token, over blanks, comments and separators.
    void skip_filler() {
        while (!done()) {
            const char c = peek();
            if (c == ' ' || c == ',' || c == ':' || c == '\n' || c == '\t' || c == '\r') {
                step();
            } else if (rest().starts_with("//")) {
                to(std::min(bytes_.find('\n', offset_), bytes_.size()));
            } else if (rest().starts_with("/*")) {
                const std::size_t end = bytes_.find("*/", offset_ + 2);
                to(end == std::string_view::npos ? bytes_.size() : end + 2);
            } else {
                return;
            }
        }
    }

    // Over the token that begins here; the parser has already found it well-formed.
    void skip_token() {
        if (peek() == '"') {
            // No line ends in a string.
            std::size_t end = bytes_.find_first_of("\"\\", offset_ + 1);
            while (end < bytes_.size() && bytes_[end] == '\\')
                end = bytes_.find_first_of("\"\\", end + 2);
            end = std::min(end, bytes_.size() - 1) + 1;
            at_.column += static_cast<std::uint32_t>(end - offset_);
            offset_ = end;
        } else if (std::string_view("{}[]").contains(peek())) {
            step();
        } else {
            while (!done() && !std::string_view(" \t\r\n,:{}[]/\"").contains(peek())) step();
        }
    }

  private:
    std::string_view bytes_;
    std::size_t offset_ = 0;
    Position at_;
};

Diagnostic fault(std::string_view file, Position at, Rule rule, std::string message,
                 std::string fix = "") {
    return finding(rule, {std::string(file), at.line, at.column, ""}, std::move(message),
                   std::move(fix));
}

// nlohmann's SAX events in, nodes out. The parser reports no positions, but its events come in
// the order of the tokens: a cursor of our own walks along.
class TreeBuilder {
  public:
    using number_integer_t = nlohmann::json::number_integer_t;
    using number_unsigned_t = nlohmann::json::number_unsigned_t;
    using number_float_t = nlohmann::json::number_float_t;
    using string_t = nlohmann::json::string_t;
    using binary_t = nlohmann::json::binary_t;

    // Without places the cursor stays where it is.
    TreeBuilder(std::string_view file, std::string_view bytes, std::vector<Diagnostic>& out,
                bool places = true)
        : file_(file), bytes_(bytes), places_(places), cursor_(bytes), out_(out) {}

    bool null() { return leaf(Node::Kind::null) != nullptr; }
    bool boolean(bool value) {
        Node* node = leaf(Node::Kind::boolean);
        if (node != nullptr) node->boolean = value;
        return node != nullptr;
    }
    bool number_integer(number_integer_t value) {
        Node* node = leaf(Node::Kind::integer);
        if (node == nullptr) return false;
        node->negative = value < 0;
        node->magnitude =
            value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
        return true;
    }
    bool number_unsigned(number_unsigned_t value) {
        Node* node = leaf(Node::Kind::integer);
        if (node != nullptr) node->magnitude = value;
        return node != nullptr;
    }
    bool number_float(number_float_t, const string_t& as_written) {
        Node* node = leaf(Node::Kind::number);
        if (node != nullptr) node->text = as_written;
        return node != nullptr;
    }
    bool string(string_t& value) {
        Node* node = leaf(Node::Kind::string);
        if (node == nullptr) return false;
        if (value.contains('\0')) {
            out_.push_back(fault(file_, {node->at.line, node->at.column}, Rule::nul_byte,
                                 "a string holds a NUL character"));
            return false;
        }
        node->text = std::move(value);
        return true;
    }
    bool binary(binary_t&) { return refuse(Rule::syntax, "binary data is not JSON"); }
    bool start_object(std::size_t) { return open(Node::Kind::object); }
    bool start_array(std::size_t) { return open(Node::Kind::array); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }
    bool key(string_t& name);
    bool parse_error(std::size_t position, const std::string& token,
                     const nlohmann::json::exception& e);

    bool duplicate() const { return duplicates_ > 0; }
    Node take() { return std::move(root_); }

  private:
    Node* leaf(Node::Kind kind) {
        Node* node = add(kind);
        if (node != nullptr) skip_token();
        return node;
    }
    bool open(Node::Kind kind) {
        if (stack_.size() >= kMaxDepth) {
            skip_filler();
            return refuse(Rule::too_deep, fmt::format("nested deeper than {} levels", kMaxDepth));
        }
        Node* node = add(kind);
        if (node == nullptr) return false;
        skip_token();
        stack_.push_back(node);
        return true;
    }
    bool close() {
        skip_filler();
        skip_token();
        stack_.pop_back();
        return true;
    }
    Node* add(Node::Kind kind);
    bool refuse(Rule rule, std::string message, std::string fix = "") {
        out_.push_back(fault(file_, cursor_.position(), rule, std::move(message), std::move(fix)));
        return false;
    }

    void skip_token() {
        if (places_) cursor_.skip_token();
    }
    void skip_filler() {
        if (places_) cursor_.skip_filler();
    }
    Location place(std::string pointer) const {
        if (!places_) return {"", 0, 0, std::move(pointer)};
        return {std::string(file_), cursor_.position().line, cursor_.position().column,
                std::move(pointer)};
    }

    std::string_view file_, bytes_;
    bool places_;
    Cursor cursor_;
    std::vector<Diagnostic>& out_;
    Node root_;
    // Parents of the place that is being read. Their addresses hold: a vector grows only while
    // its own node is the innermost one.
    std::vector<Node*> stack_;
    std::size_t nodes_ = 0;
    std::size_t duplicates_ = 0;
};

Node* TreeBuilder::add(Node::Kind kind) {
    skip_filler();
    if (++nodes_ > kMaxNodes) {
        refuse(Rule::too_large, fmt::format("more than {} values in one file", kMaxNodes));
        return nullptr;
    }
    Node* node = &root_;
    std::string pointer;
    if (!stack_.empty()) {
        Node& parent = *stack_.back();
        if (parent.is(Node::Kind::array)) {
            pointer = parent.at.pointer + "/" + std::to_string(parent.items.size());
            node = &parent.items.emplace_back();
        } else {
            pointer = parent.members.back().key_at.pointer;
            node = &parent.members.back().value;
        }
    }
    node->kind = kind;
    node->at = place(std::move(pointer));
    return node;
}

bool TreeBuilder::key(string_t& name) {
    skip_filler();
    Node& parent = *stack_.back();
    if (name.contains('\0')) return refuse(Rule::nul_byte, "a key holds a NUL character");
    if (parent.at.pointer.size() + name.size() + 1 > kMaxPointer)
        return refuse(Rule::too_large, "a key or its path is too long");
    if (parent.members.size() >= kMaxMembers)
        return refuse(Rule::too_large, fmt::format("more than {} keys in one object", kMaxMembers));
    if (const Member* first = parent.member(name)) {
        if (++duplicates_ > kMaxFindings) return false;
        refuse(Rule::duplicate_key, fmt::format("'{}' is given twice", shown(name)),
               "keep one of the two");
        out_.back().at.pointer = first->key_at.pointer;
        out_.back().related.push_back(first->key_at);
    }
    Member& member = parent.members.emplace_back();
    member.key_at = place(parent.at.pointer + "/" + escape_pointer(name));
    member.key = std::move(name);
    skip_token();
    return true;
}

bool TreeBuilder::parse_error(std::size_t position, const std::string& token,
                              const nlohmann::json::exception& e) {
    // nlohmann counts the byte that it could not use; its text is
    // "[json.exception...] parse error at line L, column C: what - why".
    Cursor place(bytes_);
    place.to(position > 0 ? position - 1 : 0);
    std::string_view text = e.what();
    for (const std::string_view mark : {"] ", ": ", "value - ", "object - ", "array - "})
        if (const auto at = text.find(mark); at != std::string_view::npos)
            text.remove_prefix(at + mark.size());
    std::string message = place.done() ? "the file ends too early" : std::string(text);
    (void)token;
    std::ranges::replace_if(
        message, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    if (message.size() > 160) message = message.substr(0, 160) + "...";
    out_.push_back(fault(file_, place.position(), Rule::syntax, "not JSON: " + message));
    return false;
}

// Length of the well-formed UTF-8 sequence at the front, 0 when it is not one (Unicode, table 3-7).
std::size_t utf8_length(std::string_view s) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U;
    };
    const auto trail = [&](std::size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
    const unsigned b = byte(0);
    if (b < 0x80) return 1;
    if (b >= 0xc2 && b <= 0xdf) return trail(1) ? 2 : 0;
    if (b >= 0xe0 && b <= 0xef) {
        const bool overlong = b == 0xe0 && byte(1) < 0xa0;
        const bool surrogate = b == 0xed && byte(1) > 0x9f;
        return trail(1) && trail(2) && !overlong && !surrogate ? 3 : 0;
    }
    if (b >= 0xf0 && b <= 0xf4) {
        const bool overlong = b == 0xf0 && byte(1) < 0x90;
        const bool beyond = b == 0xf4 && byte(1) > 0x8f;
        return trail(1) && trail(2) && trail(3) && !overlong && !beyond ? 4 : 0;
    }
    return 0;
}

std::optional<Diagnostic> check_bytes(std::string_view file, std::string_view bytes) {
    if (bytes.size() > kMaxFileSize) {
        return fault(file, {0, 0}, Rule::too_large,
                     fmt::format("the file is larger than {} KiB", kMaxFileSize / 1024));
    }
    for (std::size_t i = 0; i < bytes.size();) {
        const std::size_t n = utf8_length(bytes.substr(i));
        if (n > 0 && bytes[i] != '\0') {
            i += n;
            continue;
        }
        Cursor place(bytes);
        place.to(i);
        return n == 0 ? fault(file, place.position(), Rule::invalid_utf8, "invalid UTF-8")
                      : fault(file, place.position(), Rule::nul_byte, "NUL byte");
    }
    if (bytes.starts_with("\xef\xbb\xbf"))
        return fault(file, {1, 1}, Rule::syntax, "not JSON: byte order mark", "remove it");
    return std::nullopt;
}

}  // namespace

const Member* Node::member(std::string_view key) const {
    const auto it = std::ranges::find(members, key, &Member::key);
    return it == members.end() ? nullptr : &*it;
}

const Node* Node::find(std::string_view key) const {
    const Member* found = member(key);
    return found == nullptr ? nullptr : &found->value;
}

const Node* Node::at_path(std::string_view path) const {
    const Node* node = this;
    while (node != nullptr && !path.empty()) {
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        path = slash == std::string_view::npos ? "" : path.substr(slash + 1);
        if (node->is(Kind::array)) {
            std::size_t index = 0;
            const auto end = segment.data() + segment.size();
            const auto [stop, ec] = std::from_chars(segment.data(), end, index);
            if (ec != std::errc{} || stop != end || index >= node->items.size()) return nullptr;
            node = &node->items[index];
        } else {
            node = node->find(segment);
        }
    }
    return node;
}

std::string_view kind_name(Node::Kind kind) {
    constexpr std::string_view kNames[] = {"null",   "boolean", "integer", "number",
                                           "string", "array",   "object"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::string escape_pointer(std::string_view key) {
    if (key.find_first_of("~/") == std::string_view::npos) return std::string(key);
    std::string out;
    for (const char c : key) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

namespace {

struct Read {
    std::optional<Node> tree;
    bool duplicate = false;
};

Read read_tree(std::string_view file, std::string_view bytes, std::vector<Diagnostic>& diagnostics,
               bool places = true) {
    if (auto bad = check_bytes(file, bytes)) {
        diagnostics.push_back(std::move(*bad));
        return {};
    }
    TreeBuilder builder(file, bytes, diagnostics, places);
    try {
        if (!nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &builder,
                                       nlohmann::json::input_format_t::json, true, true))
            return {};
    } catch (const nlohmann::json::exception& e) {
        diagnostics.push_back(fault(file, {0, 0}, Rule::syntax, e.what()));
        return {};
    }
    return {builder.take(), builder.duplicate()};
}

}  // namespace

std::optional<Node> read_json(std::string_view file, std::string_view bytes,
                              std::vector<Diagnostic>& diagnostics) {
    auto read = read_tree(file, bytes, diagnostics);
    if (read.duplicate) return std::nullopt;
    return std::move(read.tree);
}

std::optional<Node> read_json_unplaced(std::string_view bytes) {
    std::vector<Diagnostic> found;
    auto read = read_tree("", bytes, found, false);
    if (!found.empty()) return std::nullopt;
    return std::move(read.tree);
}

std::optional<Node> read_json_with_duplicates(std::string_view file, std::string_view bytes,
                                              std::vector<Diagnostic>& diagnostics) {
    return read_tree(file, bytes, diagnostics).tree;
}

}  // namespace pmos::policy
