// network: the resolver of one mode. See name_server.h.
#include "runtime/network/name_server.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

namespace pmos::network {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t kMostAsked = 512, kMostClients = 32, kAtOnce = 32;
constexpr auto kIdle = 10s;  // RFC 7766: some seconds

}  // namespace

// One question at a time; what follows it waits in the kernel.
struct NameServer::Client {
    UniqueFd fd;
    DnsBytes read;
    bool waits = false;  // for its answer
    event::EventSource readable, idle;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
    Client() = default;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { *alive = false; }
};

NameServer::NameServer(event::EventLoop& loop, policy::NetworkPlan plan, Sockets sockets)
    : loop_(loop), plan_(std::move(plan)), rules_(plan_), sockets_(std::move(sockets)) {}

NameServer::~NameServer() = default;

Result<std::unique_ptr<NameServer>> NameServer::make(event::EventLoop& loop,
                                                     policy::NetworkPlan plan, Sockets sockets) {
    std::unique_ptr<NameServer> made(new NameServer(loop, std::move(plan), std::move(sockets)));
    auto* const server = made.get();
    PMOS_ASSIGN(server->lookup_, Lookup::make(loop, server->plan_));
    const auto& fds = server->sockets_;
    server->on_datagram_ = loop.on_io(fds.datagrams.borrow(), EPOLLIN,
                                      [server](std::uint32_t) { server->hear_datagrams(); });
    server->on_client_ = loop.on_io(fds.listener.borrow(), EPOLLIN,
                                    [server](std::uint32_t) { server->admit_client(); });
    server->on_line_ =
        loop.on_io(fds.line.borrow(), EPOLLIN, [server](std::uint32_t) { server->hear_line(); });
    return made;
}

void NameServer::hear_datagrams() {
    for (std::size_t i = 0; i < kAtOnce; ++i) {
        std::array<std::uint8_t, kDnsMostSize> buffer;
        sockaddr_in from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(sockets_.datagrams.get(), buffer.data(), buffer.size(),
                                    MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0) return;
        ask(DnsView(buffer).first(static_cast<std::size_t>(got)), true,
            [fd = sockets_.datagrams.get(), from](const DnsBytes& answer) {
                ::sendto(fd, answer.data(), answer.size(), MSG_DONTWAIT,
                         reinterpret_cast<const sockaddr*>(&from), sizeof from);
            });
    }
}

void NameServer::admit_client() {
    UniqueFd fd(::accept4(sockets_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || clients_.size() >= kMostClients) return;
    auto& client = clients_.emplace_back();
    client.fd = std::move(fd);
    client.readable = loop_.on_io(client.fd.borrow(), EPOLLIN,
                                  [this, &client](std::uint32_t) { hear_client(client); });
    client.idle = loop_.after(kIdle, [this, &client] { drop(client); });
}

void NameServer::drop(Client& client) {
    clients_.remove_if([&](const Client& other) { return &other == &client; });
}

void NameServer::hear_client(Client& client) {
    std::array<std::uint8_t, kDnsMostSize> buffer;
    const auto got = ::recv(client.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return drop(client);
    client.read.insert(client.read.end(), buffer.begin(), buffer.begin() + got);
    if (client.read.size() > 2 * kDnsMostSize) return drop(client);
    take(client);
}

// A question, once it is whole: two bytes say how long it is.
void NameServer::take(Client& client) {
    auto& read = client.read;
    if (client.waits || read.size() < 2) return;
    const std::size_t size = std::size_t{read[0]} << 8U | read[1];
    if (read.size() < size + 2) return;
    const DnsBytes message(read.begin() + 2, read.begin() + 2 + static_cast<std::ptrdiff_t>(size));
    read.erase(read.begin(), read.begin() + 2 + static_cast<std::ptrdiff_t>(size));
    client.waits = true;
    client.idle = loop_.after(kIdle, [this, &client] { drop(client); });
    ask(message, false, [this, &client, alive = client.alive](const DnsBytes& answer) {
        if (!*alive) return;
        client.waits = false;
        DnsBytes out{static_cast<std::uint8_t>(answer.size() >> 8U),
                     static_cast<std::uint8_t>(answer.size())};
        out.insert(out.end(), answer.begin(), answer.end());
        const auto sent =
            ::send(client.fd.get(), out.data(), out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        // Who does not read what was asked for is let go.
        const bool whole = sent == static_cast<ssize_t>(out.size());
        loop_.soon([this, &client, alive, whole] {
            if (!*alive) return;
            whole ? take(client) : drop(client);
        });
    });
}

void NameServer::ask(DnsView message, bool datagram, Reply reply) {
    DnsRefused refused;
    auto question = read_question(message, refused);
    if (!question) {
        if (refused.code) reply(no_answer(message, *refused.code));
        return;
    }
    Asked asked{
        std::move(*question), datagram ? question->room : kDnsStreamSize, std::move(reply), {}};
    const auto name = asked.question.name;
    if (!rules_.judge(name).allowed) return refuse(std::move(asked), name);
    if (asked_.size() >= kMostAsked)
        return asked.reply(no_answer(asked.question, DnsCode::server_failure));
    const auto number = next_++;
    if (next_ == 0) next_ = 1;
    const auto type = asked.question.type;
    asked_.insert_or_assign(number, std::move(asked));
    lookup_->ask(name, type, [this, number](DnsView answer) { found(number, answer); });
}

// What is refused is not there: some programs would take any other word for a bad network.
void NameServer::refuse(Asked asked, const std::string& name) {
    static_cast<void>(tell({0, 0, name, {}}));
    asked.reply(no_answer(asked.question, DnsCode::no_name, true));
}

void NameServer::found(std::uint32_t number, DnsView message) {
    auto node = asked_.extract(number);
    if (!node) return;
    auto& asked = node.mapped();
    const auto answer = message.empty() ? std::nullopt : read_answer(message);
    if (!answer) return asked.reply(no_answer(asked.question, DnsCode::server_failure));
    // Behind an alias is the one who is shunned, whoever lends him a name.
    for (const auto& alias : answer->aliases)
        if (rules_.denying(alias) != nullptr) return refuse(std::move(asked), alias);
    if (answer->addresses.empty())
        return asked.reply(answer_for(asked.question, message, asked.most));
    if (!tell({number, answer->lifetime, asked.question.name, answer->addresses}))
        return asked.reply(no_answer(asked.question, DnsCode::server_failure));
    asked.found.assign(message.begin(), message.end());
    asked_.insert(std::move(node));
}

bool NameServer::tell(const DnsReport& report) {
    const auto bytes = report_bytes(report);
    return ::send(sockets_.line.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
}

void NameServer::hear_line() {
    std::array<std::uint8_t, 16> buffer;
    const auto got = ::recv(sockets_.line.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0) return loop_.quit(0);
    if (got < 0) return;
    const auto settled =
        read_settled(std::span<const std::uint8_t>(buffer).first(static_cast<std::size_t>(got)));
    if (!settled) return;
    auto node = asked_.extract(settled->number);
    if (!node) return;
    auto& asked = node.mapped();
    asked.reply(settled->reached ? answer_for(asked.question, asked.found, asked.most)
                                 : no_answer(asked.question, DnsCode::server_failure));
}

}  // namespace pmos::network
