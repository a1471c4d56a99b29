// volume: pmosd's side of one pmos-volume process. Never reads the secret: it passes the
// descriptor on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"
#include "runtime/volume/protocol.h"

namespace pmos::volume {

// What is kept of a mode beside its volumes. Where wrong secrets are counted: a directory on the
// storage, a file of this boot.
struct AttemptPlaces {
    std::string attempts, repeats;
    std::string undo;  // the directory of headers that are being written over
    // All its volumes, which are destroyed together, and after how many wrong secrets; 0: never.
    std::vector<policy::Volume> volumes = {};
    std::uint32_t erase_after = 0;
};

// Of the ways into a volume: the one that is meant ("" any), and the one that comes or goes.
struct Ways {
    std::string method, factor;
};

// Fails with Code::usage when a text does not fit its field.
Result<Request> make_request(Verb verb, std::string_view mode, const policy::Volume& volume,
                             const AttemptPlaces& places, const Ways& ways = {});

// Whether a request of this verb and key must come with a secret descriptor.
bool needs_secret(const Request& request);

// Whether what a worker makes before a volume has its final name is there: one is at work, or was
// killed. Verb::close clears up after the killed one and leaves the other alone.
bool is_half_made(const policy::Volume& volume);

// Whether one must come with another descriptor: a new secret, a file.
bool needs_other(const Request& request);

// socket: the daemon's end of the SOCK_SEQPACKET pair; secret and other may be empty.
Result<void> send_request(BorrowedFd socket, const Request& request, BorrowedFd secret,
                          BorrowedFd other = {});

// One event. Empty when nothing is there yet (socket non-blocking); Code::unreachable when the
// worker has gone without an answer. After done or failed nothing more comes.
Result<std::optional<Event>> receive_event(BorrowedFd socket);

// Of an event of kind failed.
Error to_error(const Event& event);
// The worker's side of the same. Texts that are too long are cut.
Event to_event(const Error& error);

}  // namespace pmos::volume
