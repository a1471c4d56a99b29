// volume: the method "fido2" of a pmos that was built without libfido2: known, and refused.
#include "runtime/volume/left_out.h"

namespace pmos::volume {
namespace {

struct Fido2 {
    static constexpr const char *kWhat = "FIDO2", *kOption = "-Dfido2=enabled";
};

}  // namespace

constinit const Method kFido2 = LeftOut<Fido2>::method(
    {.name = "fido2", .token = "systemd-fido2", .random = true, .chosen = true, .several = true});

}  // namespace pmos::volume
