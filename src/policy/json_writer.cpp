// policy: JSON out, indented. Never parses.
#include "policy/json_writer.h"

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

}  // namespace pmos::policy
