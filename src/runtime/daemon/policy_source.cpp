// daemon: where the policy comes from: a signed bundle as soon as somebody is trusted to sign, a
// directory before that. The one home of this decision; judges no profile.
#include "runtime/daemon/policy_source.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/directory.h"
#include "base/fault_points.h"
#include "base/regular_file.h"
#include "policy/bundle.h"
#include "policy/hash.h"

namespace pmos::daemon {

using namespace std::chrono_literals;

namespace {

// A bundle has 16 MiB at most.
constexpr auto kCopyPatience = 10s;
// Also of those whose reader the kernel does not let end, because a file system in user space owes
// an answer.
constexpr int kMaxCopies = 8;

// Of the few copies that there may be; given back by its last owner.
std::shared_ptr<void> take_place(const std::shared_ptr<int>& copies) {
    ++*copies;
    return std::shared_ptr<void>(nullptr, [copies](void*) { --*copies; });
}
// As many pins as a bundle may have, each with a path of 4 KiB at most, and what is said beside.
constexpr std::size_t kMaxReport = policy::kMaxBundleEntries * (4096 + 128) + (64U << 10);

Result<bundle::Report> answer_of(Result<RunResult> result) {
    if (!result) return fail(std::move(result.error()));
    if (result->timed_out) return fail(Code::timed_out, "pmos-bundle did not come to an end");
    auto report = bundle::decode(result->output);
    if (!report && result->output.empty()) report.error().why = result->error_text;
    return report;
}

Result<> compare(const std::string& path, const std::map<std::string, bundle::Identity>& pins,
                 Result<bundle::Identity> now) {
    const auto refused = [&](std::string why, std::string fix) {
        return fail(Code::failed, fmt::format("'{}' is not used", path), std::move(why),
                    std::move(fix));
    };
    const auto pin = pins.find(path);
    if (pin == pins.end())
        return refused("the policy bundle does not pin it", "have the policy packed again");
    if (!now) return fail(std::move(now.error()));
    if (*now == pin->second) return {};
    return refused("it was changed since its digest was found to be the policy's",
                   "have it looked at again: pmosctl reload");
}

}  // namespace

void PinnedFiles::take(std::string sha256, const std::vector<bundle::VerifiedPin>& pins) {
    bundle_ = std::move(sha256);
    pins_.clear();
    for (const auto& pin : pins) pins_[pin.path] = pin.identity;
}

Result<> PinnedFiles::check(const std::string& path, BorrowedFd opened) const {
    if (bundle_.empty()) return {};
    return compare(path, pins_, bundle::identity_of(opened, path));
}

bool PolicySource::signed_only() const {
    const auto there = [](const Result<std::vector<std::string>>& found) {
        return found ? !found->empty() : found.error().code != Code::not_found;
    };
    if (there(list_directory(paths_.trust, ".pub"))) return true;
    const std::string slots = paths_.state + "/policy";
    struct stat st {};
    return there(list_directory(slots, ".bundle")) ||
           ::lstat((slots + "/slots").c_str(), &st) == 0 || errno != ENOENT;
}

RunRequest PolicySource::request(BundleJob job, const std::string& model,
                                 std::chrono::milliseconds patience) const {
    RunRequest request;
    request.spawn.path = paths_.libexec + "/pmos-bundle";
    request.spawn.args = {job.verb,     "--state",    paths_.state, "--run",       paths_.run,
                          "--trust",    paths_.trust, "--images",   paths_.images, "--hooks",
                          paths_.hooks, "--model",    model,        "--floor",     paths_.floor,
                          "--why",      job.why,      "--digest",   job.sha256,    "--in-use",
                          job.in_use};
    request.spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
    if constexpr (kFaultPoints)
        if (const char* when = std::getenv("PMOS_BUNDLE_DIE_AT"); when != nullptr)
            request.spawn.env.push_back(fmt::format("PMOS_BUNDLE_DIE_AT={}", when));
    request.input_fd = std::move(job.file);
    request.timeout = patience;
    request.max_output = kMaxReport;
    return request;
}

void PolicySource::copy(UniqueFd file, Answer<Copy> answer) {
    if (*copies_ == kMaxCopies)
        return answer(fail(Code::busy, "the bundle is not read",
                           fmt::format("{} others are read or wait for their turn", kMaxCopies),
                           "install it when they are done, see: pmosctl policy status"));
    auto place = take_place(copies_);
    RunRequest request;
    request.spawn.path = paths_.libexec + "/pmos-bundle";
    request.spawn.args = {"copy"};
    request.spawn.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
    request.input_fd = std::move(file);
    request.timeout = kCopyPatience;
    request.let_go = true;
    request.gone = [place]() mutable { place.reset(); };
    run_helper(loop_, std::move(request),
               [answer = std::move(answer), place](Result<RunResult> result) mutable {
                   if (!result) return answer(fail(std::move(result.error())));
                   if (result->timed_out)
                       return answer(fail(
                           Code::timed_out, "the bundle cannot be read",
                           fmt::format("its file did not answer within {} s", kCopyPatience / 1s),
                           "copy it to the phone's own storage first"));
                   if (result->code == 0)
                       return answer(Copy{std::move(result->output_file), std::move(place)});
                   auto refused = bundle::decode(result->output);
                   if (refused) refused = fail(Code::failed, "the bundle cannot be read");
                   if (result->output.empty()) refused.error().why = result->error_text;
                   answer(fail(std::move(refused.error())));
               });
}

void PolicySource::ask(BundleJob job, const std::string& model, Answer<bundle::Report> answer) {
    const auto closed = [] { return fail(Code::cancelled, "pmosd is shutting down"); };
    if (closed_) return answer(closed());
    worker_ =
        run_helper(loop_, request(std::move(job), model, kPatience),
                   [this, closed, answer = std::move(answer)](Result<RunResult> result) mutable {
                       if (closed_) return answer(closed());
                       answer(answer_of(std::move(result)));
                   });
}

void PolicySource::close() {
    closed_ = true;
    worker_.kill();
}

Result<bundle::Report> PolicySource::ask_now(BundleJob job, const std::string& model,
                                             std::chrono::milliseconds patience) const {
    auto now = request(std::move(job), model, patience);
    now.let_go = true;
    return answer_of(run_helper_now(std::move(now)));
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

Result<PolicySource::Loaded> PolicySource::load(const bundle::Report& report) {
    PMOS_ASSIGN(auto bundle, read_bundle(report));
    Loaded out{policy::read_policy(bundle), {}};
    for (auto& file : bundle.files)
        out.files.push_back({std::move(file.path), std::move(file.bytes)});
    return out;
}

}  // namespace pmos::daemon
