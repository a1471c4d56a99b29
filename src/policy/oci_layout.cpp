// policy: the JSON of an OCI image layout, of bundles or of images (image-spec 1.1). Bytes in,
// values out: reads no file. Nothing here is believed: a layout only says which blob to look at.
#include "policy/oci_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "policy/hash.h"
#include "policy/json_reader.h"
#include "policy/json_writer.h"

namespace pmos::policy::oci {
namespace {

constexpr std::string_view kIndexType = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kAlgorithm = "sha256:";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr std::string_view kTitle = "org.opencontainers.image.title";
constexpr std::string_view kVersion = "org.opencontainers.image.version";
constexpr std::string_view kFor = "org.pmos.policy.for";
constexpr std::string_view kHex = "0123456789abcdef";

std::unexpected<Error> bad(const Location& at, std::string why) {
    return fail(Code::usage, fmt::format("{}: not an OCI layout of bundles", to_text(at)),
                std::move(why));
}

Result<Node> parse(std::string_view file, std::string_view bytes) {
    std::vector<Diagnostic> diagnostics;
    auto node = read_json(file, bytes, diagnostics);
    if (!node) return bad(diagnostics.front().at, diagnostics.front().message);
    if (!node->is(Node::Kind::object)) return bad(node->at, "it is not an object");
    return std::move(*node);
}

// A member of that kind; nullptr where it is not there and need not be.
Result<const Node*> member(const Node& object, std::string_view key, Node::Kind kind,
                           bool needed = true) {
    const Node* const value = object.find(key);
    if (value == nullptr && !needed) return nullptr;
    if (value == nullptr) return bad(object.at, fmt::format("there is no '{}'", key));
    if (!value->is(kind))
        return bad(value->at, fmt::format("'{}' is not of type {}", key, kind_name(kind)));
    return value;
}

Result<> check_kind(const Node& object, std::string_view media_type) {
    PMOS_ASSIGN(const auto* version, member(object, "schemaVersion", Node::Kind::integer));
    if (version->negative || version->magnitude != 2)
        return bad(version->at, "its schemaVersion is not 2");
    PMOS_ASSIGN(const auto* type, member(object, "mediaType", Node::Kind::string, false));
    if (type != nullptr && type->text != media_type)
        return bad(type->at, fmt::format("it is '{}'", shown(type->text)));
    return {};
}

Result<> read_annotations(const Node& object, Descriptor& out) {
    PMOS_ASSIGN(const auto* annotations, member(object, "annotations", Node::Kind::object, false));
    if (annotations == nullptr) return {};
    for (const auto& [key, at, value] : annotations->members) {
        if (!value.is(Node::Kind::string)) return bad(value.at, "an annotation is not a text");
        out.annotations.emplace_back(key, value.text);
    }
    return {};
}

Result<Descriptor> read_descriptor(const Node& node) {
    if (!node.is(Node::Kind::object)) return bad(node.at, "it is not an object");
    Descriptor out;
    PMOS_ASSIGN(const auto* type, member(node, "mediaType", Node::Kind::string));
    PMOS_ASSIGN(const auto* digest, member(node, "digest", Node::Kind::string));
    PMOS_ASSIGN(const auto* size, member(node, "size", Node::Kind::integer));
    PMOS_ASSIGN(const auto* artifact, member(node, "artifactType", Node::Kind::string, false));
    if (size->negative) return bad(size->at, "its size is negative");
    out.media_type = type->text;
    out.digest = digest->text;
    out.size = size->magnitude;
    if (artifact != nullptr) out.artifact_type = artifact->text;
    PMOS_TRY(read_annotations(node, out));
    return out;
}

void write_descriptor(JsonWriter& out, const Descriptor& d) {
    out.open_object();
    out.key("mediaType").text(d.media_type);
    out.key("digest").text(d.digest);
    out.key("size").number(d.size);
    if (!d.artifact_type.empty()) out.key("artifactType").text(d.artifact_type);
    if (!d.annotations.empty()) {
        out.key("annotations").open_object();
        for (const auto& [key, value] : d.annotations) out.key(key).text(value);
        out.close();
    }
    out.close();
}

Result<std::vector<Descriptor>> manifests_of(const Node& index) {
    PMOS_TRY(check_kind(index, kIndexType));
    PMOS_ASSIGN(const auto* manifests, member(index, "manifests", Node::Kind::array));
    std::vector<Descriptor> out;
    for (const auto& item : manifests->items) {
        PMOS_ASSIGN(auto descriptor, read_descriptor(item));
        out.push_back(std::move(descriptor));
    }
    return out;
}

std::string index_of_none() {
    JsonWriter out;
    out.open_object();
    out.key("schemaVersion").number(2);
    out.key("mediaType").text(kIndexType);
    out.key("manifests").open_array().close();
    out.close();
    return out.take();
}

std::string sha256(std::string_view bytes) {
    return sha256_hex(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::string tags_of(const std::vector<Descriptor>& manifests) {
    std::string out;
    for (const auto& m : manifests)
        if (!m.tag().empty()) out += fmt::format("{}'{}'", out.empty() ? "" : ", ", shown(m.tag()));
    return out.empty() ? "no tag" : out;
}

}  // namespace

std::string_view Descriptor::tag() const {
    const auto it =
        std::ranges::find(annotations, kRefName, &std::pair<std::string, std::string>::first);
    return it == annotations.end() ? std::string_view() : it->second;
}

std::pair<std::string, std::string> tagged(std::string tag) {
    return {std::string(kRefName), std::move(tag)};
}

Descriptor describe(std::string_view media_type, std::string_view bytes) {
    Descriptor out;
    out.media_type = media_type;
    out.digest = std::string(kAlgorithm) + sha256(bytes);
    out.size = bytes.size();
    return out;
}

Result<std::string> blob_path(const Descriptor& descriptor) {
    std::string_view hex = descriptor.digest;
    if (hex.starts_with(kAlgorithm)) hex.remove_prefix(kAlgorithm.size());
    if (hex.size() != 64 || hex.size() == descriptor.digest.size() ||
        hex.find_first_not_of(kHex) != hex.npos)
        return fail(Code::usage, fmt::format("'{}' names no contents", shown(descriptor.digest)),
                    "a digest is sha256: and 64 hex digits here");
    return fmt::format("blobs/sha256/{}", hex);
}

Result<> check_blob(std::string_view file, const Descriptor& descriptor, std::string_view bytes) {
    if (bytes.size() != descriptor.size)
        return fail(Code::failed, fmt::format("'{}' is not what the layout names", file),
                    fmt::format("it has {} bytes, not {}", bytes.size(), descriptor.size));
    if (kAlgorithm.size() + 64 != descriptor.digest.size() ||
        !descriptor.digest.ends_with(sha256(bytes)))
        return fail(Code::failed, fmt::format("'{}' is not what the layout names", file),
                    "its digest is another one");
    return {};
}

// As registries take them.
bool is_tag(std::string_view text) {
    const auto word = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    };
    return !text.empty() && text.size() <= 128 && word(text[0]) &&
           std::ranges::all_of(text, [&](char c) { return word(c) || c == '.' || c == '-'; });
}

std::string write_marker() {
    JsonWriter out;
    out.open_object();
    out.key("imageLayoutVersion").text("1.0.0");
    out.close();
    return out.take();
}

Result<> check_marker(std::string_view file, std::string_view bytes) {
    PMOS_ASSIGN(const auto node, parse(file, bytes));
    PMOS_ASSIGN(const auto* version, member(node, "imageLayoutVersion", Node::Kind::string));
    if (!version->text.starts_with("1."))
        return bad(version->at,
                   fmt::format("a layout of version '{}' is not known", shown(version->text)));
    return {};
}

Result<std::vector<Descriptor>> read_index(std::string_view file, std::string_view bytes) {
    PMOS_ASSIGN(const auto node, parse(file, bytes));
    return manifests_of(node);
}

Result<std::string> add_to_index(std::string_view file, std::optional<std::string_view> bytes,
                                 const Descriptor& manifest) {
    PMOS_ASSIGN(const auto node, parse(file, bytes ? std::string(*bytes) : index_of_none()));
    PMOS_ASSIGN(const auto manifests, manifests_of(node));
    JsonWriter out;
    out.open_object();
    for (const auto& [key, at, value] : node.members) {
        out.key(key);
        if (key != "manifests") {
            write_node(out, value);
            continue;
        }
        out.open_array();
        for (std::size_t i = 0; i < manifests.size(); ++i)
            if (manifests[i].tag() != manifest.tag()) write_node(out, value.items[i]);
        write_descriptor(out, manifest);
        out.close();
    }
    out.close();
    auto text = out.take();
    const std::string too_large = fmt::format("'{}' would be too large", file);
    if (text.size() > kMaxFileSize)
        return fail(Code::usage, too_large,
                    fmt::format("an index has {} KiB at most", kMaxFileSize / 1024));
    // A tree has its bounds as well.
    if (const auto again = read_index(file, text); !again)
        return fail(Code::usage, too_large, again.error().why);
    return text;
}

Result<Descriptor> choose(std::string_view file, const std::vector<Descriptor>& manifests,
                          std::string_view tag) {
    std::vector<Descriptor> fit;
    std::ranges::copy_if(manifests, std::back_inserter(fit),
                         [&](const Descriptor& d) { return tag.empty() || d.tag() == tag; });
    if (fit.empty() && tag.empty())
        return fail(Code::not_found, fmt::format("'{}' is empty", file));
    if (fit.empty())
        return fail(Code::not_found, fmt::format("'{}' holds no '{}'", file, shown(tag)),
                    "it has " + tags_of(manifests));
    if (fit.size() > 1)
        return fail(Code::usage, fmt::format("which bundle of '{}'?", file),
                    fmt::format("it has {}: {}", fit.size(), tags_of(fit)),
                    tag.empty() ? "name one: DIR:TAG" : "");
    if (fit.front().media_type != kManifestType)
        return fail(Code::usage, fmt::format("'{}' holds no bundle there", file),
                    fmt::format("it is '{}'", shown(fit.front().media_type)));
    return std::move(fit.front());
}

std::string write_manifest(const Descriptor& bundle, const Shown& shown) {
    const auto version = fmt::format("{}", shown.version);
    Descriptor layer = bundle;
    layer.annotations = {
        {std::string(kTitle), fmt::format("{}-{}.bundle", shown.name, shown.version)}};
    JsonWriter out;
    out.open_object();
    out.key("schemaVersion").number(2);
    out.key("mediaType").text(kManifestType);
    out.key("artifactType").text(kBundleType);
    out.key("config");
    write_descriptor(out, describe(kEmptyType, kNoConfig));
    out.key("layers").open_array();
    write_descriptor(out, layer);
    out.close();
    out.key("annotations").open_object();
    out.key(kTitle).text(shown.name);
    out.key(kVersion).text(version);
    out.key(kFor).text(shown.made_for);
    out.close();
    out.close();
    return out.take();
}

Result<std::vector<Descriptor>> read_image(std::string_view file, std::string_view bytes) {
    static constexpr std::array<std::string_view, 3> kTypes{
        "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd"};
    PMOS_ASSIGN(const auto node, parse(file, bytes));
    PMOS_TRY(check_kind(node, kManifestType));
    PMOS_ASSIGN(const auto* layers, member(node, "layers", Node::Kind::array));
    std::vector<Descriptor> out;
    for (const auto& item : layers->items) {
        PMOS_ASSIGN(auto layer, read_descriptor(item));
        if (std::ranges::find(kTypes, layer.media_type) == kTypes.end())
            return fail(Code::usage, fmt::format("{}: not an image", to_text(item.at)),
                        fmt::format("a layer of it is '{}'", shown(layer.media_type)),
                        "a layer is a tar here, plain or compressed by gzip or zstd");
        out.push_back(std::move(layer));
    }
    if (out.empty())
        return fail(Code::usage, fmt::format("{}: not an image", to_text(layers->at)),
                    "it has no layer");
    return out;
}

Result<Descriptor> read_manifest(std::string_view file, std::string_view bytes) {
    PMOS_ASSIGN(const auto node, parse(file, bytes));
    PMOS_TRY(check_kind(node, kManifestType));
    PMOS_ASSIGN(const auto* layers, member(node, "layers", Node::Kind::array));
    if (layers->items.size() != 1)
        return bad(layers->at, fmt::format("a bundle is one layer, not {}", layers->items.size()));
    PMOS_ASSIGN(auto layer, read_descriptor(layers->items.front()));
    if (layer.media_type != kBundleType)
        return bad(layers->items.front().at, fmt::format("its layer is '{}', not '{}'",
                                                         shown(layer.media_type), kBundleType));
    return layer;
}

}  // namespace pmos::policy::oci
