// launch: a root image behind dm-verity: every block that is read of it is the one that the root
// hash was made of, or an I/O error. Knows no mode and keeps nothing.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "policy/launch_plan.h"

namespace pmos::launch {

struct ImageFiles {
    UniqueFd image;
    UniqueFd tree;  // empty: the hashes are appended to the image
};

struct ImageDevice {
    UniqueFd fd;       // the device goes with its last user, its loop devices with it
    std::string path;  // "/dev/dm-0"
};

// The device is there under `name`, or under that and a number while an earlier one lives on in a
// mode that runs. Nothing of it is left when pmosd dies at any moment but those between its making
// and its opening; remove_unused_devices() is for those.
Result<ImageDevice> map_verified(const ImageFiles& files, const policy::RootImage& root,
                                 const std::string& name);

// "pmos-secure.root"; no volume's can be called so.
std::string verified_device_name(std::string_view mode);
// The mode of such a name; "": it is no root's.
std::string_view mode_of_device(std::string_view device_name);

// Those of roots that nobody uses. A kernel without device-mapper has none.
void remove_unused_devices();

}  // namespace pmos::launch
