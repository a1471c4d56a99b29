// tpm: one conversation with the phone's TPM 2.0. Waits for its answers, so it is for workers that
// live for one request; pmosd never links it. Keeps no secret.
#include "runtime/tpm/tpm.h"

#include <fmt/format.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tcti_device.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "runtime/tpm/late.h"

namespace pmos::tpm {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kBetween = 100ms;

}  // namespace

void FreeTcti::operator()(TSS2_TCTI_CONTEXT* tcti) const noexcept {
    Tss2_Tcti_Finalize(tcti);
    std::free(tcti);
}

bool is_announced(const std::string& sys) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (fs::exists(sys + "/firmware/acpi/tables/TPM2", error)) return true;
    // "tpm@0", as the Devicetree Specification has it (2.2.2), or "ftpm" without a bus.
    fs::recursive_directory_iterator node(sys + "/firmware/devicetree/base", error);
    for (; !error && node != fs::recursive_directory_iterator(); node.increment(error)) {
        const auto name = node->path().filename().string();
        const auto kind = name.substr(0, name.find('@'));
        if ((kind == "tpm" || kind == "ftpm") && node->is_directory(error)) return true;
    }
    return false;
}

Error tpm_error(TSS2_RC rc, std::string what) {
    Error error;
    error.what = std::move(what);
    error.why = fmt::format("{} ({:#x})", Tss2_RC_Decode(rc), rc);
    if (rc == kLate) {
        error.code = Code::timed_out;
        error.why = "it does not answer";
        error.fix = "see the kernel log; the TPM works again after a restart, or is broken";
    } else if (bare(rc) == TPM2_RC_LOCKOUT) {
        error.code = Code::busy;
        error.why = "it is locked after wrong secrets, not only those of pmos";
        error.fix = "wait: tpm2_getcap properties-variable has the interval of lockout";
    }
    return error;
}

TSS2_RC bare(TSS2_RC rc) {
    // The layer says who hands it on (the kernel's resource manager has its own).
    constexpr TSS2_RC kNumberOnly = TPM2_RC_FMT1 | 0x3fU;
    const TSS2_RC answer = rc & ~TSS2_RC_LAYER_MASK;
    return (answer & TPM2_RC_FMT1) != 0 ? answer & kNumberOnly : answer;
}

Result<Tpm> Tpm::open(const std::string& device, std::chrono::milliseconds patience) {
    const std::string what = fmt::format("cannot open the TPM '{}'", device);
    for (const auto end = Clock::now() + patience; ::access(device.c_str(), F_OK) != 0;) {
        if (errno != ENOENT || Clock::now() >= end) return fail(errno_error(errno, what));
        std::this_thread::sleep_for(kBetween);
    }
    if (!answers(device, kLongestAnswer)) return fail(tpm_error(kLate, what));
    std::size_t size = 0;
    if (const auto rc = Tss2_Tcti_Device_Init(nullptr, &size, nullptr); rc != TSS2_RC_SUCCESS)
        return fail(tpm_error(rc, what));
    std::unique_ptr<void, decltype(&std::free)> memory(std::calloc(1, size), &std::free);
    if (!memory) return fail(errno_error(ENOMEM, what));
    auto* const tcti = static_cast<TSS2_TCTI_CONTEXT*>(memory.get());
    if (const auto rc = Tss2_Tcti_Device_Init(tcti, &size, device.c_str()); rc != TSS2_RC_SUCCESS)
        return fail(tpm_error(rc, what));
    memory.release();
    return over(Tcti(tcti));
}

Result<Tpm> Tpm::over(Tcti plain, std::chrono::milliseconds longest) {
    auto tcti = with_deadline(std::move(plain), longest);
    if (!tcti) return fail(errno_error(ENOMEM, "cannot talk to the TPM"));
    ESYS_CONTEXT* esys = nullptr;
    if (const auto rc = Esys_Initialize(&esys, tcti.get(), nullptr); rc != TSS2_RC_SUCCESS)
        return fail(tpm_error(rc, "cannot talk to the TPM"));
    return Tpm(std::move(tcti), esys);
}

TSS2_RC patiently(const std::function<TSS2_RC()>& command) {
    for (const auto end = Clock::now() + 2s;;) {
        const TSS2_RC rc = command();
        const TSS2_RC answer = bare(rc);
        const bool busy = answer == TPM2_RC_RETRY || answer == TPM2_RC_YIELDED ||
                          answer == TPM2_RC_TESTING || answer == TPM2_RC_NV_RATE;
        if (!busy || Clock::now() >= end) return rc;
        std::this_thread::sleep_for(kBetween);
    }
}

}  // namespace pmos::tpm
