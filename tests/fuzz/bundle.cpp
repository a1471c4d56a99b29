// fuzz: any bytes as a bundle, and as what a signed one would hold. What is accepted is written
// back to the same bytes: there is one way to write a bundle.
#include "policy/bundle.h"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace pmos::policy;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void take_payload(std::string_view payload) {
    const auto bundle = read_payload("fuzz", payload);
    if (!bundle) {
        require(!bundle.error().what.empty() && !bundle.error().why.empty());
        return;
    }
    const auto again = write_bundle(*bundle);
    require(again.has_value());
    const auto sealed = split_bundle("again", *again);
    require(sealed.has_value() && !sealed->is_signed());
    require(sealed->payload == payload && check_payload("again", *sealed).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    const auto sealed = split_bundle("fuzz", bytes);
    if (sealed) {
        require(sealed->payload.size() + kBundleHeader == bytes.size());
        take_payload(sealed->payload);
    } else {
        require(!sealed.error().what.empty() && !sealed.error().why.empty());
        // Past the signature, which a fuzzer cannot make.
        take_payload(bytes);
    }
    return 0;
}
