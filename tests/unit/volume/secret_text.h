// tests: secrets that are none, as text and back; a text with a change in it.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace pmos {

inline SecretBuffer secret_of(std::string_view text) {
    auto buffer = SecretBuffer::make(text.size());
    REQUIRE(buffer);
    std::ranges::copy(std::as_bytes(std::span(text)), buffer->storage().begin());
    buffer->set_size(text.size());
    return std::move(*buffer);
}

inline std::string text_of(const SecretBuffer& secret) {
    return {reinterpret_cast<const char*>(secret.bytes().data()), secret.bytes().size()};
}

// With something else in its first place of `before`.
inline std::string changed(std::string text, std::string_view before, std::string_view after) {
    const auto at = text.find(before);
    REQUIRE(at != text.npos);
    return text.replace(at, before.size(), after);
}

}  // namespace pmos
