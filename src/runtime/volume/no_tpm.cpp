// volume: the methods "tpm2+pin" and "tpm2" of a pmos that was built without a TPM: known, and
// refused.
#include "runtime/volume/left_out.h"

namespace pmos::volume {
namespace {

struct Tpm {
    static constexpr const char *kWhat = "a TPM", *kOption = "-Dtpm=enabled";
};

}  // namespace

constinit const Method kTpmPin = LeftOut<Tpm>::method({.name = "tpm2+pin",
                                                       .token = "pmos-tpm",
                                                       .random = true,
                                                       .chosen = true,
                                                       .destroy = LeftOut<Tpm>::destroy});
constinit const Method kTpmAlone =
    LeftOut<Tpm>::method({.name = "tpm2", .token = "systemd-tpm2", .random = true, .alone = true});

}  // namespace pmos::volume
