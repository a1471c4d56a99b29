// policy: profiles, site policy and the digests of what they name, as one file. Bytes in, values
// out: reads no file, holds no private key. docs/bundles.md describes the format.
#include "policy/bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "policy/bundle_index.h"
#include "policy/hash.h"
#include "policy/profile.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kMagic{"pmos-bundle 1\n\0\0", 16};
constexpr std::size_t kSizeAt = 16, kDigestAt = 32;
constexpr std::string_view kSiteName = "site.json";

std::unexpected<Error> not_a_bundle(std::string_view file, std::string why, std::string fix = "") {
    return fail(Code::usage, fmt::format("'{}' is not a policy bundle", file), std::move(why),
                std::move(fix));
}

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::array<std::byte, 32> sha256(std::string_view text) {
    const std::string hex = sha256_hex(as_bytes(text));
    std::array<std::byte, 32> out{};
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::byte>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
    return out;
}

Statement statement_of(std::string_view payload) {
    Statement out{};
    std::memcpy(out.data(), kMagic.data(), kMagic.size());
    for (std::size_t i = 0; i < 8; ++i)
        out[kSizeAt + i] = static_cast<std::byte>(std::uint64_t{payload.size()} >> (8 * i));
    const auto digest = sha256(payload);
    std::ranges::copy(digest, out.begin() + kDigestAt);
    return out;
}

// What is not pinned could be any file of that name, so it is none.
void demand_pins(const Bundle& bundle, ModePolicy& mode) {
    const auto demand = [&](Pin::Kind kind, const std::string& path, const Location& at) {
        if (std::ranges::any_of(
                bundle.pins, [&](const Pin& pin) { return pin.kind == kind && pin.path == path; }))
            return;
        mode.diagnostics.push_back(
            finding(Rule::missing_pin, at,
                    fmt::format("the {} '{}' is not pinned by {}", pin_kind_name(kind), shown(path),
                                bundle.label()),
                    "have the policy packed again by 'pmosctl policy pack'"));
    };
    if (!mode.profile) return;
    const Profile& profile = *mode.profile;
    const auto demand_image = [&](const ImageSpec& image, const std::string& at) {
        for (const auto& [name, key] :
             {std::pair(image.name, "image"), std::pair(image.hash_image, "verity/hashImage")})
            if (!name.empty()) demand(Pin::Kind::image, name, profile.where(at + key));
    };
    demand_image(profile.image, "root/");
    demand_image(profile.fallback, "root/fallback/");
    for (const auto& hook : profile.hooks)
        demand(Pin::Kind::hook, hook.path,
               profile.where(fmt::format("hooks/{}", hook_point_name(hook.point))));
    if (has_errors(mode.diagnostics)) mode.disputed = std::exchange(mode.profile, nullptr);
}

}  // namespace

std::string_view pin_kind_name(Pin::Kind kind) noexcept {
    return kind == Pin::Kind::hook ? "hook" : "image";
}

std::string Bundle::label() const { return fmt::format("{}@{}", name, version); }

bool SealedBundle::is_signed() const noexcept { return signature != Signature{}; }

bool looks_like_bundle(std::string_view bytes) noexcept { return bytes.starts_with(kMagic); }

Result<SealedBundle> split_bundle(std::string_view file, std::string_view bytes) {
    if (bytes.size() > kMaxBundle)
        return not_a_bundle(file, fmt::format("it is larger than {} MiB", kMaxBundle >> 20U));
    if (bytes.size() < kBundleHeader)
        return not_a_bundle(file, fmt::format("it has {} bytes, and the header alone has {}",
                                              bytes.size(), kBundleHeader));
    if (!looks_like_bundle(bytes))
        return not_a_bundle(file, "it does not begin with 'pmos-bundle 1'",
                            "'pmosctl policy pack' makes one");
    SealedBundle out;
    std::size_t at = 0;
    const auto take = [&](auto& to) {
        std::memcpy(to.data(), bytes.data() + at, to.size());
        at += to.size();
    };
    take(out.statement);
    take(out.key);
    take(out.signature);
    out.payload = bytes.substr(kBundleHeader);
    std::uint64_t size = 0;
    for (std::size_t i = 8; i-- > 0;)
        size = size << 8U | std::to_integer<std::uint64_t>(out.statement[kSizeAt + i]);
    if (size != out.payload.size())
        return not_a_bundle(
            file, fmt::format("its header says {} bytes and {} follow", size, out.payload.size()),
            "it was cut off or added to: copy it again");
    const auto reserved = std::span(out.statement).subspan(kSizeAt + 8, 8);
    if (std::ranges::any_of(reserved, [](std::byte b) { return b != std::byte{0}; }))
        return not_a_bundle(file, "its header has something where nothing may be");
    return out;
}

Result<> check_payload(std::string_view file, const SealedBundle& sealed) {
    if (statement_of(sealed.payload) == sealed.statement) return {};
    return not_a_bundle(file, "its contents are not those that its header names",
                        "it was changed or damaged: get it again");
}

Result<std::string> write_bundle(Bundle bundle) {
    std::ranges::sort(bundle.files, {}, &BundleFile::path);
    std::ranges::sort(bundle.pins, [](const Pin& a, const Pin& b) {
        return std::pair(a.kind, std::string_view(a.path)) <
               std::pair(b.kind, std::string_view(b.path));
    });
    PMOS_TRY(check_names(bundle));
    std::string payload = write_index(bundle);
    for (const auto& file : bundle.files) payload += file.bytes;
    if (payload.size() + kBundleHeader > kMaxBundle)
        return fail(Code::usage, "cannot pack that much",
                    fmt::format("a bundle has at most {} MiB", kMaxBundle >> 20U));
    const Statement statement = statement_of(payload);
    std::string out(reinterpret_cast<const char*>(statement.data()), statement.size());
    out.resize(kBundleHeader, '\0');
    return out + payload;
}

std::string attach_signature(std::string bytes, const KeyId& key, const Signature& signature) {
    std::memcpy(bytes.data() + sizeof(Statement), key.data(), key.size());
    std::memcpy(bytes.data() + sizeof(Statement) + key.size(), signature.data(), signature.size());
    return bytes;
}

PolicySet read_policy(const Bundle& bundle) {
    const auto shown_as = [&](const std::string& path) { return bundle.label() + "/" + path; };
    std::vector<SourceFile> profiles;
    std::optional<SourceFile> site;
    for (const auto& file : bundle.files) {
        if (file.path == kSiteName)
            site = SourceFile{shown_as(file.path), file.bytes};
        else if (!file.path.contains('/'))
            profiles.push_back({shown_as(file.path), file.bytes});
    }
    const auto read_block = [&](const std::string& path) -> Result<std::string> {
        const auto it = std::ranges::lower_bound(bundle.files, path, {}, &BundleFile::path);
        if (it == bundle.files.end() || it->path != path)
            return fail(Code::not_found, "it is not in the bundle");
        return it->bytes;
    };
    auto set = read_policy(profiles, site ? &*site : nullptr, read_block);
    if (!site)
        set.diagnostics.push_back(
            finding(Rule::no_site_policy, {shown_as(std::string(kSiteName)), 0, 0, ""},
                    "there is no site policy: the profiles answer to nobody",
                    "have it packed with a site.json of what this phone's owner demands"));
    for (auto& mode : set.modes) demand_pins(bundle, mode);
    return set;
}

}  // namespace pmos::policy
