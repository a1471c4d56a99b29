// volume: what one guess takes at a secret that a person types. Tries none, derives nothing.
#include "runtime/volume/guess.h"

#include "runtime/volume/factor.h"
#include "runtime/volume/method.h"

namespace pmos::volume {
namespace {

std::optional<KeyslotCost> cost_of_way(const CryptDevice& crypt, const Factor& factor) {
    if (factor.token < 0) return crypt.argon2_of(factor.keyslot);
    const Method* method = method_of(factor);
    return method != nullptr && method->cost != nullptr ? method->cost(factor) : std::nullopt;
}

std::uint64_t price(const std::optional<KeyslotCost>& cost) {
    return cost ? std::uint64_t{cost->memory_kib} * cost->iterations : 0;
}

}  // namespace

bool is_as_dear(const KeyslotCost& cost, const KeyslotCost& as) {
    return 2 * price(cost) >= price(as);
}

std::optional<KeyslotCost> guess_cost(const CryptDevice& crypt) {
    std::optional<KeyslotCost> dearest;
    for (const auto& factor : factors_of(crypt, ""))
        if (auto cost = cost_of_way(crypt, factor); price(cost) > price(dearest))
            dearest = std::move(cost);
    return dearest;
}

}  // namespace pmos::volume
