// tests: what a client of a face says, byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pmos::peer {

inline constexpr std::string_view kGreeting{"\0AUTH ANONYMOUS 70\r\nBEGIN\r\n", 27};

inline std::string number(std::size_t value) {
    const auto small = static_cast<std::uint32_t>(value);
    return {reinterpret_cast<const char*>(&small), sizeof small};
}

// A call in the byte order of this machine, which is the little one; body: as signature says.
inline std::string call_bytes(const std::string& path, const std::string& interface,
                              const std::string& member, const std::string& signature = "",
                              const std::string& body = "") {
    std::string fields;
    const auto field = [&](char code, char kind, const std::string& value) {
        fields.resize((fields.size() + 7) / 8 * 8);
        fields += std::string{code, 1, kind, 0} + number(value.size()) + value + '\0';
    };
    field(1, 'o', path);
    field(2, 's', interface);
    field(3, 's', member);
    if (!signature.empty()) {
        fields.resize((fields.size() + 7) / 8 * 8);
        fields +=
            std::string{8, 1, 'g', 0} + static_cast<char>(signature.size()) + signature + '\0';
    }
    std::string out =
        std::string{'l', 1, 0, 1} + number(body.size()) + number(1) + number(fields.size());
    out += fields;
    out.resize((out.size() + 7) / 8 * 8);
    return out + body;
}

}  // namespace pmos::peer
