// network: the attributes of a netlink message, as they lie in it. Copies nothing, trusts no
// length.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace pmos::network {

using Bytes = std::span<const std::uint8_t>;

class Attribute {
  public:
    Attribute(std::uint16_t type, Bytes bytes) : type_(type), bytes_(bytes) {}
    std::uint16_t type() const noexcept { return type_; }
    Bytes bytes() const noexcept { return bytes_; }
    // To its NUL, or to its end.
    std::string text() const {
        const auto* begin = reinterpret_cast<const char*>(bytes_.data());
        return {begin, ::strnlen(begin, bytes_.size())};
    }
    // What is missing is zero.
    template <class T>
    T value() const noexcept {
        T out{};
        std::memcpy(&out, bytes_.data(), std::min(sizeof out, bytes_.size()));
        return out;
    }

  private:
    std::uint16_t type_;
    Bytes bytes_;
};

template <class F>
void each_attribute(Bytes bytes, F f) {
    while (bytes.size() >= NLA_HDRLEN) {
        nlattr header{};
        std::memcpy(&header, bytes.data(), sizeof header);
        if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) return;
        f(Attribute(static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                    bytes.subspan(NLA_HDRLEN, header.nla_len - std::size_t{NLA_HDRLEN})));
        bytes = bytes.subspan(std::min<std::size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
    }
}

// Behind the family's own header, of that size.
inline Bytes attributes_of(const nlmsghdr& message, std::size_t header) {
    const std::size_t from = NLMSG_HDRLEN + NLMSG_ALIGN(header);
    if (message.nlmsg_len < from) return {};
    return Bytes(reinterpret_cast<const std::uint8_t*>(&message), message.nlmsg_len).subspan(from);
}
template <class F>
void each_attribute_of(const nlmsghdr& message, std::size_t header, F f) {
    each_attribute(attributes_of(message, header), f);
}

}  // namespace pmos::network
