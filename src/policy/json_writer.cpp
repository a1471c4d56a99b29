// policy: JSON out, indented. Never parses.
#include "policy/json_writer.h"

#include "policy/json_reader.h"

namespace pmos::policy {

JsonWriter& JsonWriter::open(char begin) {
    separate();
    out_ += begin;
    levels_.push_back({begin == '{' ? '}' : ']', compact_});
    return *this;
}

JsonWriter& JsonWriter::close() {
    const Level level = levels_.back();
    levels_.pop_back();
    if (!level.empty && !level.inline_level) {
        out_ += '\n';
        out_.append(levels_.size() * 2, ' ');
    }
    out_ += level.end;
    return *this;
}

void JsonWriter::separate() {
    if (after_key_) {
        after_key_ = false;
        return;
    }
    if (levels_.empty()) return;
    Level& level = levels_.back();
    if (!level.empty) out_ += level.inline_level ? ", " : ",";
    level.empty = false;
    if (level.inline_level) return;
    out_ += '\n';
    out_.append(levels_.size() * 2, ' ');
}

void JsonWriter::quote(std::string_view text) {
    out_ += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\')
            (out_ += '\\') += c;
        else if (byte < 0x20 || byte == 0x7f)
            out_ += fmt::format("\\u{:04x}", byte);
        else
            out_ += c;
    }
    out_ += '"';
}

void write_node(JsonWriter& out, const Node& node) {
    switch (node.kind) {
        case Node::Kind::object:
            out.open_object();
            for (const auto& member : node.members) {
                out.key(member.key);
                write_node(out, member.value);
            }
            out.close();
            break;
        case Node::Kind::array:
            out.open_array();
            for (const auto& item : node.items) write_node(out, item);
            out.close();
            break;
        case Node::Kind::string:
            out.text(node.text);
            break;
        case Node::Kind::integer:
            out.raw(fmt::format("{}{}", node.negative ? "-" : "", node.magnitude));
            break;
        case Node::Kind::number:
            out.raw(node.text);
            break;
        case Node::Kind::boolean:
            out.boolean(node.boolean);
            break;
        case Node::Kind::null:
            out.raw("null");
            break;
    }
}

}  // namespace pmos::policy
