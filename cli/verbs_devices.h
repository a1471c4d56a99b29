// cli: the verbs about devices, for the table of verbs.
#pragma once

#include "cli/verbs.h"

namespace pmos::cli {

Action attach_devices_list(CLI::App& app);
Action attach_devices_who(CLI::App& app);
Action attach_devices_usage(CLI::App& app);
Action attach_devices_grants(CLI::App& app);
Action attach_modem_status(CLI::App& app);
Action attach_modem_call(CLI::App& app);
Action attach_modem_hangup(CLI::App& app);
Action attach_modem_sms(CLI::App& app);
Action attach_net_status(CLI::App& app);
Action attach_net_key(CLI::App& app);
Action attach_handset_detect(CLI::App& app);
Action attach_handset_check(CLI::App& app);

}  // namespace pmos::cli
