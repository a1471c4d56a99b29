// tpm: a way to a TPM that does not wait for ever. Looks at no command and no answer.
#include "runtime/tpm/late.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "base/fd.h"

namespace pmos::tpm {
namespace {

using Clock = std::chrono::steady_clock;

// It has limits of its own for each command. Until they are over poll(2) may wait for the driver's
// lock, whatever its own time (Linux 6.1): then this is how it ends.
constexpr int kKernelGaveUp = ETIME;

// As the TCTI specification has it: what all ways begin with, then our own.
struct Way {
    TSS2_TCTI_CONTEXT_COMMON_V1 common{};
    TSS2_TCTI_CONTEXT* inner = nullptr;
    std::chrono::milliseconds longest{};
    bool waited = false;  // for the answer to the last command
    bool given_up = false;
};
Way& of(TSS2_TCTI_CONTEXT* tcti) { return *reinterpret_cast<Way*>(tcti); }

bool is_readable_within(pollfd handle, std::chrono::milliseconds longest) {
    handle.events = POLLIN;
    for (const auto end = Clock::now() + longest;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        const int ready = ::poll(&handle, 1, left > 0 ? static_cast<int>(left) : 0);
        if (ready >= 0 || errno != EINTR) return ready != 0;
    }
}

bool answers_in_time(const Way& way) {
    std::size_t count = 1;
    TSS2_TCTI_POLL_HANDLE handle{};
    if (Tss2_Tcti_GetPollHandles(way.inner, &handle, &count) != TSS2_RC_SUCCESS || count != 1)
        return true;
    return is_readable_within(handle, way.longest);
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
    if (way.given_up) return kLate;
    errno = 0;
    const TSS2_RC rc = Tss2_Tcti_Receive(way.inner, size, response, timeout);
    way.given_up = rc == TSS2_TCTI_RC_IO_ERROR && errno == kKernelGaveUp;
    return way.given_up ? kLate : rc;
}

void finalize(TSS2_TCTI_CONTEXT* tcti) { FreeTcti()(of(tcti).inner); }

}  // namespace

bool answers(const std::string& device, std::chrono::milliseconds longest) {
    // TPM2_GetCapability(TPM_CAP_TPM_PROPERTIES, TPM_PT_FAMILY_INDICATOR, 1), of no session.
    constexpr std::array<std::uint8_t, 22> kQuestion{0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0,
                                                     0,    0,    6, 0, 0, 1,  0, 0, 0,    0,    1};
    UniqueFd fd(::open(device.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
    if (!fd || ::write(fd.get(), kQuestion.data(), kQuestion.size()) !=
                   static_cast<ssize_t>(kQuestion.size()))
        return true;
    if (!is_readable_within({fd.get(), POLLIN, 0}, longest)) {
        static_cast<void>(fd.release());  // closing it would wait for the answer
        return false;
    }
    std::array<std::uint8_t, 4096> answer{};
    return ::read(fd.get(), answer.data(), answer.size()) >= 0 || errno != kKernelGaveUp;
}

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
