// tests: the resolver of a mode, the program itself, with a server of names beyond the uplink.
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <mutex>
#include <thread>

#include "runtime/network/dns_message.h"
#include "runtime/network/resolver.h"
#include "runtime/network/tls_leg.h"
#include "runtime/network/wire.h"
#include "world.h"

using namespace pmos;
using namespace pmos::network;
using namespace std::string_literals;

namespace {

constexpr std::uint32_t kNobody = 65534;
const std::string kServer = "198.51.100.1", kFound = "198.51.100.2";

// A certificate that signs itself, of that name, and a directory in which it is trusted.
struct Identity {
    explicit Identity(const std::string& name) {
        auto* const id = ::X509_get_subject_name(cert.get());
        const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
        ::X509_NAME_add_entry_by_txt(id, "CN", MBSTRING_ASC, text, -1, -1, 0);
        ::X509_set_issuer_name(cert.get(), id);
        ::X509_set_version(cert.get(), 2);
        ::ASN1_INTEGER_set(::X509_get_serialNumber(cert.get()), 1);
        ::X509_gmtime_adj(::X509_getm_notBefore(cert.get()), -3600);
        ::X509_gmtime_adj(::X509_getm_notAfter(cert.get()), 3600);
        ::X509_set_pubkey(cert.get(), key.get());
        auto* const names =
            ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
        ::X509_add_ext(cert.get(), names, -1);
        ::X509_EXTENSION_free(names);
        REQUIRE(::X509_sign(cert.get(), key.get(), ::EVP_sha256()) > 0);
    }
    void trusted_in(const std::filesystem::path& directory) const {
        char hash[16];
        std::snprintf(
            hash, sizeof hash, "%08lx.0",
            ::X509_NAME_hash_ex(::X509_get_subject_name(cert.get()), nullptr, nullptr, nullptr));
        std::unique_ptr<BIO, int (*)(BIO*)> out(::BIO_new_file((directory / hash).c_str(), "w"),
                                                ::BIO_free);
        REQUIRE(::PEM_write_bio_X509(out.get(), cert.get()) == 1);
    }
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key{::EVP_EC_gen("P-256"), ::EVP_PKEY_free};
    std::unique_ptr<X509, void (*)(X509*)> cert{::X509_new(), ::X509_free};
};

// Every name that it is asked for has the one address.
class Server {
  public:
    Server(const World& world, int port, const Identity* identity)
        : listener_(listen_in(world, world.peer.borrow(), kServer, port)) {
        if (identity != nullptr) {
            context_.reset(::SSL_CTX_new(::TLS_server_method()));
            ::SSL_CTX_use_certificate(context_.get(), identity->cert.get());
            ::SSL_CTX_use_PrivateKey(context_.get(), identity->key.get());
            ::SSL_CTX_set_msg_callback(context_.get(), &Server::on_record);
            ::SSL_CTX_set_msg_callback_arg(context_.get(), this);
        }
        thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }
    std::atomic<int> asked = 0, connections = 0;
    std::atomic<int> record = 0;  // bytes of the last one that came

  private:
    static void on_record(int sent, int, int type, const void* bytes, std::size_t size, SSL*,
                          void* self) {
        const auto* const head = static_cast<const std::uint8_t*>(bytes);
        if (sent == 0 && type == SSL3_RT_HEADER && size == 5)
            static_cast<Server*>(self)->record = head[3] << 8 | head[4];
    }
    void serve(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd waits{listener_.get(), POLLIN, 0};
            if (::poll(&waits, 1, 100) != 1) continue;
            const UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            const timeval patience{.tv_sec = 0, .tv_usec = 300000};
            ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
            ++connections;
            talk(fd);
        }
    }
    void talk(const UniqueFd& fd) {
        std::unique_ptr<SSL, void (*)(SSL*)> tls(context_ ? ::SSL_new(context_.get()) : nullptr,
                                                 ::SSL_free);
        if (tls) ::SSL_set_fd(tls.get(), fd.get());
        if (tls && ::SSL_accept(tls.get()) != 1) return;
        const auto read = [&](void* to, int size) {
            return (tls ? ::SSL_read(tls.get(), to, size)
                        : static_cast<int>(::recv(fd.get(), to, static_cast<std::size_t>(size),
                                                  MSG_WAITALL))) == size;
        };
        std::uint8_t size[2];
        while (read(size, 1) && read(size + 1, 1)) {
            DnsBytes message(std::size_t{size[0]} << 8U | size[1]);
            if (!read(message.data(), static_cast<int>(message.size()))) return;
            ++asked;
            const auto reply = answer(message);
            if (tls)
                ::SSL_write(tls.get(), reply.data(), static_cast<int>(reply.size()));
            else
                ::send(fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
        }
    }
    static DnsBytes answer(DnsBytes message) {
        std::size_t end = 12;
        while (message[end] != 0) end += message[end] + 1U;
        end += 5;
        const bool v4 = message[end - 3] == 1;
        message.resize(end);
        message[2] = 0x81, message[3] = 0x80;
        message[7] = v4 ? 1 : 0;
        for (std::size_t i = 8; i < 12; ++i) message[i] = 0;
        if (v4)
            for (const int byte : {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 2})
                message.push_back(static_cast<std::uint8_t>(byte));
        message.insert(message.begin(), {static_cast<std::uint8_t>(message.size() >> 8U),
                                         static_cast<std::uint8_t>(message.size())});
        return message;
    }

    UniqueFd listener_;
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, ::SSL_CTX_free};
    std::jthread thread_;
};

// For everybody to read.
std::filesystem::path new_directory() {
    auto place = (std::filesystem::temp_directory_path() / "pmos-trust-XXXXXX").string();
    REQUIRE(::mkdtemp(place.data()) != nullptr);
    std::filesystem::permissions(place, std::filesystem::perms{0755});
    return place;
}

// A mode that may reach chat.example, and its resolver.
struct Mode {
    explicit Mode(const std::string& dns) {
        world.phone.resolver_user = world.phone.resolver_group = kNobody;
        world.phone.trust = trust.string();
        plan.dns = {*policy::parse_dns_server(dns)};
        policy::FlowRule named;
        named.name = "chat.example";
        plan.allow.push_back(named);
        REQUIRE(connect_wire(world.phone, "anna", netns.borrow(), plan));
        resolver.emplace(*loop, world.phone, NETWORK_DNS, "anna", netns.borrow(), plan,
                         [](const auto&, const auto&) {});
        REQUIRE(resolver->start());
    }
    ~Mode() { std::filesystem::remove_all(trust); }

    // By TCP: a length, and the message. nullopt: it has no address, for a reason.
    std::optional<DnsAnswer> ask() {
        Connection connection;
        until([&] {
            connection = connect_in(world, netns.borrow(), "127.0.0.1", 53, kShortMs);
            return connection.error == 0;
        });
        REQUIRE(connection.error == 0);
        DnsBytes question{0, 30, 0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
        for (const char c : "\4chat\7example"s) question.push_back(static_cast<std::uint8_t>(c));
        for (const int byte : {0, 0, 1, 0, 1}) question.push_back(static_cast<std::uint8_t>(byte));
        REQUIRE(question.size() == 32);
        REQUIRE(::send(connection.fd.get(), question.data(), question.size(), 0) == 32);
        DnsBytes reply(kDnsStreamSize);
        ssize_t got = -1;
        until([&] {
            got = ::recv(connection.fd.get(), reply.data(), reply.size(), MSG_DONTWAIT);
            return got >= 0;
        });
        REQUIRE(got > 14);
        code = reply[5] & 15;
        return read_answer(DnsView(reply).subspan(2, static_cast<std::size_t>(got) - 2));
    }
    template <class Condition>
    void until(Condition condition) {
        for (int i = 0; i < 300 && !condition(); ++i) sd_event_run(loop->get(), 100000);
    }

    World world;
    std::filesystem::path trust = new_directory();
    policy::NetworkPlan plan = restricted({});
    UniqueFd netns = world.mode();
    std::unique_ptr<event::EventLoop> loop = std::move(*event::EventLoop::make());
    std::optional<Resolver> resolver;
    int code = -1;  // of the last answer, RFC 6895
};

}  // namespace

TEST_CASE("a name is asked for over TLS, and reached") {
    Mode mode(kServer + "#dns.example");
    const Identity identity("dns.example");
    identity.trusted_in(mode.trust);
    Server server(mode.world, 853, &identity);
    const auto listener = listen_in(mode.world, mode.world.peer.borrow(), kFound, 80);
    CHECK(connect_in(mode.world, mode.netns.borrow(), kFound, 80, kShortMs).error != 0);
    for (int i = 0; i < 2; ++i) {
        const auto answer = mode.ask();
        REQUIRE(answer);
        REQUIRE(answer->addresses == std::vector{prefix(kFound)});
        CHECK(connect_in(mode.world, mode.netns.borrow(), kFound, 80).error == 0);
    }
    CHECK(server.asked == 1);
    CHECK(server.connections == 1);
    // All questions are of one size: RFC 8446 has a tag of 16 bytes behind what is padded.
    CHECK(server.record == 128 + 16);
    // The way that its resolver goes is nobody else's.
    CHECK(connect_in(mode.world, mode.netns.borrow(), "127.0.0.1", 853, kShortMs).error != 0);
}

TEST_CASE("a server without the right certificate hears no name") {
    Mode mode(kServer + "#dns.example");
    const auto hears_none = [&](const Identity* identity) {
        Server server(mode.world, 853, identity);
        mode.ask();
        CHECK(mode.code == 2);
        CHECK(server.connections > 0);
        CHECK(server.asked == 0);
    };
    const Identity other("other.example"), unknown("dns.example");
    SECTION("of another name") {
        other.trusted_in(mode.trust);
        hears_none(&other);
    }
    SECTION("that nobody vouches for") { hears_none(&unknown); }
    SECTION("or that speaks in the clear") { hears_none(nullptr); }
}

TEST_CASE("no server is no answer") {
    Mode mode(kServer + "#dns.example");
    mode.ask();
    CHECK(mode.code == 2);
}
