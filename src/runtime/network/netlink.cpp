// network: questions to the kernel over netlink, and their answers. Knows no family's words.
#include "runtime/network/netlink.h"

#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <cerrno>

#include "runtime/network/attributes.h"

namespace pmos::network {
namespace {

// A dump that changes under the reader is begun once more.
constexpr int kAttempts = 16;

// Why the kernel said no, in its own words: behind the error, where the socket asked for them.
std::string words_of(const nlmsghdr* message) {
    std::string words;
    if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return words;
    // NETLINK_CAP_ACK: of the request only its header is repeated.
    each_attribute_of(*message, sizeof(nlmsgerr), [&](const Attribute& a) {
        if (a.type() == NLMSGERR_ATTR_MSG) words = a.text();
    });
    return words;
}

Error refusal(const nlmsghdr* message, int error, std::string_view what) {
    Error made = errno_error(-error, std::string(what));
    if (error == -EOPNOTSUPP) made.code = Code::unsupported;
    if (const auto words = words_of(message); !words.empty()) made.why += " (" + words + ")";
    return made;
}

}  // namespace

Request::Request(std::uint16_t type, std::uint16_t flags)
    : message_(mnl_nlmsg_put_header(bytes_.data())) {
    message_->nlmsg_type = type;
    message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void* Request::extra(std::size_t size) { return mnl_nlmsg_put_extra_header(message_, size); }

void Request::put(std::uint16_t type, std::span<const std::uint8_t> bytes) {
    mnl_attr_put(message_, type, bytes.size(), bytes.data());
}

void Request::put(std::uint16_t type, std::string_view text) {
    mnl_attr_put_strz(message_, type, std::string(text).c_str());
}

void Request::put(std::uint16_t type, std::uint32_t value) {
    mnl_attr_put_u32(message_, type, value);
}

nlattr* Request::open(std::uint16_t type) { return mnl_attr_nest_start(message_, type); }
void Request::close(nlattr* nest) { mnl_attr_nest_end(message_, nest); }

Answer::Answer(const nlmsghdr* message)
    : bytes_(reinterpret_cast<const char*>(message),
             reinterpret_cast<const char*>(message) + message->nlmsg_len) {}

void Netlink::Close::operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }

BorrowedFd Netlink::fd() const noexcept { return BorrowedFd(mnl_socket_get_fd(socket_.get())); }

Result<Netlink> Netlink::open(int protocol) {
    Netlink made(mnl_socket_open2(protocol, SOCK_CLOEXEC));
    if (!made.socket_) return fail(errno_error(errno, "cannot make a netlink socket"));
    if (mnl_socket_bind(made.socket_.get(), 0, MNL_SOCKET_AUTOPID) != 0)
        return fail(errno_error(errno, "cannot bind a netlink socket"));
    int yes = 1;
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK})
        if (mnl_socket_setsockopt(made.socket_.get(), option, &yes, sizeof yes) != 0)
            return fail(errno_error(errno, "cannot set up a netlink socket"));
    return made;
}

Result<> Netlink::tell(Request& request, std::string_view what) const {
    request.get()->nlmsg_flags |= NLM_F_ACK;
    return try_to_ask(request.get(), what, [](const nlmsghdr&) {});
}

Result<std::vector<Answer>> Netlink::ask(Request& request, std::string_view what) const {
    if ((request.get()->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
        request.get()->nlmsg_flags |= NLM_F_ACK;
    for (int i = 1;; ++i) {
        std::vector<Answer> answers;
        auto asked = try_to_ask(request.get(), what,
                                [&](const nlmsghdr& message) { answers.emplace_back(&message); });
        if (asked) return answers;
        if (asked.error().sys_errno != EINTR || i == kAttempts)
            return fail(std::move(asked.error()));
    }
}

Result<> Netlink::each(Request& request, std::string_view what, const Taker& take) const {
    auto asked = try_to_ask(request.get(), what, take);
    if (!asked && asked.error().sys_errno == EINTR) return {};
    return asked;
}

Result<> Netlink::try_to_ask(nlmsghdr* request, std::string_view what, const Taker& take) const {
    static std::uint32_t sequence = 0;
    request->nlmsg_seq = ++sequence;
    std::vector<char> bytes(32768);  // what the kernel fills at a time in a dump
    bool torn = false;
    if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0)
        return fail(errno_error(errno, std::string(what)));
    for (;;) {
        const ssize_t n = mnl_socket_recvfrom(socket_.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(errno_error(errno, std::string(what)));
        int left = static_cast<int>(n);
        for (auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
             mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence) continue;
            torn = torn || (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
            if (message->nlmsg_type >= NLMSG_MIN_TYPE) {
                take(*message);
                continue;
            }
            if (message->nlmsg_type != NLMSG_DONE && message->nlmsg_type != NLMSG_ERROR) continue;
            const int error =
                message->nlmsg_len >= NLMSG_LENGTH(sizeof(int))
                    ? static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error
                    : 0;
            if (error < 0) return fail(refusal(message, error, what));
            if (torn) return fail(errno_error(EINTR, std::string(what)));
            return {};
        }
    }
}

}  // namespace pmos::network
