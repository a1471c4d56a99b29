// volume: the method "tpm2+pin" of a pmos that was built without a TPM: known, and refused.
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

}  // namespace pmos::volume
