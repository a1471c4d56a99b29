// cli: from a question to a line for pmos-try, and from its answer to a ruling. Talks to nobody.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>

#include "cli/on_device.h"
#include "policy/names.h"

namespace pmos::cli {
namespace {

using policy::Ruling;
using policy::Topic;

template <class Address>
std::string hex(const Address& address) {
    std::string out;
    for (const auto byte : std::as_bytes(std::span(&address, 1)))
        out += fmt::format("{:02x}", static_cast<unsigned>(byte));
    return out;
}

// Of TCP: whether a datagram gets out, nobody says who has sent it.
std::string connect_attempt(const policy::Question& q) {
    const auto connection = policy::asked_connection(q.what, q.how);
    if (!connection || connection->protocol != policy::Protocol::tcp) return "";
    const auto& bytes = connection->address.bytes;
    if (!connection->address.v6) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(connection->port);
        std::memcpy(&v4.sin_addr, bytes.data(), sizeof v4.sin_addr);
        return fmt::format("connect {} {} 0 {}", AF_INET, static_cast<int>(SOCK_STREAM), hex(v4));
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(connection->port);
    std::memcpy(&v6.sin6_addr, bytes.data(), sizeof v6.sin6_addr);
    return fmt::format("connect {} {} 0 {}", AF_INET6, static_cast<int>(SOCK_STREAM), hex(v6));
}

struct Parsed {
    std::string word, stage;
    long number = 0;
};

Parsed parse(const std::string& answer) {
    Parsed p;
    const auto first = answer.find(' ');
    p.word = answer.substr(0, first);
    if (first == answer.npos) return p;
    const auto second = std::min(answer.find(' ', first + 1), answer.size());
    std::from_chars(answer.data() + first + 1, answer.data() + second, p.number);
    if (second < answer.size()) p.stage = answer.substr(second + 1);
    return p;
}

bool is_one_of(long number, std::initializer_list<int> list) {
    return std::ranges::find(list, number) != list.end();
}

std::optional<Ruling> of_path(const policy::Question& q, const policy::Answer& expected,
                              const Parsed& p) {
    // What stands in for a masked file is empty and harmless.
    if (p.word == "ok" && p.number == 0 && expected.rule == "masked") return Ruling::refused;
    if (p.word == "ok") return Ruling::allowed;
    // A node that is not there is how a device is refused.
    if (p.number == ENOENT && expected.rule == "device-class") return Ruling::refused;
    if (p.word != "errno" || is_one_of(p.number, {ENOENT, ENOTDIR})) return std::nullopt;
    // To execute what is not there takes a file, which is another question.
    if (q.how == "execute" && p.stage == "create") return std::nullopt;
    return is_one_of(p.number, {EACCES, EPERM, EROFS}) ? Ruling::refused : Ruling::allowed;
}

std::optional<Ruling> of_connect(const policy::Answer& expected, const Parsed& p) {
    if (p.word == "ok") return Ruling::allowed;
    if (p.word != "errno") return std::nullopt;
    // What a rule drops on its way looks like what is under way.
    if (p.number == EINPROGRESS && expected.rule == "network-egress" &&
        expected.ruling == Ruling::refused)
        return std::nullopt;
    return is_one_of(p.number, {EINPROGRESS, ECONNREFUSED, ETIMEDOUT, EAGAIN}) ? Ruling::allowed
                                                                               : Ruling::refused;
}

}  // namespace

std::string attempt_for(const policy::Question& q) {
    if (q.topic == Topic::path) return fmt::format("{} {}", q.how, q.what);
    if (q.topic == Topic::connect) return connect_attempt(q);
    if (q.topic != Topic::capability) return "";
    const auto bit = policy::value_of(policy::capability_names(), q.what);
    return bit ? fmt::format("capability {}", *bit) : "";
}

std::optional<Ruling> ruling_of(const policy::Question& q, const policy::Answer& expected,
                                const std::string& answer) {
    const Parsed p = parse(answer);
    if (p.word == "killed") return Ruling::refused;
    switch (q.topic) {
        case Topic::path:
            return of_path(q, expected, p);
        case Topic::connect:
            return of_connect(expected, p);
        case Topic::capability:
            if (p.word != "ok") return std::nullopt;
            return p.number == 1 ? Ruling::allowed : Ruling::refused;
        case Topic::device:
            if (p.word == "ok") return Ruling::allowed;
            if (p.word != "errno") return std::nullopt;
            // A node that is not there is how a class is refused; one that is busy is open to it.
            return is_one_of(p.number, {ENOENT, EACCES, EPERM, ENXIO}) ? Ruling::refused
                                                                       : Ruling::allowed;
        case Topic::syscall:
        case Topic::hears:
            break;
    }
    return std::nullopt;
}

}  // namespace pmos::cli
