// cli: the table of verbs, and what each is given. Talks to nobody.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"
#include "cli/command_line.h"

namespace pmos::cli {

struct Globals {
    bool json = false;
    BusTarget target;
    std::vector<std::string> command;  // what followed "--", of verbs that take a command

    Result<BusClient> connect() const { return BusClient::connect(target); }
};

// Does the work; the value is pmosctl's exit status.
using Action = std::function<Result<int>(const Globals&)>;

struct Verb {
    std::string_view name;  // one word or two: "policy check"
    std::string_view group;
    std::string_view summary;
    Action (*attach)(
        CommandLine& line);      // adds the options, returns what runs after they are parsed
    bool takes_command = false;  // "-- COMMAND" belongs to it, its failures exit with 125
};

std::span<const Verb> verbs();

// One per group of verbs, each in a file of its own.
Action attach_status(CommandLine& line);
Action attach_list(CommandLine& line);
Action attach_inspect(CommandLine& line);
Action attach_doctor(CommandLine& line);
Action attach_version(CommandLine& line);
Action attach_start(CommandLine& line);
Action attach_stop(CommandLine& line);
Action attach_restart(CommandLine& line);
Action attach_switch(CommandLine& line);
Action attach_lock(CommandLine& line);
Action attach_notify(CommandLine& line);
Action attach_reload(CommandLine& line);
Action attach_provision(CommandLine& line);
Action attach_unlock(CommandLine& line);
Action attach_erase(CommandLine& line);
Action attach_duress_set(CommandLine& line);
Action attach_duress_remove(CommandLine& line);
Action attach_volume_list(CommandLine& line);
Action attach_volume_info(CommandLine& line);
Action attach_volume_passwd(CommandLine& line);
Action attach_volume_backup(CommandLine& line);
Action attach_volume_restore(CommandLine& line);
Action attach_exec(CommandLine& line);
Action attach_shell(CommandLine& line);
Action attach_logs(CommandLine& line);
Action attach_events(CommandLine& line);
Action attach_image_build(CommandLine& line);
Action attach_image_import(CommandLine& line);
Action attach_image_verify(CommandLine& line);
Action attach_policy_check(CommandLine& line);
Action attach_policy_show(CommandLine& line);
Action attach_policy_diff(CommandLine& line);
Action attach_policy_explain(CommandLine& line);
Action attach_policy_map(CommandLine& line);
Action attach_policy_record(CommandLine& line);
Action attach_policy_report(CommandLine& line);
Action attach_policy_score(CommandLine& line);
Action attach_policy_export_oci(CommandLine& line);
Action attach_policy_separation(CommandLine& line);
Action attach_policy_test(CommandLine& line);
Action attach_policy_try(CommandLine& line);
Action attach_policy_rules(CommandLine& line);
Action attach_policy_explain_rule(CommandLine& line);
Action attach_policy_keygen(CommandLine& line);
Action attach_policy_pack(CommandLine& line);
Action attach_policy_sign(CommandLine& line);
Action attach_policy_copy(CommandLine& line);
Action attach_policy_verify(CommandLine& line);
Action attach_policy_install(CommandLine& line);
Action attach_policy_status(CommandLine& line);
Action attach_policy_confirm(CommandLine& line);
Action attach_policy_reject(CommandLine& line);

}  // namespace pmos::cli
