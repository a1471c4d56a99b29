// daemon: what pmosd writes to the journal. Never a secret, never what a mode wrote.
#pragma once

#include <string_view>

#include "base/result.h"
#include "runtime/daemon/context.h"

namespace pmos::daemon {

// One record with the fields PMOS_EVENT, PMOS_MODE and PMOS_<DETAIL>; to standard error where
// there is no journal.
void journal_event(std::string_view kind, std::string_view mode, const Details& details);
// What the journal may have of what a mode was refused, where the rest stays in the mode's volume.
Details outline_of(const Details& denial);
void journal_error(const Error& error);
void journal_note(std::string_view text);

}  // namespace pmos::daemon
