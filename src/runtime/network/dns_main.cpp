// network: pmos-net-dns, the resolver of one mode. Descriptor 3 is the mode's network namespace,
// 4 the text of its network's plan, 5 the line to pmos-net; 6 and 7 are bound to the namespace's
// 127.0.0.1:53, for datagrams and for streams.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "policy/plan_network.h"
#include "runtime/network/dns_confine.h"
#include "runtime/network/name_server.h"
#include "runtime/network/tls_leg.h"

namespace pmos::network {
namespace {

constexpr int kNetns = 3, kPlan = 4, kLine = 5, kDatagrams = 6, kListener = 7;

Result<policy::NetworkPlan> read_plan() {
    std::string text;
    char buffer[16384];
    for (ssize_t got = 0; (got = ::read(kPlan, buffer, sizeof buffer)) != 0;) {
        if (got < 0) return fail(errno_error(errno, "cannot read the plan"));
        text.append(buffer, static_cast<std::size_t>(got));
    }
    PMOS_ASSIGN(auto plan, policy::parse_network(text));
    if (plan.dns.empty()) return fail(Code::usage, "the plan names no resolver");
    return plan;
}

template <class Id>
bool read_id(const char* text, Id& id) {
    const char* const end = text + std::strlen(text);
    return std::from_chars(text, end, id).ptr == end && id > 0;
}

Result<> serve(pid_t parent, uid_t user, gid_t group, const std::string& trust) {
    ::signal(SIGPIPE, SIG_IGN);
    PMOS_ASSIGN(auto plan, read_plan());
    if (::setns(kNetns, CLONE_NEWNET) != 0)
        return fail(errno_error(errno, "cannot enter the mode's network namespace"));
    ::close(kNetns);
    ::close(kPlan);
    NameServer::Sockets sockets{UniqueFd(kDatagrams), UniqueFd(kListener), UniqueFd(kLine)};
    PMOS_ASSIGN(const auto legs, TlsLegs::listen(plan, trust));
    PMOS_TRY(confine_resolver(parent, user, group));
    PMOS_ASSIGN(const auto loop, event::EventLoop::make());
    legs->serve(*loop);
    PMOS_ASSIGN(const auto server, NameServer::make(*loop, std::move(plan), std::move(sockets)));
    return loop->run();
}

}  // namespace
}  // namespace pmos::network

// pmos-net-dns PARENT USER GROUP TRUST
int main(int argc, char** argv) {
    pid_t parent = 0;
    uid_t user = 0;
    gid_t group = 0;
    using pmos::network::read_id;
    if (argc != 5 || !read_id(argv[1], parent) || !read_id(argv[2], user) ||
        !read_id(argv[3], group)) {
        fmt::print(stderr, "pmos-net-dns is started by pmos-net, not by hand\n");
        return 2;
    }
    const auto served = pmos::network::serve(parent, user, group, argv[4]);
    if (served) return 0;
    fmt::print(stderr, "pmos-net-dns: {}\n", served.error().message());
    return 1;
}
