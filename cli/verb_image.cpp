// cli: image build, import and verify: a mode's image on its author's side, without pmosd or root.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/verity_tree.h"
#include "cli/image_make.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string file_name(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

// As they go into a profile.
std::string root_lines(const ImageRequest& request, const MadeImage& made) {
    const Json hash = made.root_hash, image = file_name(request.output);
    std::string apart;
    if (!request.hash_image.empty())
        apart = fmt::format(", \"hashImage\": {}", Json(file_name(request.hash_image)).dump());
    return fmt::format(
        "\"root\": {{\n    \"image\": {},\n    \"verity\": {{ \"rootHash\": {}{} }}\n}}",
        image.dump(), hash.dump(), apart);
}

void say(const Globals& globals, const ImageRequest& request, const MadeImage& made) {
    if (globals.json) {
        Json json{{"image", request.output}, {"size", made.size}, {"rootHash", made.root_hash}};
        if (!request.hash_image.empty()) json["hashImage"] = request.hash_image;
        json["leftOut"] = made.left_out;
        return put_line(json.dump(2));
    }
    for (const auto& what : made.left_out) put_line(printable("left out: " + what));
    put_line(printable(fmt::format("{}: {} bytes, root hash {}; for the profile:", request.output,
                                   made.size, made.root_hash)));
    put_line(root_lines(request, made));
}

struct MakeOptions {
    ImageRequest request;
    std::string limit = "8GiB";
};

using Maker = Result<MadeImage> (*)(const ImageRequest&);

Result<int> make(const Globals& globals, const MakeOptions& options, Maker maker) {
    ImageRequest request = options.request;
    const auto limit = policy::parse_size(options.limit);
    if (!limit)
        return fail(Code::usage, fmt::format("'{}' is not a size", options.limit), "",
                    "such as 512MiB or 8GiB");
    request.limit = *limit;
    PMOS_ASSIGN(const auto made, maker(request));
    say(globals, request, made);
    return 0;
}

Action attach_make(CommandLine& line, const char* source, Maker maker) {
    auto options = std::make_shared<MakeOptions>();
    auto& request = options->request;
    request.unpacker = PMOS_LIBEXEC_DIR "/pmos-unpack";
    line.add_option("SOURCE", request.source, source).required();
    line.add_option("-o,--output", request.output, "the image to write").required();
    line.add_option("--hash-image", request.hash_image,
                    "write the hashes there, instead of behind the image");
    line.add_flag("--all-root", request.all_root, "everything in it belongs to uid 0 and gid 0");
    line.add_option("--limit", options->limit, "the most that one archive may become (8GiB)");
    line.add_option("--unpacker", request.unpacker, "where pmos-unpack is");
    return [options, maker](const Globals& globals) { return make(globals, *options, maker); };
}

struct VerifyOptions {
    std::string image, hash_image, root_hash;
};

std::string damage_text(const VerifyOptions& options, const verity::Damage& damage) {
    const auto& file =
        damage.in_tree && !options.hash_image.empty() ? options.hash_image : options.image;
    return fmt::format("{}: block {} at byte {}{}", file, damage.block,
                       damage.block * verity::kBlock, damage.in_tree ? ", of the hashes" : "");
}

void say(const Globals& globals, const VerifyOptions& options, const verity::Checked& checked,
         bool meant) {
    if (globals.json) {
        auto damage = Json::array();
        for (const auto& one : checked.first)
            damage.push_back({{"block", one.block}, {"inHashes", one.in_tree}});
        put_line(Json{
            {"image", options.image},
            {"rootHash", checked.root_hash},
            {"meant", meant},
            {"damaged", checked.damaged},
            {"first",
             damage}}.dump(2));
        return;
    }
    for (const auto& one : checked.first)
        put_line(printable("damaged: " + damage_text(options, one)));
    if (checked.damaged == 0)
        put_line(printable(fmt::format(
            "{}: every block is as root hash {} says{}", options.image, checked.root_hash,
            options.root_hash.empty() ? "; whether that one is meant says the profile" : "")));
}

Result<int> verify(const Globals& globals, const VerifyOptions& options) {
    if (!options.root_hash.empty() && verity::root_hash_bytes(options.root_hash).empty())
        return fail(Code::usage, fmt::format("'{}' is not a root hash", options.root_hash), "",
                    "64 hex digits in lower case");
    const auto open = [](const std::string& path) -> Result<UniqueFd> {
        UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (!fd) return fail(errno_error(errno, fmt::format("cannot open '{}'", path)));
        return fd;
    };
    PMOS_ASSIGN(const auto image, open(options.image));
    UniqueFd tree;
    if (!options.hash_image.empty()) {
        PMOS_ASSIGN(tree, open(options.hash_image));
    }
    PMOS_ASSIGN(const auto found, verity::find(image.borrow(), tree.borrow()));
    PMOS_ASSIGN(const auto checked, verity::check_tree(image.borrow(), tree.borrow(), found));
    const bool meant = options.root_hash.empty() || options.root_hash == checked.root_hash;
    say(globals, options, checked, meant);
    if (!meant)
        return fail(Code::failed, fmt::format("'{}' is not the image that is meant", options.image),
                    fmt::format("its root hash is {}", checked.root_hash));
    if (checked.damaged != 0)
        return fail(Code::failed, fmt::format("'{}' is damaged", options.image),
                    counted(checked.damaged, "block"));
    return 0;
}

}  // namespace

Action attach_image_build(CommandLine& line) {
    return attach_make(line, "a directory, a tar (plain, gzip, xz, zstd), or an erofs image",
                       build_image);
}

Action attach_image_import(CommandLine& line) {
    return attach_make(line, "an OCI image layout: DIR[:TAG]", import_image);
}

Action attach_image_verify(CommandLine& line) {
    auto options = std::make_shared<VerifyOptions>();
    line.add_option("IMAGE", options->image, "the image").required();
    line.add_option("--root-hash", options->root_hash, "what the profile says");
    line.add_option("--hash-image", options->hash_image, "where its hashes are, when apart");
    return [options](const Globals& globals) { return verify(globals, *options); };
}

}  // namespace pmos::cli
