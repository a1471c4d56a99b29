// volume: the devices that libcryptsetup makes beside a mapping while it re-encrypts it; what tells
// that somebody is at it, or was killed. Only looks.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pmos::volume {

// What an open volume stands on meanwhile, and the piece that is being written anew below that.
std::string overlay_of(std::string_view dm_name);
std::vector<std::string> hotzones_of(std::string_view dm_name);
// The names of all of them, each before what it stands on.
std::vector<std::string> helpers_of(std::string_view dm_name);

bool has_helpers(std::string_view dm_name);

// With two more, whose names say the process that made them, it reads by the one key and writes by
// the other, of an open volume or a closed one. Empty: the name is of something else.
std::optional<pid_t> maker_of(std::string_view dm_name);
// Any of them, of whatever volume.
bool has_temporary_crypt();

}  // namespace pmos::volume
