// policy: changes to a JSON text that leave its comments and its layout alone. Reads no file.
#include "policy/json_edit.h"

#include <algorithm>

#include "base/text.h"

namespace pmos::policy {
namespace {

constexpr std::size_t kWidth = 100;

// Wraps from `column` on; every item but the first of all gets a comma before it.
std::string wrapped(std::span<const std::string> texts, std::size_t column, std::size_t indent,
                    bool first) {
    std::string out;
    for (const auto& text : texts) {
        const std::string item = json_quote(text);
        if (!first) {
            const bool fits = column + 2 + item.size() + 2 <= kWidth;
            out += fits ? ", " : ",\n" + std::string(indent, ' ');
            column = fits ? column + 2 : indent;
        }
        first = false;
        out += item;
        column += item.size();
    }
    return out;
}

}  // namespace

std::string json_list(std::span<const std::string> texts, std::size_t indent) {
    return "[" + wrapped(texts, indent, indent, true) + "]";
}

std::size_t JsonEdit::offset_of(const Location& at) const {
    std::size_t offset = 0;
    for (std::uint32_t line = 1; line < at.line; ++line) offset = bytes_.find('\n', offset) + 1;
    return offset + at.column - 1;
}

// Past the value that begins there: over texts, comments and whatever nests.
std::size_t JsonEdit::end_of(const Node& value) const {
    std::size_t at = offset_of(value.at), depth = 0;
    while (at < bytes_.size()) {
        const char c = bytes_[at];
        const auto rest = bytes_.substr(at);
        if (rest.starts_with("//")) {
            at = std::min(bytes_.find('\n', at), bytes_.size());
            continue;
        }
        if (rest.starts_with("/*")) {
            at = std::min(bytes_.find("*/", at) + 2, bytes_.size());
            continue;
        }
        if (c == '"')
            for (++at; at < bytes_.size() && bytes_[at] != '"'; ++at)
                if (bytes_[at] == '\\') ++at;
        if (c == '[' || c == '{') ++depth;
        if (depth > 0 && (c == ']' || c == '}')) --depth;
        ++at;
        const bool in_word =
            std::string_view(" \t\r\n,]}/").find(bytes_[at]) == std::string_view::npos;
        if (depth == 0 && (c == '"' || c == ']' || c == '}' || !in_word)) return at;
    }
    return bytes_.size();
}

std::size_t JsonEdit::column_at(std::size_t offset) const {
    const auto newline = bytes_.rfind('\n', offset == 0 ? 0 : offset - 1);
    return newline == std::string_view::npos ? offset : offset - newline - 1;
}

bool JsonEdit::first_on_its_line(std::size_t offset) const {
    const auto before = bytes_.substr(offset - column_at(offset), column_at(offset));
    return before.find_first_not_of(" \t") == std::string_view::npos;
}

void JsonEdit::change(std::size_t begin, std::size_t end, std::string text) {
    changes_.push_back({begin, end, std::move(text)});
}

void JsonEdit::append(const Node& array, std::span<const std::string> texts) {
    if (array.items.empty()) {
        const std::size_t begin = offset_of(array.at) + 1;
        return change(begin, begin, wrapped(texts, column_at(begin), column_at(begin), true));
    }
    const Node &first = array.items.front(), &last = array.items.back();
    const std::size_t end = end_of(last);
    // One item on a line stays so; several are filled up to the width.
    if (array.items.size() > 1 && first.at.line != array.items[1].at.line) {
        const std::string line = "\n" + std::string(column_at(offset_of(last.at)), ' ');
        std::string text;
        for (const auto& item : texts) text += (text.empty() ? "" : ",") + line + json_quote(item);
        change(end, end, ",");
        const std::size_t at = end_of_remark(end);
        return change(at, at, std::move(text));
    }
    change(end, end, wrapped(texts, column_at(end), column_at(offset_of(first.at)), false));
}

void JsonEdit::add_member(const Node& object, std::string_view key, std::string_view json) {
    const std::string member = json_quote(key) + ": " + std::string(json);
    const auto known = std::ranges::find(members_, &object, &Members::object);
    if (known == members_.end())
        members_.push_back({&object, {member}});
    else
        known->texts.push_back(member);
}

void JsonEdit::write_members(const Members& added, std::vector<Change>& changes) const {
    const auto joined = [&](std::string_view between) {
        std::string text;
        for (const auto& member : added.texts)
            text += (text.empty() ? "" : std::string(between)) + member;
        return text;
    };
    if (added.object->members.empty()) {
        const std::size_t begin = offset_of(added.object->at) + 1;
        changes.push_back({begin, begin, joined(", ")});
        return;
    }
    const Member& last = added.object->members.back();
    const std::size_t begin = offset_of(last.key_at), end = end_of(last.value);
    if (!first_on_its_line(begin)) {
        changes.push_back({end, end, ", " + joined(", ")});
        return;
    }
    const std::string line = "\n" + std::string(column_at(begin), ' ');
    changes.push_back({end, end, ","});
    const std::size_t at = end_of_remark(end);
    changes.push_back({at, at, line + joined("," + line)});
}

// Where the line ends if nothing but a // comment is left on it: that stays with what it is said
// of. Else `offset`.
std::size_t JsonEdit::end_of_remark(std::size_t offset) const {
    const auto line_end = std::min(bytes_.find('\n', offset), bytes_.size());
    const auto behind = bytes_.substr(offset, line_end - offset);
    const auto word = behind.find_first_not_of(" \t");
    const bool remark = word != std::string_view::npos && behind.substr(word).starts_with("//");
    return remark ? line_end : offset;
}

void JsonEdit::replace(const Node& value, std::string_view json) {
    change(offset_of(value.at), end_of(value), std::string(json));
}

std::string JsonEdit::apply() const {
    auto changes = changes_;
    for (const auto& added : members_) write_members(added, changes);
    std::ranges::stable_sort(changes, {}, &Change::begin);
    std::string out;
    std::size_t at = 0;
    for (const auto& change : changes) {
        out.append(bytes_, at, change.begin - at);
        out += change.text;
        at = change.end;
    }
    return out.append(bytes_, at);
}

}  // namespace pmos::policy
