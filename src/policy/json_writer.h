// policy: JSON out, indented, keys in the order in which they are written. Never parses.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pmos::policy {

class JsonWriter {
  public:
    // Objects of scalars and arrays written between compact(true) and compact(false) take one line.
    JsonWriter& compact(bool on) {
        compact_ = on;
        return *this;
    }
    JsonWriter& open_object() { return open('{'); }
    JsonWriter& open_array() { return open('['); }
    JsonWriter& close();
    JsonWriter& key(std::string_view name) {
        separate();
        quote(name);
        out_ += ": ";
        after_key_ = true;
        return *this;
    }
    JsonWriter& text(std::string_view value) {
        separate();
        quote(value);
        return *this;
    }
    template <class Integer>
    JsonWriter& number(Integer value) {
        separate();
        out_ += fmt::format("{}", value);
        return *this;
    }
    JsonWriter& boolean(bool value) { return raw(value ? "true" : "false"); }
    // JSON as it is.
    JsonWriter& raw(std::string_view json) {
        separate();
        out_ += json;
        return *this;
    }
    JsonWriter& texts(const std::vector<std::string>& values) {
        open_array();
        for (const auto& value : values) text(value);
        return close();
    }
    std::string take() { return std::move(out_) + "\n"; }

  private:
    struct Level {
        char end;
        bool inline_level;
        bool empty = true;
    };
    JsonWriter& open(char begin);
    void separate();
    void quote(std::string_view text);

    std::string out_;
    std::vector<Level> levels_;
    bool after_key_ = false, compact_ = false;
};

struct Node;
void write_node(JsonWriter& out, const Node& node);

}  // namespace pmos::policy
