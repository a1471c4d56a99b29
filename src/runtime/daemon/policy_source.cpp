// daemon: where the policy comes from: a signed bundle as soon as somebody is trusted to sign, a
// directory before that. The one home of this decision; judges no profile.
#include "runtime/daemon/policy_source.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/regular_file.h"
#include "policy/bundle.h"
#include "policy/hash.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

// An image of a gigabyte takes a slow phone seconds to read.
constexpr auto kPatience = 10min;

Result<bundle::Report> answer_of(Result<RunResult> result) {
    if (!result) return fail(std::move(result.error()));
    if (result->timed_out) return fail(Code::timed_out, "pmos-bundle did not come to an end");
    auto report = bundle::decode(result->output);
    if (!report && result->output.empty()) report.error().why = result->error_text;
    return report;
}

}  // namespace

void PinnedFiles::take(const std::vector<bundle::VerifiedPin>& pins) {
    pins_.clear();
    for (const auto& pin : pins) pins_[pin.path] = pin.identity;
}

Result<> PinnedFiles::check(const std::string& path) const {
    const auto pin = pins_.find(path);
    if (pin == pins_.end()) return {};
    PMOS_ASSIGN(const auto now, bundle::identity_of(path));
    if (now == pin->second) return {};
    return fail(Code::failed, fmt::format("'{}' is not used", path),
                "it was changed since its digest was found to be the policy's",
                "have it looked at again: pmosctl reload");
}

bool PolicySource::signed_only() const {
    std::error_code error;
    for (std::filesystem::directory_iterator it(paths_.trust, error), end; !error && it != end;
         it.increment(error))
        if (it->path().extension() == ".pub") return true;
    return error && error != std::errc::no_such_file_or_directory;
}

RunRequest PolicySource::request(BundleJob job, const std::string& model) const {
    RunRequest request;
    request.spawn.path = paths_.libexec + "/pmos-bundle";
    request.spawn.args = {job.verb,     "--state",    paths_.state, "--run",       paths_.run,
                          "--trust",    paths_.trust, "--images",   paths_.images, "--hooks",
                          paths_.hooks, "--model",    model,        "--floor",     paths_.floor,
                          "--why",      job.why};
    if (job.file) request.spawn.args.push_back("--at-once");
    request.spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
#ifdef PMOS_FAULTS
    if (const char* when = std::getenv("PMOS_BUNDLE_DIE_AT"); when != nullptr)
        request.spawn.env.push_back(fmt::format("PMOS_BUNDLE_DIE_AT={}", when));
#endif
    request.input_fd = std::move(job.file);
    request.timeout = kPatience;
    return request;
}

void PolicySource::ask(BundleJob job, const std::string& model,
                       Answer<bundle::Report> answer) const {
    run_helper(loop_, request(std::move(job), model),
               [answer = std::move(answer)](Result<RunResult> result) mutable {
                   answer(answer_of(std::move(result)));
               });
}

Result<bundle::Report> PolicySource::ask_now(BundleJob job, const std::string& model) const {
    return answer_of(run_helper_now(request(std::move(job), model)));
}

namespace {

Result<policy::Bundle> read_bundle(const bundle::Report& report) {
    PMOS_ASSIGN(const auto bytes, read_regular_file(report.file, policy::kMaxBundle));
    // The signature is over what the worker has read.
    if (policy::sha256_hex(std::as_bytes(std::span(bytes.data(), bytes.size()))) != report.sha256)
        return fail(Code::failed, fmt::format("'{}' is not used", report.file),
                    "it was changed since its signature was found good");
    PMOS_ASSIGN(const auto sealed, policy::split_bundle(report.file, bytes));
    return policy::read_payload(report.file, sealed.payload);
}

}  // namespace

Result<policy::PolicySet> PolicySource::load(const bundle::Report& report) {
    PMOS_ASSIGN(const auto bundle, read_bundle(report));
    return policy::read_policy(bundle);
}

Result<std::vector<PolicyFile>> PolicySource::files(const bundle::Report& report) {
    PMOS_ASSIGN(auto bundle, read_bundle(report));
    std::vector<PolicyFile> out;
    for (auto& file : bundle.files) out.push_back({std::move(file.path), std::move(file.bytes)});
    return out;
}

}  // namespace pmos::daemon
