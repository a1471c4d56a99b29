// tests: what a volume request must be, and how requests and errors cross the socket.
#include "runtime/volume/request.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cctype>
#include <cstring>
#include <fstream>
#include <iterator>

#include "runtime/volume/channel.h"
#include "runtime/volume/client.h"

using namespace pmos;
using namespace pmos::volume;

namespace {

policy::Volume sample() {
    policy::Volume v;
    v.name = "data";
    v.dm_name = "pmos-secure-data";
    v.source = "/var/lib/pmos/volumes/secure-data.img";
    v.size = 64 << 20;
    v.cipher = "aes-xts-plain64";
    v.pbkdf = "argon2id";
    v.key_source = policy::KeySource::pin;
    return v;
}

AttemptPlaces places() {
    return {"/var/lib/pmos/attempts/secure", "/run/pmos/attempts/secure",
            "/var/lib/pmos/headers/secure"};
}

Request request_of(const policy::Volume& v, Verb verb = Verb::provision) {
    auto r = make_request(verb, "secure", v, places());
    REQUIRE(r);
    return *r;
}

std::array<UniqueFd, 2> socket_pair() {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) ==
            0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace

TEST_CASE("what the TPM opens may come with a secret, and need not") {
    auto v = sample();
    v.key_source = policy::KeySource::tpm;
    v.unlock = {"tpm2", "recovery-key"};
    v.pcrs = 1U << 7U;
    const Request r = request_of(v, Verb::open);
    REQUIRE(check_request(r));
    CHECK(r.key == KeyKind::tpm);
    CHECK(r.pcrs == 1U << 7U);
    CHECK_FALSE(needs_secret(r));
    CHECK(is_unasked(r, {}));
    CHECK_FALSE(is_unasked(r, std::as_bytes(std::span("secret"))));
    CHECK_FALSE(is_unasked(request_of(sample(), Verb::open), {}));
}

TEST_CASE("a request made from a plan is a good request") {
    const Request r = request_of(sample());
    REQUIRE(check_request(r));
    CHECK(r.key == KeyKind::descriptor);
    CHECK(r.key_bits == 512);
    CHECK(needs_secret(r));
    CHECK_FALSE(needs_secret(request_of(sample(), Verb::close)));
    CHECK(needs_secret(request_of(sample(), Verb::resume)));
    CHECK_FALSE(needs_secret(request_of(sample(), Verb::suspend)));
    CHECK_FALSE(needs_secret(request_of(sample(), Verb::cut_off)));
    CHECK(temporary_dm_name(text(r.dm_name)) == "pmos-secure-data.tmp");
}

TEST_CASE("a request names the mode's other volumes, which are destroyed with its own") {
    auto more = sample(), block = sample();
    more.name = "more";
    more.source = "/var/lib/pmos/volumes/with space.img";
    more.header = "/media/a card/more.header";
    block.name = "block";
    block.source = "/dev/vdc";
    block.block_device = true;
    auto where = places();
    where.volumes = {sample(), more, block};
    where.erase_after = 10;
    const auto r = make_request(Verb::open, "secure", sample(), where);
    REQUIRE(r);
    REQUIRE(check_request(*r));
    CHECK(r->erase_after == 10);
    const auto others = other_volumes(*r);
    REQUIRE(others.size() == 2);
    CHECK(others[0].name == "more");
    CHECK(others[0].source == more.source);
    CHECK(others[0].header == more.header);
    CHECK_FALSE(others[0].block_device);
    CHECK(others[1].name == "block");
    CHECK(others[1].source == "/dev/vdc");
    CHECK(others[1].header.empty());
    CHECK(others[1].block_device);
    CHECK(other_volumes(request_of(sample())).empty());
}

TEST_CASE("a text that does not fit is refused, not cut") {
    auto v = sample();
    v.source = "/" + std::string(600, 'x');
    auto r = make_request(Verb::open, "secure", v, places());
    REQUIRE_FALSE(r);
    CHECK(r.error().code == Code::usage);
}

TEST_CASE("every broken field of a request is refused") {
    const Request good = request_of(sample());
    auto refused = [&](auto&& change) {
        Request r = good;
        change(r);
        return !check_request(r);
    };
    CHECK(refused([](Request& r) { r.magic ^= 1; }));
    CHECK(refused([](Request& r) { r.verb = static_cast<Verb>(0); }));
    CHECK(refused([](Request& r) { r.verb = static_cast<Verb>(8); }));
    CHECK(refused([](Request& r) { r.verb = static_cast<Verb>(15); }));
    CHECK(refused([](Request& r) { r.verb = static_cast<Verb>(99); }));
    CHECK(refused([](Request& r) { r.verb = Verb::restore, r.undo[0] = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::resize, r.size += 512; }));
    CHECK(refused([](Request& r) { r.verb = Verb::resize, r.size = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::resize, r.repeats[0] = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::resume, r.repeats[0] = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::passwd, r.repeats[0] = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::passwd, std::strcpy(r.pbkdf, "md5"); }));
    CHECK(refused([](Request& r) { r.verb = static_cast<Verb>(58); }));
    CHECK(refused([](Request& r) { r.verb = Verb::erase, r.undo[0] = 0; }));
    CHECK(refused([](Request& r) { r.verb = Verb::duress, r.repeats[0] = 0; }));
    CHECK(refused([](Request& r) { std::strcpy(r.others, "nonsense\n"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.others, "fmore relative\n"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.others, "f../x /path\n"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.others, "fmore /path\t\n"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.others, "fmore /path\trelative\n"); }));
    CHECK(refused([](Request& r) { std::memset(r.others, '\n', sizeof r.others); }));
    CHECK(refused([](Request& r) { r.key = static_cast<KeyKind>(4); }));
    CHECK(refused([](Request& r) { r.block_device = 2; }));
    CHECK(refused([](Request& r) { std::memset(r.mode, 'a', sizeof r.mode); }));
    CHECK(refused([](Request& r) { r.mode[0] = '.'; }));
    CHECK(refused([](Request& r) { r.name[0] = '"'; }));
    CHECK(refused([](Request& r) { r.name[0] = 0; }));
    CHECK(refused([](Request& r) { std::strcpy(r.dm_name, "pmos-personal-data"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.source, "relative"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.source, "/a/../etc/shadow"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.source, "/a/.."); }));
    CHECK(refused([](Request& r) { std::strcpy(r.source, "/a\n"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.attempts, "attempts"); }));
    CHECK(refused([](Request& r) { r.repeats[0] = 0; }));
    CHECK(refused([](Request& r) { std::memset(r.attempts, '/', sizeof r.attempts); }));
    CHECK(refused([](Request& r) { r.key = KeyKind::device_key; }));  // without a file
    CHECK(refused([](Request& r) { r.key = KeyKind::tpm, r.attempts[0] = 0; }));
    CHECK(refused([](Request& r) { r.pcrs = 1U << 24U; }));
    CHECK(refused([](Request& r) { std::strcpy(r.cipher, "aes"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.cipher, "aes-xts plain64"); }));
    CHECK(refused([](Request& r) { r.sector_size = 520; }));
    CHECK(refused([](Request& r) { r.key_bits = 0; }));
    CHECK(refused([](Request& r) { r.key_bits = 513; }));
    CHECK(refused([](Request& r) { std::strcpy(r.pbkdf, "md5"); }));
    CHECK(refused([](Request& r) { std::strcpy(r.filesystem, "vfat"); }));
    CHECK(refused([](Request& r) { r.size = kMinSize - 4096; }));
    CHECK(refused([](Request& r) { r.size += 512; }));
    Request device = good;
    device.block_device = 1;
    device.size = 0;
    CHECK(check_request(device));
}

TEST_CASE("only the volume's own token marks it complete") {
    const Request r = request_of(sample());
    const std::string token = complete_token(r);
    CHECK(is_complete_token(r, token));
    auto v = sample();
    v.name = "other";
    v.dm_name = "pmos-secure-other";
    CHECK_FALSE(is_complete_token(request_of(v), token));
    CHECK_FALSE(is_complete_token(r, R"({"type":"systemd-tpm2","keyslots":["0"]})"));
    CHECK_FALSE(is_complete_token(r, ""));
}

TEST_CASE("a request and its secret cross the socket") {
    auto [ours, theirs] = socket_pair();
    std::array<int, 2> pipe{};
    REQUIRE(::pipe(pipe.data()) == 0);
    const UniqueFd secret(pipe[0]), end(pipe[1]);
    const Request sent = request_of(sample());
    REQUIRE(send_request(ours.borrow(), sent, secret.borrow()));
    Request got;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    iovec part{&got, sizeof got};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    REQUIRE(::recvmsg(theirs.get(), &message, 0) == static_cast<ssize_t>(sizeof got));
    CHECK(got.brings == kBringsSecret);
    got.brings = 0;
    CHECK(std::memcmp(&got, &sent, sizeof got) == 0);
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    REQUIRE(c != nullptr);
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
    const UniqueFd received(fd);
    REQUIRE(::write(end.get(), "1", 1) == 1);
    char byte = 0;
    CHECK(::read(received.get(), &byte, 1) == 1);
}

TEST_CASE("of two descriptors each comes to its place, also alone") {
    const UniqueFd null(::open("/dev/null", O_RDONLY)), zero(::open("/dev/zero", O_RDONLY));
    const auto is_zero = [](const UniqueFd& fd) {
        char byte = 1;
        return ::read(fd.get(), &byte, 1) == 1 && byte == 0;
    };
    const auto received = [&](BorrowedFd secret, BorrowedFd other) {
        auto [ours, theirs] = socket_pair();
        REQUIRE(send_request(ours.borrow(), request_of(sample(), Verb::passwd), secret, other));
        auto got = Channel(theirs.borrow()).receive();
        REQUIRE(got);
        return std::move(*got);
    };
    const auto both = received(null.borrow(), zero.borrow());
    CHECK((both.secret && !is_zero(both.secret) && is_zero(both.other)));
    const auto secret = received(zero.borrow(), {});
    CHECK((is_zero(secret.secret) && !secret.other));
    const auto other = received({}, zero.borrow());
    CHECK((!other.secret && is_zero(other.other)));
    const auto none = received({}, {});
    CHECK((!none.secret && !none.other));
}

TEST_CASE("a request that speaks of other descriptors than came is refused") {
    auto [ours, theirs] = socket_pair();
    Request lies = request_of(sample());
    lies.brings = kBringsSecret;
    REQUIRE(::send(ours.get(), &lies, sizeof lies, 0) > 0);
    CHECK_FALSE(Channel(theirs.borrow()).receive());
}

TEST_CASE("events are received one by one, and the worker's end is noticed") {
    auto [ours, theirs] = socket_pair();
    auto nothing = receive_event(ours.borrow());
    REQUIRE(nothing);
    CHECK_FALSE(*nothing);

    Error error;
    error.code = Code::wrong_secret;
    error.what = "PIN refused";
    error.fix = std::string(400, 'x');
    error.sys_errno = 1;
    error.undo_failures.push_back(errno_error(16, "cannot close device"));
    const Event sent = to_event(error);
    REQUIRE(::send(theirs.get(), &sent, sizeof sent, 0) > 0);
    auto got = receive_event(ours.borrow());
    REQUIRE(got);
    REQUIRE(*got);
    const Error back = to_error(**got);
    CHECK(back.code == Code::wrong_secret);
    CHECK(back.what == "PIN refused");
    CHECK(back.fix == std::string(255, 'x'));
    CHECK(back.sys_errno == 1);
    CHECK(back.why.find("cannot close device") != std::string::npos);

    REQUIRE(::send(theirs.get(), &sent, 10, 0) > 0);
    CHECK_FALSE(receive_event(ours.borrow()));

    theirs.reset();
    auto gone = receive_event(ours.borrow());
    REQUIRE_FALSE(gone);
    CHECK(gone.error().code == Code::unreachable);
}

TEST_CASE("discards, integrity and a header of its own are checked") {
    auto v = sample();
    v.discards = "trim";
    v.integrity = "hmac-sha256";
    v.header = "/media/card/secure.header";
    const Request good = request_of(v);
    CHECK(check_request(good));
    CHECK(has_integrity(good));
    CHECK(may_discard(good));
    CHECK_FALSE(has_integrity(request_of(sample())));
    CHECK_FALSE(may_discard(request_of(sample())));
    CHECK(check_request(request_of(sample(), Verb::trim)));
    v.discards = "always";
    CHECK_FALSE(check_request(request_of(v)));
    v.discards = "never";
    v.integrity = "aead";
    CHECK_FALSE(check_request(request_of(v)));
    v.integrity = "none";
    v.header = "secure.header";
    CHECK_FALSE(check_request(request_of(v)));
}

namespace {

// Bytes of what Python's struct calls by that text, without padding: "=IQ64s".
std::size_t size_of_struct(std::string_view format) {
    std::size_t size = 0, count = 0;
    for (const char c : format) {
        if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
            count = count * 10 + static_cast<std::size_t>(c - '0');
            continue;
        }
        const std::size_t one = c == 'Q' ? 8 : c == 'I' || c == 'i' ? 4 : c == 's' ? 1 : 0;
        size += one * (count == 0 ? 1 : count);
        count = 0;
    }
    return size;
}

// The literals between the brackets of NAME = struct.Struct(...).
std::string format_of(std::string_view source, const std::string& name) {
    const auto begin = source.find("\n" + name + " = struct.Struct(");
    REQUIRE(begin != source.npos);
    const auto call = source.substr(begin, source.find(')', begin) - begin);
    std::string format;
    bool inside = false;
    for (const char c : call) {
        if (c == '"') inside = !inside;
        if (c != '"' && inside) format += c;
    }
    return format;
}

}  // namespace

// Else the phone's tests speak of another request than the one that pmosd sends.
TEST_CASE("the tests on the phone know the wire as it is") {
    std::ifstream file(PMOS_WORKER);
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    CHECK(size_of_struct(format_of(source, "REQUEST")) == sizeof(Request));
    CHECK(size_of_struct(format_of(source, "EVENT")) == sizeof(Event));
}

TEST_CASE("a tunnel's key comes and goes by a descriptor, and is replaced only when asked") {
    for (const auto verb : {Verb::tunnel_key_new, Verb::tunnel_key_import, Verb::tunnel_key_read,
                            Verb::tunnel_key_show, Verb::preshared_key_import}) {
        Request r = request_of(sample(), verb);
        const bool of_a_peer = verb == Verb::preshared_key_import;
        CHECK(check_request(r).has_value() != of_a_peer);
        r.peer_count = 1;
        CHECK(check_request(r));
        CHECK_FALSE(judges(verb));
        CHECK_FALSE(needs_secret(r));
        CHECK(needs_other(r) ==
              (verb == Verb::tunnel_key_import || verb == Verb::tunnel_key_read || of_a_peer));
        r.peer_count = kMaxPeers + 1;
        CHECK_FALSE(check_request(r));
        r.peer_count = 1;
        r.replaces = 2;
        CHECK_FALSE(check_request(r));
    }
}
