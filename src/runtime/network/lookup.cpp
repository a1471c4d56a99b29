// network: libunbound as a value.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unbound.h>

#include "policy/connection.h"
#include "policy/destination.h"
#include "runtime/network/name_server.h"
#include "runtime/network/tls_leg.h"

namespace pmos::network {
namespace {

// What no name of the internet leads to: RFC 6890. Else a name would open the net that the phone
// happens to be in (DNS rebinding). In a tunnel those addresses are what it is for.
constexpr std::string_view kNever[] = {"0.0.0.0/8",   "127.0.0.0/8",  "169.254.0.0/16",
                                       "224.0.0.0/3", "::/127",       "fe80::/10",
                                       "ff00::/8",    "::ffff:0:0/96"};

using Options = std::vector<std::pair<std::string, std::string>>;

Options options_for(const policy::NetworkPlan& plan) {
    Options options{{"module-config:", "iterator"},  // without a trust anchor nothing is validated
                    {"use-syslog:", "no"},
                    {"chroot:", ""},
                    {"username:", ""},
                    {"outgoing-range:", "128"},
                    {"num-queries-per-thread:", "256"},
                    {"msg-cache-size:", "2m"},
                    {"rrset-cache-size:", "4m"},
                    // A phone that comes back to its network does not wait for what it knew there.
                    {"infra-host-ttl:", "30"},
                    {"infra-keep-probing:", "yes"},
                    {"cache-max-ttl:", "3600"}};
    for (const auto prefix : kNever) options.emplace_back("private-address:", prefix);
    if (plan.zone == policy::Zone::direct)
        for (const auto& prefix : policy::kPrivateAddresses)
            options.emplace_back("private-address:", policy::to_text(prefix));
    else  // whose reverse names are no secret there
        options.emplace_back("unblock-lan-zones:", "yes");
    if (is_over_tls(plan)) {
        options.emplace_back("do-not-query-localhost:", "no");
        options.emplace_back("tcp-upstream:", "yes");
    }
    return options;
}

// Whom libunbound asks for the server with that number.
std::string forwarder(const policy::NetworkPlan& plan, std::size_t number) {
    const auto& server = plan.dns[number];
    if (server.tls_name.empty())
        return fmt::format("{}@{}", policy::address_text(server.address), server.port);
    const auto leg = leg_place(number);
    char address[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &leg.sin_addr, address, sizeof address);
    return fmt::format("{}@{}", address, ntohs(leg.sin_port));
}

std::unexpected<Error> refused(const std::string& what, int error) {
    return fail(Code::failed, "libunbound refuses " + what, ::ub_strerror(error));
}

}  // namespace

void Lookup::Free::operator()(ub_ctx* context) const noexcept { ::ub_ctx_delete(context); }

Lookup::~Lookup() = default;

Result<std::unique_ptr<Lookup>> Lookup::make(event::EventLoop& loop,
                                             const policy::NetworkPlan& plan) {
    std::unique_ptr<Lookup> made(new Lookup(::ub_ctx_create()));
    ub_ctx* const context = made->context_.get();
    if (context == nullptr) return fail(Code::no_space, "cannot set libunbound up");
    for (const auto& [key, value] : options_for(plan))
        if (const int r = ::ub_ctx_set_option(context, key.c_str(), value.c_str()); r != 0)
            return refused("'" + key + "'", r);
    for (std::size_t i = 0; i < plan.dns.size(); ++i) {
        const auto text = forwarder(plan, i);
        if (const int r = ::ub_ctx_set_fwd(context, text.c_str()); r != 0)
            return refused("'" + text + "'", r);
    }
    if (const int r = ::ub_ctx_async(context, 1); r != 0) return refused("threads", r);
    made->readable_ = loop.on_io(BorrowedFd(::ub_fd(context)), EPOLLIN,
                                 [context](std::uint32_t) { ::ub_process(context); });
    return made;
}

void Lookup::ask(const std::string& name, std::uint16_t type, Found found) {
    auto* const kept = new Found(std::move(found));  // until it came
    int id = 0;
    const int r = ::ub_resolve_async(context_.get(), name.empty() ? "." : name.c_str(), type, 1,
                                     kept, &Lookup::came, &id);
    if (r != 0) came(kept, r, nullptr);
}

void Lookup::came(void* found, int error, ub_result* result) {
    const std::unique_ptr<Found> kept(static_cast<Found*>(found));
    const auto* packet =
        result == nullptr ? nullptr : static_cast<const std::uint8_t*>(result->answer_packet);
    const bool good = error == 0 && packet != nullptr && result->answer_len > 0;
    (*kept)(good ? DnsView(packet, static_cast<std::size_t>(result->answer_len)) : DnsView{});
    if (result != nullptr) ::ub_resolve_free(result);
}

}  // namespace pmos::network
