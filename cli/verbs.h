// cli: the table of verbs, and what each is given. Talks to nobody.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/bus_client.h"

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
    Action (*attach)(CLI::App& app);  // adds the options, returns what runs after they are parsed
    bool takes_command = false;       // "-- COMMAND" belongs to it, its failures exit with 125
};

std::span<const Verb> verbs();

// One per group of verbs, each in a file of its own.
Action attach_status(CLI::App& app);
Action attach_list(CLI::App& app);
Action attach_inspect(CLI::App& app);
Action attach_doctor(CLI::App& app);
Action attach_version(CLI::App& app);
Action attach_start(CLI::App& app);
Action attach_stop(CLI::App& app);
Action attach_restart(CLI::App& app);
Action attach_switch(CLI::App& app);
Action attach_lock(CLI::App& app);
Action attach_notify(CLI::App& app);
Action attach_reload(CLI::App& app);
Action attach_provision(CLI::App& app);
Action attach_unlock(CLI::App& app);
Action attach_erase(CLI::App& app);
Action attach_duress_set(CLI::App& app);
Action attach_duress_remove(CLI::App& app);
Action attach_volume_list(CLI::App& app);
Action attach_volume_info(CLI::App& app);
Action attach_volume_passwd(CLI::App& app);
Action attach_volume_backup(CLI::App& app);
Action attach_volume_restore(CLI::App& app);
Action attach_exec(CLI::App& app);
Action attach_shell(CLI::App& app);
Action attach_logs(CLI::App& app);
Action attach_events(CLI::App& app);
Action attach_image_build(CLI::App& app);
Action attach_image_import(CLI::App& app);
Action attach_image_verify(CLI::App& app);
Action attach_policy_check(CLI::App& app);
Action attach_policy_show(CLI::App& app);
Action attach_policy_diff(CLI::App& app);
Action attach_policy_explain(CLI::App& app);
Action attach_policy_map(CLI::App& app);
Action attach_policy_record(CLI::App& app);
Action attach_policy_report(CLI::App& app);
Action attach_policy_score(CLI::App& app);
Action attach_policy_separation(CLI::App& app);
Action attach_policy_test(CLI::App& app);
Action attach_policy_try(CLI::App& app);
Action attach_policy_rules(CLI::App& app);
Action attach_policy_explain_rule(CLI::App& app);
Action attach_policy_keygen(CLI::App& app);
Action attach_policy_pack(CLI::App& app);
Action attach_policy_sign(CLI::App& app);
Action attach_policy_copy(CLI::App& app);
Action attach_policy_verify(CLI::App& app);
Action attach_policy_install(CLI::App& app);
Action attach_policy_status(CLI::App& app);
Action attach_policy_confirm(CLI::App& app);
Action attach_policy_reject(CLI::App& app);

}  // namespace pmos::cli
