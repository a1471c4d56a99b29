// policy: what a specification of the Container Device Interface says of device nodes. Looks at
// none.
#include "policy/cdi.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "policy/json_reader.h"

namespace pmos::policy {
namespace {

bool is_alphanumeric(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

// SPEC.md, "CDI JSON Specification": letters, digits and these, and the first and last are no
// punctuation.
bool is_name(std::string_view text, std::string_view punctuation) {
    return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
           std::ranges::all_of(text, [&](char c) {
               return is_alphanumeric(c) || punctuation.find(c) != std::string_view::npos;
           });
}

bool is_kind(std::string_view text) {
    const auto slash = text.find('/');
    return slash != std::string_view::npos && is_name(text.substr(0, slash), "-_.") &&
           is_name(text.substr(slash + 1), "-_.");
}

class SpecReader {
  public:
    SpecReader(CdiSpec& spec, std::vector<Diagnostic>& out) : spec_(spec), out_(out) {}

    void read(const Node& root) {
        const Node* kind = text(root, "kind");
        if (kind != nullptr && !is_kind(kind->text)) {
            fault(kind->at, fmt::format("'{}' is no kind of device", shown(kind->text)),
                  "write \"vendor.com/class\"");
        } else if (kind != nullptr) {
            spec_.kind = kind->text;
        }
        std::vector<std::string> common;
        edits(root, common);
        const Node* devices = root.find("devices");
        if (devices == nullptr || !devices->is(Node::Kind::array))
            return fault(root.at, "it has no list 'devices'", "see the CDI specification");
        for (const Node& device : devices->items) read_device(device, common);
    }

  private:
    void read_device(const Node& device, const std::vector<std::string>& common) {
        const Node* name = text(device, "name");
        if (name == nullptr) return;
        if (!is_name(name->text, "-_.:"))
            return fault(name->at, fmt::format("'{}' is no device's name", shown(name->text)), "");
        auto [nodes, fresh] = spec_.devices.try_emplace(name->text, common);
        if (!fresh)
            return fault(name->at, fmt::format("'{}' is there twice", name->text), "remove one");
        edits(device, nodes->second);
    }

    void edits(const Node& owner, std::vector<std::string>& nodes) {
        const Node* edits = owner.find("containerEdits");
        if (edits == nullptr) return;
        const Node* list = edits->find("deviceNodes");
        if (list == nullptr) return;
        for (const Node& item : list->items) {
            // hostPath is there where the node is to have another name inside (since 0.5).
            const Node* path = item.find("hostPath");
            if (path == nullptr) path = text(item, "path");
            if (path == nullptr) continue;
            if (!path->is(Node::Kind::string) || !path->text.starts_with("/dev/"))
                fault(path->at, fmt::format("'{}' is not below /dev", shown(path->text)), "");
            else
                nodes.push_back(path->text);
        }
    }

    const Node* text(const Node& owner, const char* key) {
        const Node* node = owner.find(key);
        if (node != nullptr && node->is(Node::Kind::string)) return node;
        fault(node != nullptr ? node->at : owner.at, fmt::format("it has no text '{}'", key),
              "see the CDI specification");
        return nullptr;
    }

    void fault(const Location& at, std::string message, std::string fix) {
        if (out_.size() < kMaxFindings)
            out_.push_back(finding(Rule::bad_value, at, std::move(message), std::move(fix)));
    }

    CdiSpec& spec_;
    std::vector<Diagnostic>& out_;
};

}  // namespace

std::optional<CdiName> parse_cdi_name(std::string_view text) {
    const auto equals = text.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto kind = text.substr(0, equals), device = text.substr(equals + 1);
    if (!is_kind(kind) || !is_name(device, "-_.:")) return std::nullopt;
    return CdiName{std::string(kind), std::string(device)};
}

std::optional<CdiSpec> read_cdi(std::string_view file, std::string_view bytes,
                                std::vector<Diagnostic>& diagnostics) {
    std::vector<Diagnostic> found;
    CdiSpec spec;
    if (const auto root = read_json(file, bytes, found)) SpecReader(spec, found).read(*root);
    const bool sound = found.empty();
    std::ranges::move(found, std::back_inserter(diagnostics));
    return sound ? std::optional(std::move(spec)) : std::nullopt;
}

}  // namespace pmos::policy
