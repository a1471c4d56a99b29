// tpm: one conversation with the phone's TPM 2.0. Waits for its answers, so it is for workers that
// live for one request; pmosd never links it. Keeps no secret.
#pragma once

#include <tss2/tss2_esys.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"

namespace pmos::tpm {

// A resource manager is in the kernel: others may talk to the TPM meanwhile.
inline constexpr const char* kDevice = "/dev/tpmrm0";
inline constexpr std::chrono::milliseconds kLongestAnswer{20'000};

struct FreeTcti {
    void operator()(TSS2_TCTI_CONTEXT* tcti) const noexcept;
};
// A way to a TPM: memory of malloc(3), initialised.
using Tcti = std::unique_ptr<TSS2_TCTI_CONTEXT, FreeTcti>;

class Tpm {
  public:
    // Code::not_found: there is none. A driver that comes late has `patience` to do so.
    static Result<Tpm> open(const std::string& device, std::chrono::milliseconds patience);
    // Each command has `longest` for its answer: the longest durations of TPMs are those of making
    // keys, some seconds.
    static Result<Tpm> over(Tcti tcti, std::chrono::milliseconds longest = kLongestAnswer);

    ESYS_CONTEXT* get() const noexcept { return esys_.get(); }

  private:
    struct FreeEsys {
        void operator()(ESYS_CONTEXT* esys) const noexcept { Esys_Finalize(&esys); }
    };
    Tpm(Tcti tcti, ESYS_CONTEXT* esys) : tcti_(std::move(tcti)), esys_(esys) {}

    Tcti tcti_;  // outlives what speaks through it
    std::unique_ptr<ESYS_CONTEXT, FreeEsys> esys_;
};

// The firmware names one (ACPI's table TPM2, a node of the device tree): its driver may still come.
bool is_announced(const std::string& sys);

// What a TPM, or the way to it, refused; `what` was to be done. Code::timed_out: no answer came.
// Code::busy: the TPM judges no secret for a time, after wrong ones of whomever.
Error tpm_error(TSS2_RC rc, std::string what);

// Which answer it is (TPM2_RC_AUTH_FAIL), whoever hands it on and whichever parameter is meant.
TSS2_RC bare(TSS2_RC rc);

struct FreeTss {
    void operator()(void* memory) const noexcept { Esys_Free(memory); }
};
// What Esys_* hand out.
template <class T>
using TssPtr = std::unique_ptr<T, FreeTss>;

// Asks again, for two seconds, while the TPM is busy or spares its memory (TPM_RC_NV_RATE).
TSS2_RC patiently(const std::function<TSS2_RC()>& command);

}  // namespace pmos::tpm
