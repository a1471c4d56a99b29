// cli: policy keygen, pack, sign and verify: bundles on the author's side, without pmosd or root.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/regular_file.h"
#include "cli/bundle_files.h"
#include "cli/bundle_place.h"
#include "cli/output.h"
#include "cli/policy_report.h"
#include "cli/signing_key.h"
#include "cli/verbs.h"
#include "policy/hash.h"

namespace pmos::cli {
namespace {

using Json = nlohmann::ordered_json;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

policy::oci::Shown shown_of(const policy::Bundle& bundle) {
    return {bundle.name, bundle.made_for, bundle.version};
}

std::string short_id(const policy::KeyId& id) { return policy::to_hex(id).substr(0, 16); }

void say(const Globals& globals, const Json& json, const std::string& text) {
    put_line(globals.json ? json.dump(2) : printable(text));
}

Result<int> keygen(const Globals& globals, const std::string& name) {
    PMOS_ASSIGN(const auto key, SigningKey::make());
    PMOS_ASSIGN(const auto pem, key.pem());
    const std::string id = policy::to_hex(policy::key_id(key.public_key()));
    PMOS_TRY(write_file(name + ".key", pem.bytes(), 0600, false));
    if (auto written = write_file(
            name + ".pub", bytes_of(policy::write_public_key(key.public_key())), 0644, false);
        !written) {
        ::unlink((name + ".key").c_str());
        return fail(std::move(written.error()));
    }
    say(globals, {{"private", name + ".key"}, {"public", name + ".pub"}, {"key", id}},
        fmt::format("{0}.key signs, {0}.pub goes into {1}; key {2}", name, PMOS_TRUST_DIR,
                    id.substr(0, 16)));
    return 0;
}

// As a phone will read it: what it would refuse is not handed out.
Result<> check_packed(const Globals& globals, const std::string& bytes) {
    PMOS_ASSIGN(const auto sealed, policy::split_bundle("the bundle", bytes));
    PMOS_ASSIGN(const auto bundle, policy::read_payload("the bundle", sealed.payload));
    const auto checked = check_bundle(bundle);
    if (!policy::has_errors(checked.diagnostics)) return {};
    put_findings(checked, globals.json);
    return fail(Code::failed, "nothing is packed", "what was packed has errors");
}

struct PackOptions {
    PackRequest request;
    std::string output, name, made_for = "any";
    std::uint64_t version = 0;
};

Result<int> pack(const Globals& globals, const PackOptions& options) {
    PMOS_ASSIGN(const auto checked, check_policy({options.request.directory}));
    if (policy::has_errors(checked.diagnostics)) {
        put_findings(checked, globals.json);
        return fail(Code::failed, "nothing is packed", "the profiles have errors",
                    fmt::format("see 'pmosctl policy check {}'", options.request.directory));
    }
    PMOS_ASSIGN(auto bundle, gather(options.request, checked));
    bundle.name = options.name;
    bundle.version = options.version;
    bundle.made_for = options.made_for;
    const std::string label = bundle.label();
    const auto shown = shown_of(bundle);
    const auto files = bundle.files.size(), pins = bundle.pins.size();
    PMOS_ASSIGN(const auto bytes, policy::write_bundle(std::move(bundle)));
    PMOS_TRY(check_packed(globals, bytes));
    PMOS_ASSIGN(const auto place, parse_place(options.output));
    PMOS_ASSIGN(const auto written, write_bundle_at(place, bytes, shown));
    say(globals,
        {{"file", written.place},
         {"manifest", written.digest},
         {"bundle", label},
         {"files", files},
         {"pins", pins},
         {"size", bytes.size()}},
        fmt::format("{}: {}, {} files, {} pins, {} bytes; not signed yet", written.place, label,
                    files, pins, bytes.size()));
    return 0;
}

struct SignOptions {
    std::string file, output, key, signature, public_key;
    int key_fd = -1;
    bool digest = false;
};

struct Signer {
    policy::PublicKey key;
    policy::Signature signature{};
};

// Made elsewhere, by whoever holds the key: believed once it verifies.
Result<Signer> from_outside(const SignOptions& options, const policy::Statement& statement) {
    if (options.public_key.empty())
        return fail(Code::usage, "whose signature is it?", "",
                    "name the public key: --signature FILE --public FILE.pub");
    PMOS_ASSIGN(auto keys, read_trusted({options.public_key}, ""));
    PMOS_ASSIGN(const auto bytes, read_regular_file(options.signature, 4096));
    Signer out{keys.front(), {}};
    if (bytes.size() != out.signature.size())
        return fail(Code::usage, fmt::format("'{}' is not a signature", options.signature),
                    fmt::format("it has {} bytes, not {}", bytes.size(), out.signature.size()));
    std::ranges::copy(bytes_of(bytes), out.signature.begin());
    if (!policy::verifies(out.key, statement, out.signature))
        return fail(Code::denied, fmt::format("'{}' does not sign this bundle", options.signature),
                    fmt::format("it is not by '{}', or over something else", options.public_key),
                    "what is to be signed: pmosctl policy sign --digest");
    return out;
}

Result<Signer> sign_here(const SignOptions& options, const policy::Statement& statement) {
    PMOS_ASSIGN(const auto key, options.key_fd >= 0
                                    ? SigningKey::read(BorrowedFd(options.key_fd),
                                                       fmt::format("descriptor {}", options.key_fd))
                                    : SigningKey::read(options.key));
    return Signer{key.public_key(), key.sign(statement)};
}

Result<int> sign(const Globals& globals, const SignOptions& options) {
    const int ways = (options.digest ? 1 : 0) + (options.key.empty() ? 0 : 1) +
                     (options.key_fd >= 0 ? 1 : 0) + (options.signature.empty() ? 0 : 1);
    if (ways != 1)
        return fail(Code::usage, "say how to sign", "",
                    "one of --key FILE, --key-fd N, --signature FILE, --digest");
    PMOS_ASSIGN(auto from, parse_place(options.file));
    if (options.output.empty() && !options.digest) {
        PMOS_ASSIGN(from, settle_place(std::move(from)));
    }
    PMOS_ASSIGN(auto bytes, read_bundle_at(from));
    PMOS_ASSIGN(const auto sealed, policy::split_bundle(options.file, bytes));
    // Nobody should put a name to what no phone will read.
    PMOS_TRY(policy::check_payload(options.file, sealed));
    PMOS_ASSIGN(const auto bundle, policy::read_payload(options.file, sealed.payload));
    if (options.digest) {
        say(globals, {{"bundle", bundle.label()}, {"statement", policy::to_hex(sealed.statement)}},
            policy::to_hex(sealed.statement));
        return 0;
    }
    PMOS_ASSIGN(const auto signer, options.signature.empty()
                                       ? sign_here(options, sealed.statement)
                                       : from_outside(options, sealed.statement));
    const auto id = policy::key_id(signer.key);
    PMOS_ASSIGN(const auto to,
                options.output.empty() ? Result<BundlePlace>(from) : parse_place(options.output));
    bytes = policy::attach_signature(std::move(bytes), id, signer.signature);
    PMOS_ASSIGN(const auto written, write_bundle_at(to, bytes, shown_of(bundle)));
    say(globals,
        {{"file", written.place},
         {"manifest", written.digest},
         {"bundle", bundle.label()},
         {"key", policy::to_hex(id)}},
        fmt::format("{}: {}, signed by key {}", written.place, bundle.label(), short_id(id)));
    return 0;
}

struct VerifyOptions {
    std::string file, trust = PMOS_TRUST_DIR;
    std::vector<std::string> keys;
};

Json bundle_json(const policy::GenuineBundle& genuine) {
    const auto& bundle = genuine.bundle;
    auto pins = Json::array(), files = Json::array();
    for (const auto& pin : bundle.pins)
        pins.push_back({{"kind", policy::pin_kind_name(pin.kind)},
                        {"path", pin.path},
                        {"size", pin.size},
                        {"sha256", pin.sha256}});
    for (const auto& file : bundle.files)
        files.push_back({{"path", file.path},
                         {"size", file.bytes.size()},
                         {"sha256", policy::sha256_hex(bytes_of(file.bytes))}});
    return {{"name", bundle.name},
            {"version", bundle.version},
            {"for", bundle.made_for},
            {"key", policy::to_hex(policy::key_id(genuine.key))},
            {"keyFile", genuine.key.file},
            {"pins", pins},
            {"files", files}};
}

std::string bundle_text(const policy::GenuineBundle& genuine) {
    const auto& bundle = genuine.bundle;
    Table table{{"KIND", "PATH", "SIZE", "SHA-256"}, {}};
    for (const auto& pin : bundle.pins)
        table.rows.push_back({{std::string(policy::pin_kind_name(pin.kind))},
                              {pin.path},
                              {fmt::format("{}", pin.size)},
                              {pin.sha256}});
    for (const auto& file : bundle.files)
        table.rows.push_back({{"file"},
                              {file.path},
                              {fmt::format("{}", file.bytes.size())},
                              {policy::sha256_hex(bytes_of(file.bytes))}});
    return fmt::format("{} for {}, signed by '{}' (key {})\n{}", bundle.label(), bundle.made_for,
                       printable(genuine.key.file), short_id(policy::key_id(genuine.key)),
                       render(table, wants_colour(STDOUT_FILENO)));
}

Result<int> verify(const Globals& globals, const VerifyOptions& options) {
    PMOS_ASSIGN(const auto trusted, read_trusted(options.keys, options.trust));
    PMOS_ASSIGN(const auto place, parse_place(options.file));
    PMOS_ASSIGN(const auto bytes, read_bundle_at(place));
    PMOS_ASSIGN(const auto genuine, policy::open_bundle(options.file, bytes, trusted));
    const auto checked = check_bundle(genuine.bundle);
    const bool broken = policy::has_errors(checked.diagnostics);
    if (globals.json) {
        Json json = bundle_json(genuine);
        json["sound"] = !broken;
        json["findings"] = Json::parse(findings_json(checked));
        put_line(json.dump(2));
    } else {
        put(bundle_text(genuine));
        put_findings(checked, false);
    }
    return broken ? 1 : 0;
}

// The same bytes at another place: into a layout for a registry's tools, or out of one.
Result<int> copy(const Globals& globals, const std::string& from, const std::string& to) {
    PMOS_ASSIGN(const auto source, parse_place(from));
    PMOS_ASSIGN(const auto target, parse_place(to));
    PMOS_ASSIGN(const auto bytes, read_bundle_at(source));
    PMOS_ASSIGN(const auto sealed, policy::split_bundle(from, bytes));
    PMOS_TRY(policy::check_payload(from, sealed));
    PMOS_ASSIGN(const auto bundle, policy::read_payload(from, sealed.payload));
    PMOS_ASSIGN(const auto written, write_bundle_at(target, bytes, shown_of(bundle)));
    say(globals,
        {{"file", written.place}, {"manifest", written.digest}, {"bundle", bundle.label()}},
        fmt::format("{}: {}, {}", written.place, bundle.label(),
                    sealed.is_signed() ? "as it was signed; see policy verify" : "not signed yet"));
    return 0;
}

constexpr const char* kPlace = "the bundle: FILE, or DIR[:TAG] of an OCI layout";

}  // namespace

Action attach_policy_keygen(CommandLine& line) {
    auto name = std::make_shared<std::string>();
    line.add_option("NAME", *name, "writes NAME.key and NAME.pub").required();
    return [name](const Globals& globals) { return keygen(globals, *name); };
}

Action attach_policy_pack(CommandLine& line) {
    auto options = std::make_shared<PackOptions>();
    auto& request = options->request;
    line.add_option("DIR", request.directory, "the profiles' directory").required();
    line.add_option("-o,--output", options->output, "the bundle to write: FILE, or oci:DIR[:TAG]")
        .required();
    line.add_option("--name", options->name, "whose policy it is").required();
    line.add_option("--version", options->version, "a number that only rises").required();
    line.add_option("--for", options->made_for, "the model of phone it is for (default: any)");
    line.add_option("--root", request.root, "a phone's file system, for its images and hooks");
    line.add_option("--images", request.images, "where the mode images are");
    line.add_option("--hooks", request.hooks, "where the hooks are");
    return [options](const Globals& globals) { return pack(globals, *options); };
}

Action attach_policy_sign(CommandLine& line) {
    auto options = std::make_shared<SignOptions>();
    line.add_option("BUNDLE", options->file, kPlace).required();
    line.add_option("-o,--output", options->output, "write it there: FILE, or oci:DIR[:TAG]");
    line.add_option("--key", options->key, "the private key's file, of mode 0600");
    line.add_option("--key-fd", options->key_fd,
                    "an open descriptor that the private key is read from");
    line.add_flag("--digest", options->digest, "print what is to be signed elsewhere, in hex");
    line.add_option("--signature", options->signature, "attach these 64 bytes, made elsewhere");
    line.add_option("--public", options->public_key, "the public key that --signature is by");
    return [options](const Globals& globals) { return sign(globals, *options); };
}

Action attach_policy_copy(CommandLine& line) {
    auto places = std::make_shared<std::pair<std::string, std::string>>();
    line.add_option("FROM", places->first, kPlace).required();
    line.add_option("TO", places->second, "FILE, or oci:DIR[:TAG]").required();
    return
        [places](const Globals& globals) { return copy(globals, places->first, places->second); };
}

Action attach_policy_verify(CommandLine& line) {
    auto options = std::make_shared<VerifyOptions>();
    line.add_option("BUNDLE", options->file, kPlace).required();
    line.add_option("--key", options->keys, "a public key to trust, instead of the phone's");
    line.add_option("--trust", options->trust, "the directory of trusted keys");
    return [options](const Globals& globals) { return verify(globals, *options); };
}

}  // namespace pmos::cli
