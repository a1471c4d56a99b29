// tpm: a way to a TPM that does not wait for ever. Looks at no command and no answer.
#include "runtime/tpm/late.h"

#include <poll.h>

#include <cerrno>
#include <cstdlib>
#include <new>

namespace pmos::tpm {
namespace {

using Clock = std::chrono::steady_clock;

// As the TCTI specification has it: what all ways begin with, then our own.
struct Way {
    TSS2_TCTI_CONTEXT_COMMON_V1 common{};
    TSS2_TCTI_CONTEXT* inner = nullptr;
    std::chrono::milliseconds longest{};
    bool waited = false;  // for the answer to the last command
    bool given_up = false;
};
Way& of(TSS2_TCTI_CONTEXT* tcti) { return *reinterpret_cast<Way*>(tcti); }

bool answers_in_time(const Way& way) {
    std::size_t count = 1;
    TSS2_TCTI_POLL_HANDLE handle{};
    if (Tss2_Tcti_GetPollHandles(way.inner, &handle, &count) != TSS2_RC_SUCCESS || count != 1)
        return true;
    handle.events = POLLIN;
    for (const auto end = Clock::now() + way.longest;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        const int ready = ::poll(&handle, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready >= 0 || errno != EINTR) return ready != 0;
    }
}

TSS2_RC transmit(TSS2_TCTI_CONTEXT* tcti, std::size_t size, const std::uint8_t* command) {
    auto& way = of(tcti);
    way.waited = false;
    return way.given_up ? kLate : Tss2_Tcti_Transmit(way.inner, size, command);
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* tcti, std::size_t* size, std::uint8_t* response,
                std::int32_t timeout) {
    auto& way = of(tcti);
    // Asked for twice when its size is to be told first.
    if (!way.given_up && !way.waited) way.given_up = !answers_in_time(way);
    way.waited = true;
    return way.given_up ? kLate : Tss2_Tcti_Receive(way.inner, size, response, timeout);
}

void finalize(TSS2_TCTI_CONTEXT* tcti) { FreeTcti()(of(tcti).inner); }

}  // namespace

Tcti with_deadline(Tcti inner, std::chrono::milliseconds longest) {
    void* const memory = std::malloc(sizeof(Way));
    if (memory == nullptr) return nullptr;
    auto* const way = new (memory) Way;
    way->common.magic = 0x706d6f7374706d;
    way->common.version = 1;
    way->common.transmit = transmit;
    way->common.receive = receive;
    way->common.finalize = finalize;
    way->inner = inner.release();
    way->longest = longest;
    return Tcti(reinterpret_cast<TSS2_TCTI_CONTEXT*>(way));
}

}  // namespace pmos::tpm
