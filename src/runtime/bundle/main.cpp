// bundle: pmos-bundle, one request on the policy slots and then the end. Opens no network, reads
// no profile: signature, digests, versions and files are all it knows.
#include <fcntl.h>
#include <fmt/format.h>
#include <getopt.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include "base/directory.h"
#include "base/regular_file.h"
#include "runtime/bundle/pins.h"
#include "runtime/bundle/slots.h"

namespace pmos::bundle {
namespace {

struct Options {
    std::string verb, why, digest, in_use;
    std::string state = "/var/lib/pmos", run = "/run/pmos", trust = "/etc/pmos/trust";
    std::string images = "/usr/share/pmos/images", hooks = "/usr/share/pmos/hooks", model;
    std::string floor = "file";
};

constexpr const char* kUsage =
    "usage: pmos-bundle start|current|ended|go-over|confirm|reject [OPTION...]\n"
    "       pmos-bundle install|stage [OPTION...] <BUNDLE\n"
    "       pmos-bundle copy <BUNDLE >COPY\n"
    "The phone's policy slots. Started by pmosd; by hand only to put a policy into the\n"
    "storage of a phone that has never run.\n"
    "\n"
    "  --state DIR   slots are in DIR/policy (default /var/lib/pmos)\n"
    "  --run DIR     state of this boot (default /run/pmos)\n"
    "  --trust DIR   public keys (default /etc/pmos/trust)\n"
    "  --images DIR, --hooks DIR, --model NAME: what the bundle is measured by\n"
    "  --floor WHERE file (default), auto: in the TPM too if there is one, or tpm: not without\n"
    "  --why TEXT    of reject\n"
    "  --digest SHA  of go-over, confirm and reject: which bundle is meant\n"
    "  --in-use SHA  of current: the bundle that the pmosd has\n";

std::optional<FloorIn> floor_in(std::string_view word) {
    if (word == "file") return FloorIn::file;
    if (word == "auto") return FloorIn::tpm_if_there;
    if (word == "tpm") return FloorIn::tpm;
    return std::nullopt;
}

bool parse_options(int argc, char** argv, Options& o) {
    const std::array<std::string*, 10> texts{&o.state, &o.run, &o.trust,  &o.images, &o.hooks,
                                             &o.model, &o.why, &o.digest, &o.in_use, &o.floor};
    static constexpr std::array kOptions{
        option{"state", 1, nullptr, 0},  option{"run", 1, nullptr, 1},
        option{"trust", 1, nullptr, 2},  option{"images", 1, nullptr, 3},
        option{"hooks", 1, nullptr, 4},  option{"model", 1, nullptr, 5},
        option{"why", 1, nullptr, 6},    option{"digest", 1, nullptr, 7},
        option{"in-use", 1, nullptr, 8}, option{"floor", 1, nullptr, 9},
        option{nullptr, 0, nullptr, 0}};
    for (int key; (key = ::getopt_long(argc, argv, "", kOptions.data(), nullptr)) != -1;) {
        if (key == '?') return false;
        *texts[static_cast<std::size_t>(key)] = ::optarg;
    }
    if (::optind + 1 != argc || !floor_in(o.floor)) return false;
    o.verb = argv[::optind];
    return true;
}

// Whoever could write there could name himself a signer.
Result<> only_roots(const std::string& path) {
    struct stat st {};
    const std::string what = fmt::format("cannot trust '{}'", path);
    if (::lstat(path.c_str(), &st) != 0) return fail(errno_error(errno, what));
    if ((st.st_uid != 0 && st.st_uid != ::geteuid()) || (st.st_mode & 022U) != 0)
        return fail(Code::denied, what, "others than root may write it", "chmod go-w it");
    return {};
}

// Whoever has a bundle installed has trusted somebody: that nobody is trusted any more opens no
// way around the signature.
Result<std::vector<policy::PublicKey>> read_trusted(const Options& o) {
    auto paths = list_directory(o.trust, ".pub");
    if (paths ? paths->empty() : paths.error().code == Code::not_found)
        return fail(
            Code::denied, "nobody is trusted to sign the policy",
            fmt::format("'{}' holds no key", o.trust),
            fmt::format("put the signer's .pub file there; a developer who means it removes "
                        "'{}/policy', and profiles are read unsigned again",
                        o.state));
    if (!paths) return fail(std::move(paths.error()));
    PMOS_TRY(only_roots(o.trust));
    return policy::read_public_keys(*paths, [](const std::string& path) -> Result<std::string> {
        PMOS_TRY(only_roots(path));
        return read_regular_file(path, policy::kMaxPublicKeyFile);
    });
}

// From standard input, which must be a file.
Result<std::string> read_bundle() {
    struct stat st {};
    if (::fstat(STDIN_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(Code::usage, "cannot read the bundle", "it is not a regular file");
    std::string bytes;
    while (bytes.size() <= policy::kMaxBundle) {
        const std::size_t used = bytes.size();
        bytes.resize(used + (256U << 10U));
        const ssize_t n = ::pread(STDIN_FILENO, bytes.data() + used, bytes.size() - used,
                                  static_cast<off_t>(used));
        bytes.resize(used + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, "cannot read the bundle"));
        if (n == 0) return bytes;
    }
    return fail(Code::usage, "cannot read the bundle", "it is too large to be one");
}

// A file of somebody else's may keep who reads it waiting: copied first, by a process that holds
// nothing and that nobody waits for longer than it has time. Nothing of it is looked at.
Result<> copy() {
    PMOS_ASSIGN(const auto bytes, read_bundle());
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() ||
        std::fflush(stdout) != 0)
        return fail(errno_error(errno, "cannot copy the bundle"));
    return {};
}

Result<Report> work(const Options& o) {
    Phone phone;
    PMOS_ASSIGN(phone.trusted, read_trusted(o));
    phone.model = o.model;
    const PinCheck pins(o.images, o.hooks, o.run + "/verified");
    phone.check_pins = [&](const policy::Bundle& bundle) { return pins.check(bundle); };
    const auto keeper = make_tpm_keeper();
    phone.keeper = keeper.get();
    phone.floor_in = *floor_in(o.floor);
    const std::string directory = o.state + "/policy";
    PMOS_ASSIGN(auto disk, DirectoryDisk::open(directory));
    Slots slots(disk, phone);
    auto report = [&]() -> Result<Report> {
        if (o.verb == "start") return slots.start();
        if (o.verb == "current") return slots.current(o.in_use);
        if (o.verb == "ended") return slots.ended();
        if (o.verb == "confirm") return slots.confirm(o.digest);
        if (o.verb == "reject") return slots.reject(o.why, o.digest);
        if (o.verb == "go-over") return slots.go_over(o.digest);
        if (o.verb != "install" && o.verb != "stage")
            return fail(Code::usage, "there is no verb '" + o.verb + "'");
        PMOS_ASSIGN(const auto bytes, read_bundle());
        return o.verb == "stage" ? slots.stage(bytes) : slots.install(bytes);
    }();
    if (report && report->usable()) report->file = directory + "/" + report->file;
    return report;
}

}  // namespace
}  // namespace pmos::bundle

int main(int argc, char** argv) {
    using namespace pmos::bundle;
    Options options;
    if (!parse_options(argc, argv, options)) {
        fmt::print(stderr, "{}", kUsage);
        return 2;
    }
    ::umask(0077);
    // What a bundle holds is read here first, so this is the process to have little.
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        (::geteuid() == 0 && ::unshare(CLONE_NEWNET) != 0)) {
        fmt::print(stderr, "pmos-bundle: cannot leave the network\n");
        return 1;
    }
    if (options.verb == "copy") {
        const auto copied = copy();
        if (!copied) fmt::print("{}", encode(copied.error()));
        return copied ? 0 : 1;
    }
    const auto report = work(options);
    fmt::print("{}", report ? encode(*report) : encode(report.error()));
    return std::fflush(stdout) == 0 && report ? 0 : 1;
}
