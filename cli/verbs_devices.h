// cli: the verbs about devices, for the table of verbs.
#pragma once

#include "cli/verbs.h"

namespace pmos::cli {

Action attach_devices_list(CommandLine& line);
Action attach_devices_who(CommandLine& line);
Action attach_devices_usage(CommandLine& line);
Action attach_devices_grants(CommandLine& line);
Action attach_modem_status(CommandLine& line);
Action attach_modem_call(CommandLine& line);
Action attach_modem_hangup(CommandLine& line);
Action attach_modem_sms(CommandLine& line);
Action attach_net_status(CommandLine& line);
Action attach_net_top(CommandLine& line);
Action attach_net_trace(CommandLine& line);
Action attach_net_key(CommandLine& line);
Action attach_handset_detect(CommandLine& line);
Action attach_handset_check(CommandLine& line);

}  // namespace pmos::cli
