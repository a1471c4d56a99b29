// policy: changes to a JSON text that leave its comments and its layout alone. Reads no file.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/json_reader.h"

namespace pmos::policy {

// Edits of one text that read_json found sound; `tree` is of that text. They take effect together.
class JsonEdit {
  public:
    explicit JsonEdit(std::string_view bytes) : bytes_(bytes) {}

    void append(const Node& array, std::span<const std::string> texts);
    // `json` is the value as JSON; a member of that name must not be there. The object is of the
    // tree, which lives until apply().
    void add_member(const Node& object, std::string_view key, std::string_view json);
    void replace(const Node& value, std::string_view json);
    std::string apply() const;

  private:
    struct Change {
        std::size_t begin = 0, end = 0;  // what is replaced
        std::string text;
    };
    struct Members {
        const Node* object = nullptr;
        std::vector<std::string> texts;  // "key": value
    };
    void write_members(const Members& added, std::vector<Change>& changes) const;
    std::size_t end_of_remark(std::size_t offset) const;
    std::size_t offset_of(const Location& at) const;
    std::size_t end_of(const Node& value) const;
    std::size_t column_at(std::size_t offset) const;  // from 0
    bool first_on_its_line(std::size_t offset) const;
    void change(std::size_t begin, std::size_t end, std::string text);

    std::string_view bytes_;
    std::vector<Change> changes_;
    std::vector<Members> members_;  // written when all are known: they share their commas
};

// ["a", "b"] wrapped at the width of a profile, its lines after the first set in by `indent`.
std::string json_list(std::span<const std::string> texts, std::size_t indent);

}  // namespace pmos::policy
