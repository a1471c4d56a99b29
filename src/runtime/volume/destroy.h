// volume: makes unreadable what opens a mode's volumes, on the storage. Knows no secret, asks
// nobody, and touches no data; never logs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/volume/crypt.h"

namespace pmos::volume {

// Of a keyslot the loss of any part is enough: its key is spread over all of it (anti-forensic
// stripes). Neighbours lose theirs by one write: from the end of the first of them to the beginning
// of the last. Only what is further apart takes more than one.
std::vector<Area> first_blows(std::vector<Area> areas);

// Nothing that was in them comes back. The first blows are on the storage before the rest follows.
Result<void> overwrite_keyslots(const std::string& device, const std::vector<Area>& areas);

struct Destroyed {
    Result<void> keyslots;  // an error: one may be there still, which the mark stays for
    Result<void> outside;   // an error: what stays outside the headers opens nothing any more
};

// The one place where a mode's keys end, for `erase`, the duress secret and one wrong secret too
// many. Marked before and after (ending.h). In this order: of all of them what a header only speaks
// of, as a TPM's share of a key; what is kept of a header that was being written over, which the
// next opening would put back; the volume whose header is at `header`; the mode's other volumes.
// What is kept of a header is gone then. What cannot be written is left out, the rest is done all
// the same. The headers stay what they were to look at: a secret fails as a wrong one does.
// Whoever re-encrypts one of them meanwhile may write a keyslot behind it: the mark stays then,
// too, and the closing of the volume finishes it.
Destroyed destroy_keyslots(const Request& request, const std::string& header);

// The same by who can tell nobody.
void destroy_unseen(const Request& request, const CryptDevice& crypt);
// One that was cut off, or met a fault, is brought to its end before anything is opened. False:
// there is none. An error: it could not be, and nothing may be opened.
Result<bool> finish_destruction(const Request& request);

// Both copies of the metadata and all keyslots become zeros, on the storage.
Result<void> wipe_header(const std::string& device);

// Only with -Dfaults=true: the worker is killed at the moment that a test has named.
void maybe_die_at(const char* moment);

}  // namespace pmos::volume
