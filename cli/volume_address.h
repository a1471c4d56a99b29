// cli: which volume of which mode a verb is about, and how it is asked for.
#pragma once

#include <memory>
#include <string>

#include "cli/secret_input.h"
#include "cli/verbs.h"

namespace pmos::cli {

struct VolumeName {
    std::string mode, volume;
};

// "1.5 GiB"
std::string size_words(std::uint64_t bytes);

// The interface of the volumes on a mode's object.
Address volumes_address(const std::string& mode);
// MODE and VOLUME; a mode's only volume need not be named.
void add_volume_options(CommandLine& line, VolumeName& name);
// Fills the name in where it was left out.
Result<> settle_name(BusClient& bus, VolumeName& name);

// Of a volume that is not known yes is taken: pmosd will refuse it by name.
Result<bool> opens_by_secret(BusClient& bus, const VolumeName& name);

// What opens it now; an empty pipe for one that opens without a secret.
Result<UniqueFd> secret_of(BusClient& bus, const VolumeName& name, const SecretOptions& options);

Action attach_volume_resize(CommandLine& line);
Action attach_volume_wipe_free(CommandLine& line);
Action attach_volume_trim(CommandLine& line);
Action attach_volume_reencrypt(CommandLine& line);
Action attach_auth_list(CommandLine& line);
Action attach_auth_enroll(CommandLine& line);
Action attach_auth_remove(CommandLine& line);
Action attach_auth_test(CommandLine& line);
Action attach_auth_open_escrow(CommandLine& line);

}  // namespace pmos::cli
