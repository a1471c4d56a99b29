// volume: a call of libfido2 that may wait for a touch: for how long, and what ends it before.
#include "runtime/volume/wait_for_person.h"

#include <fido.h>

#include <array>

namespace pmos::volume {
namespace {

constexpr std::array kSignals{SIGTERM, SIGHUP, SIGINT};
volatile std::sig_atomic_t came = 0;  // which signal

void note(int signal) { came = signal; }

void on_signals(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
}

}  // namespace

WaitForPerson::WaitForPerson(fido_dev* device, int most_ms)
    : device_(device), end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(most_ms)) {
    came = 0;
    on_signals(note);
    ::sigprocmask(SIG_SETMASK, nullptr, &during_);
    for (const int signal : kSignals) ::sigdelset(&during_, signal);
    ::fido_dev_set_sigmask(device_, &during_);
    ::fido_dev_set_timeout(device_, most_ms);
}

WaitForPerson::~WaitForPerson() {
    if (interrupted() || is_over()) ::fido_dev_cancel(device_);
    on_signals(SIG_DFL);
    // It was meant for who reads them all: kept back again, or the end of a process that keeps
    // none.
    if (interrupted()) static_cast<void>(::raise(came));
}

bool WaitForPerson::interrupted() const { return came != 0; }

bool WaitForPerson::is_over() const { return std::chrono::steady_clock::now() >= end_; }

}  // namespace pmos::volume
