// network: questions to the kernel over netlink, and their answers. Knows no family's words.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

struct mnl_socket;

namespace pmos::network {

// One message that is being written. Its parts are of bounded size, and so is it.
class Request {
  public:
    Request(std::uint16_t type, std::uint16_t flags);
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    // The family's own header, behind netlink's.
    template <class T>
    T& header() {
        return *static_cast<T*>(extra(sizeof(T)));
    }
    void put(std::uint16_t type, std::span<const std::uint8_t> bytes);
    void put(std::uint16_t type, std::string_view text);  // with its NUL
    void put(std::uint16_t type, std::uint32_t value);
    void put_byte(std::uint16_t type, std::uint8_t value) { put(type, std::span(&value, 1)); }
    nlattr* open(std::uint16_t type);
    void close(nlattr* nest);
    void* extra(std::size_t size);
    nlmsghdr* get() noexcept { return message_; }

  private:
    alignas(nlmsghdr) std::array<char, 4096> bytes_{};
    nlmsghdr* message_;
};

// What the kernel answered: a message as it came, with its header.
class Answer {
  public:
    explicit Answer(const nlmsghdr* message);
    const nlmsghdr* get() const noexcept {
        return reinterpret_cast<const nlmsghdr*>(bytes_.data());
    }
    template <class T>
    const T& header() const noexcept {
        return *reinterpret_cast<const T*>(bytes_.data() + NLMSG_HDRLEN);
    }

  private:
    std::vector<char> bytes_;
};

class Netlink {
  public:
    // protocol: NETLINK_ROUTE, ...; of the namespace that the process is in.
    static Result<Netlink> open(int protocol);

    // Until the kernel has said yes. what: "cannot ...", for the error.
    Result<> tell(Request& request, std::string_view what) const;
    Result<std::vector<Answer>> ask(Request& request, std::string_view what) const;
    // Each message of an answer that may be long. A dump that changes under the reader is taken as
    // it comes.
    using Taker = std::function<void(const nlmsghdr& message)>;
    Result<> each(Request& request, std::string_view what, const Taker& take) const;
    BorrowedFd fd() const noexcept;

  private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept;
    };
    explicit Netlink(mnl_socket* socket) : socket_(socket) {}
    Result<> try_to_ask(nlmsghdr* request, std::string_view what, const Taker& take) const;
    std::unique_ptr<mnl_socket, Close> socket_;
};

}  // namespace pmos::network
