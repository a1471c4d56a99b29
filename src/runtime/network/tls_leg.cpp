// network: the way of a mode's resolver to servers that are asked over TLS. See tls_leg.h.
#include "runtime/network/tls_leg.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "policy/destination.h"

namespace pmos::network {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostLegs = 64, kMostLegBytes = 16384;
constexpr int kWaiting = 16;
constexpr std::size_t kBlock = 128;  // bytes that a record is padded to, in TLS 1.3
// A server that is not there is given up in time for another one to be asked.
constexpr auto kBegins = 5s, kIdle = 60s, kTellAgain = 60s;

void without_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Nonblocking: EINPROGRESS is no error.
Result<UniqueFd> connection_to(const policy::DnsServer& server) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(server.port);
    std::memcpy(&v4.sin_addr, server.address.bytes.data(), sizeof v4.sin_addr);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(server.port);
    std::memcpy(&v6.sin6_addr, server.address.bytes.data(), sizeof v6.sin6_addr);
    const bool is_v6 = server.address.v6;
    UniqueFd fd(
        ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fd) without_delay(fd.get());
    const int r = !fd     ? -1
                  : is_v6 ? ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&v6), sizeof v6)
                          : ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
    if (r != 0 && errno != EINPROGRESS) return fail(errno_error(errno, "connect"));
    return fd;
}

// Of the last failed call.
std::string tls_words(const SSL* tls) {
    if (const long why = ::SSL_get_verify_result(tls); why != X509_V_OK)
        return fmt::format("its certificate is refused: {}", ::X509_verify_cert_error_string(why));
    const auto code = ::ERR_peek_last_error();
    const char* const reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
    if (reason != nullptr) return reason;
    return errno != 0 ? std::strerror(errno) : "it has hung up";
}

struct FreeTls {
    void operator()(SSL* tls) const noexcept { ::SSL_free(tls); }
};

}  // namespace

sockaddr_in leg_place(std::size_t server) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(policy::kDnsTlsPort);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(server));
    return place;
}

// One connection of libunbound's, and its counterpart. What one end has said waits here until the
// other has taken it, and only then more is read.
class TlsLegs::Leg {
  public:
    Leg(TlsLegs& legs, Server& server, UniqueFd near)
        : legs_(legs), server_(server), near_(std::move(near)) {}

    Result<> begin();

  private:
    struct Bytes {
        std::array<char, kMostLegBytes> bytes;
        std::size_t begin = 0, end = 0;
        bool empty() const { return begin == end; }
        void took(std::size_t count) { begin += count; }
        void got(std::size_t count) { begin = 0, end = count; }
    };
    enum class Moved { yes, no, over };
    void on_event(std::uint32_t events);
    bool has_connected(std::uint32_t events);
    void pump();
    Moved read_near();
    Moved write_near();
    Moved read_far();
    Moved write_far();
    Moved tls_result(int r);
    void end(const std::string& why);

    TlsLegs& legs_;
    Server& server_;
    UniqueFd near_, far_;
    std::unique_ptr<SSL, FreeTls> tls_;
    Bytes to_near_, to_far_;
    bool connected_ = false, greeted_ = false, over_ = false;
    event::EventSource on_near_, on_far_, late_;
};

Result<> TlsLegs::Leg::begin() {
    without_delay(near_.get());
    PMOS_ASSIGN(far_, connection_to(server_.whom));
    tls_.reset(::SSL_new(legs_.context_.get()));
    const char* const name = server_.whom.tls_name.c_str();
    if (!tls_ || ::SSL_set_fd(tls_.get(), far_.get()) != 1 ||
        ::SSL_set1_host(tls_.get(), name) != 1 || ::SSL_set_tlsext_host_name(tls_.get(), name) != 1)
        return fail(Code::no_space, "cannot begin with TLS");
    ::SSL_set_connect_state(tls_.get());
    constexpr std::uint32_t kBoth =
        EPOLLIN | EPOLLOUT | EPOLLRDHUP | static_cast<std::uint32_t>(EPOLLET);
    auto& loop = *legs_.loop_;
    on_far_ = loop.on_io(far_.borrow(), kBoth, [this](std::uint32_t events) { on_event(events); });
    on_near_ = loop.on_io(near_.borrow(), kBoth, [this](std::uint32_t) { pump(); });
    late_ = loop.after(kBegins, [this] { end("it does not answer"); });
    return {};
}

void TlsLegs::Leg::on_event(std::uint32_t events) {
    if (has_connected(events)) pump();
}

bool TlsLegs::Leg::has_connected(std::uint32_t events) {
    if (connected_ || over_) return connected_;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(far_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) end(std::strerror(error));
    connected_ = error == 0 && (events & EPOLLOUT) != 0;
    return connected_;
}

// Until nothing moves: the loop tells of a change, and not of what is.
void TlsLegs::Leg::pump() {
    bool moved = connected_ && !over_;
    while (moved) {
        moved = false;
        for (const auto step :
             {&Leg::read_near, &Leg::write_far, &Leg::read_far, &Leg::write_near}) {
            const auto one = (this->*step)();
            if (one == Moved::over) return;
            moved = moved || one == Moved::yes;
        }
    }
}

TlsLegs::Leg::Moved TlsLegs::Leg::read_near() {
    if (!to_far_.empty()) return Moved::no;
    const auto got = ::recv(near_.get(), to_far_.bytes.data(), to_far_.bytes.size(), 0);
    if (got < 0 && errno == EAGAIN) return Moved::no;
    if (got <= 0) return end(""), Moved::over;
    to_far_.got(static_cast<std::size_t>(got));
    return Moved::yes;
}

TlsLegs::Leg::Moved TlsLegs::Leg::write_near() {
    if (to_near_.empty()) return Moved::no;
    const auto sent = ::send(near_.get(), to_near_.bytes.data() + to_near_.begin,
                             to_near_.end - to_near_.begin, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) return Moved::no;
    if (sent <= 0) return end(""), Moved::over;
    to_near_.took(static_cast<std::size_t>(sent));
    return Moved::yes;
}

// Both of them greet first, where that has not been done.
TlsLegs::Leg::Moved TlsLegs::Leg::write_far() {
    if (to_far_.empty()) return Moved::no;
    std::size_t sent = 0;
    ::ERR_clear_error();
    const int r = ::SSL_write_ex(tls_.get(), to_far_.bytes.data() + to_far_.begin,
                                 to_far_.end - to_far_.begin, &sent);
    if (r == 1) to_far_.took(sent);
    return tls_result(r);
}

TlsLegs::Leg::Moved TlsLegs::Leg::read_far() {
    if (!to_near_.empty()) return Moved::no;
    std::size_t got = 0;
    ::ERR_clear_error();
    const int r = ::SSL_read_ex(tls_.get(), to_near_.bytes.data(), to_near_.bytes.size(), &got);
    if (r == 1) to_near_.got(got);
    return tls_result(r);
}

TlsLegs::Leg::Moved TlsLegs::Leg::tls_result(int r) {
    if (!greeted_ && ::SSL_is_init_finished(tls_.get()) != 0) greeted_ = true;
    if (r == 1) {
        late_ = legs_.loop_->after(kIdle, [this] { end(""); });
        return Moved::yes;
    }
    const int error = ::SSL_get_error(tls_.get(), r);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return Moved::no;
    // A server that has nothing more to say hangs up.
    end(greeted_ ? "" : tls_words(tls_.get()));
    return Moved::over;
}

void TlsLegs::Leg::end(const std::string& why) {
    if (std::exchange(over_, true)) return;
    if (!why.empty()) legs_.complain(server_, why);
    if (greeted_) ::SSL_shutdown(tls_.get());
    legs_.ended(*this);
}

void TlsLegs::Free::operator()(ssl_ctx_st* context) const noexcept { ::SSL_CTX_free(context); }

TlsLegs::~TlsLegs() = default;

Result<std::unique_ptr<TlsLegs>> TlsLegs::listen(const policy::NetworkPlan& plan,
                                                 const std::string& trust) {
    std::unique_ptr<TlsLegs> made(new TlsLegs);
    for (std::size_t i = 0; i < plan.dns.size(); ++i) {
        if (plan.dns[i].tls_name.empty()) continue;
        const auto place = leg_place(i);
        const int on = 1;
        UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
            ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0 ||
            ::listen(fd.get(), kWaiting) != 0)
            return fail(errno_error(errno, "cannot listen at the mode's loopback, port 853"));
        made->servers_.push_back({plan.dns[i], std::move(fd), {}, {}});
    }
    if (made->servers_.empty()) return made;
    made->context_.reset(::SSL_CTX_new(::TLS_client_method()));
    auto* const context = made->context_.get();
    if (context == nullptr || ::SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        ::SSL_CTX_load_verify_dir(context, trust.c_str()) != 1 ||
        ::SSL_CTX_set_block_padding(context, kBlock) != 1)
        return fail(Code::failed, "cannot set TLS up");
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return made;
}

void TlsLegs::serve(event::EventLoop& loop) {
    loop_ = &loop;
    for (auto& server : servers_)
        server.on_client = loop.on_io(server.listener.borrow(), EPOLLIN,
                                      [this, &server](std::uint32_t) { admit(server); });
}

void TlsLegs::admit(Server& server) {
    UniqueFd near(::accept4(server.listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!near || legs_.size() >= kMostLegs) return;
    auto& leg = legs_.emplace_back(*this, server, std::move(near));
    const auto begun = leg.begin();
    if (begun) return;
    complain(server, begun.error().message());
    legs_.pop_back();
}

void TlsLegs::ended(Leg& leg) {
    // It is at work still.
    loop_->soon([this, &leg] { legs_.remove_if([&](const Leg& one) { return &one == &leg; }); });
}

// To the journal. A server that is not there is asked often.
void TlsLegs::complain(Server& server, const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    if (server.told && now < *server.told + kTellAgain) return;
    server.told = now;
    fmt::print(stderr, "pmos-net-dns: {} cannot be asked: {}\n", policy::to_text(server.whom), why);
}

}  // namespace pmos::network
