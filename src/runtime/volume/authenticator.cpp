// volume: a FIDO2 authenticator that is plugged in. Only this file knows libfido2. Reads no header,
// counts nothing, never logs.
#include "runtime/volume/authenticator.h"

#include <fido.h>
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <initializer_list>
#include <string_view>

#include "runtime/volume/crypt.h"
#include "runtime/volume/wait_for_person.h"

namespace pmos::volume {
namespace {

constexpr std::size_t kMost = 16;
constexpr int kAnswerMs = 5000;  // of what no person has to do anything for
// Nobody verifies what an authenticator signs here: its secret is all that is wanted.
constexpr std::array<unsigned char, 32> kNoClientData{};

template <class T, void (*release)(T**)>
struct Release {
    void operator()(T* object) const { release(&object); }
};
using Assertion = std::unique_ptr<fido_assert_t, Release<fido_assert_t, fido_assert_free>>;
using Credential = std::unique_ptr<fido_cred_t, Release<fido_cred_t, fido_cred_free>>;
using Info = std::unique_ptr<fido_cbor_info_t, Release<fido_cbor_info_t, fido_cbor_info_free>>;

// The first that is none of FIDO_OK. They have all been called by then.
int first_fault(std::initializer_list<int> results) {
    const auto* const it = std::ranges::find_if(results, [](int r) { return r != FIDO_OK; });
    return it == results.end() ? FIDO_OK : *it;
}

Error library_error(int code, std::string what) {
    Error e;
    e.what = std::move(what);
    e.why = ::fido_strerr(code);
    return e;
}

Error not_now(Code code, std::string why, std::string fix) {
    Error e;
    e.code = code;
    e.what = "the authenticator does not open the volume";
    e.why = std::move(why);
    e.fix = std::move(fix);
    return e;
}

Error pin_refused(fido_dev_t* device) {
    Error e = refused_secret();
    int left = 0;
    if (::fido_dev_get_retry_count(device, &left) == FIDO_OK)
        e.why = fmt::format("the authenticator leaves {} attempts", left);
    return e;
}

Error cancelled() {
    Error e;
    e.code = Code::cancelled;
    e.what = "cancelled";
    e.why = "while the authenticator was asked";
    return e;
}

Error gone_or_late(const WaitForPerson& wait) {
    if (wait.interrupted()) return cancelled();
    if (wait.is_over())
        return not_now(
            Code::timed_out,
            fmt::format("nobody touched it within {} s", Authenticator::kPatienceMs / 1000),
            "touch it when it blinks");
    return not_now(Code::not_found, "it was taken away, or answers no more", "plug it in again");
}

Error said(fido_dev_t* device, int code, const WaitForPerson& wait) {
    switch (code) {
        case FIDO_ERR_PIN_INVALID:
            return pin_refused(device);
        case FIDO_ERR_PIN_AUTH_BLOCKED:
            return not_now(Code::busy, "it takes no PIN after three wrong ones in a row",
                           "unplug it and plug it in again");
        case FIDO_ERR_PIN_BLOCKED:
            return not_now(Code::throttled, "it takes no PIN any more, after too many wrong ones",
                           "open the volume another way; only a reset, by which it loses all that "
                           "it was enrolled for, makes it of use again");
        case FIDO_ERR_PIN_NOT_SET:
            return not_now(Code::unsupported, "it has no PIN", "set one: fido2-token -S DEVICE");
        case FIDO_ERR_ACTION_TIMEOUT:
        case FIDO_ERR_USER_ACTION_TIMEOUT:
            return not_now(Code::timed_out, "nobody touched it in time", "touch it when it blinks");
        case FIDO_ERR_OPERATION_DENIED:
        case FIDO_ERR_KEEPALIVE_CANCEL:
            return not_now(Code::cancelled, "that was refused at the authenticator", "");
        case FIDO_ERR_NO_CREDENTIALS:
        case FIDO_ERR_INVALID_CREDENTIAL:
            return not_now(Code::not_found, "it is another one than was enrolled", "");
        case FIDO_ERR_RX:
        case FIDO_ERR_TX:
            return gone_or_late(wait);
        default:
            return library_error(code, "the authenticator does not open the volume");
    }
}

// As libfido2 wants it, with a NUL.
Result<SecretBuffer> terminated(const SecretBuffer& pin) {
    PMOS_ASSIGN(auto text, SecretBuffer::make(pin.bytes().size() + 1));
    std::ranges::copy(pin.bytes(), text.storage().begin());
    text.storage()[pin.bytes().size()] = std::byte{0};
    text.set_size(pin.bytes().size() + 1);
    return text;
}

const char* chars(const SecretBuffer& text) {
    return reinterpret_cast<const char*>(text.bytes().data());
}

Result<Assertion> assertion_for(const Fido2Token& token) {
    Assertion assertion(::fido_assert_new());
    if (!assertion) return fail(Code::no_space, "no memory to ask an authenticator");
    const int fault =
        first_fault({::fido_assert_set_rp(assertion.get(), token.rp.c_str()),
                     ::fido_assert_set_clientdata_hash(assertion.get(), kNoClientData.data(),
                                                       kNoClientData.size()),
                     ::fido_assert_allow_cred(assertion.get(), token.credential.data(),
                                              token.credential.size())});
    if (fault == FIDO_OK) return assertion;
    return fail(library_error(fault, "an authenticator cannot be asked for the volume"));
}

Result<SecretBuffer> base64_of(const unsigned char* bytes, std::size_t size) {
    const std::size_t length = sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL);
    PMOS_ASSIGN(auto text, SecretBuffer::make(length));
    ::sodium_bin2base64(reinterpret_cast<char*>(text.storage().data()), length, bytes, size,
                        sodium_base64_VARIANT_ORIGINAL);
    text.set_size(length - 1);  // without the NUL
    return text;
}

}  // namespace

void Authenticator::Close::operator()(fido_dev* device) const {
    ::fido_dev_close(device);
    ::fido_dev_free(&device);
}

bool Authenticator::open(const char* path) {
    fido_dev_t* const device = device_.get();
    if (::fido_dev_set_timeout(device, kAnswerMs) != FIDO_OK ||
        ::fido_dev_open(device, path) != FIDO_OK || !::fido_dev_is_fido2(device))
        return false;
    const Info info(::fido_cbor_info_new());
    if (!info || ::fido_dev_get_cbor_info(device, info.get()) != FIDO_OK) return false;
    for (std::size_t i = 0; i < ::fido_cbor_info_options_len(info.get()); ++i) {
        const std::string_view name = ::fido_cbor_info_options_name_ptr(info.get())[i];
        const bool value = ::fido_cbor_info_options_value_ptr(info.get())[i];
        if (name == "up") tells_touch_ = value;
        if (name == "uv") verifies_ = value;
    }
    const auto* const extensions = ::fido_cbor_info_extensions_ptr(info.get());
    const std::size_t count = ::fido_cbor_info_extensions_len(info.get());
    return std::any_of(extensions, extensions + count,
                       [](const char* name) { return std::string_view(name) == "hmac-secret"; });
}

Result<std::vector<Authenticator>> Authenticator::all() {
    ::fido_init(FIDO_DISABLE_U2F_FALLBACK);
    const auto drop = [](fido_dev_info_t* list) { ::fido_dev_info_free(&list, kMost); };
    const std::unique_ptr<fido_dev_info_t, decltype(drop)> list(::fido_dev_info_new(kMost), drop);
    if (!list) return fail(Code::no_space, "no memory to look for authenticators");
    std::size_t count = 0;
    if (const int r = ::fido_dev_info_manifest(list.get(), kMost, &count);
        r != FIDO_OK && r != FIDO_ERR_INTERNAL)  // what it says where there is none
        return fail(library_error(r, "cannot look for authenticators"));
    std::vector<Authenticator> found;
    for (std::size_t i = 0; i < count; ++i) {
        Authenticator one(::fido_dev_new());
        if (!one.device_) return fail(Code::no_space, "no memory to open an authenticator");
        if (one.open(::fido_dev_info_path(::fido_dev_info_ptr(list.get(), i))))
            found.push_back(std::move(one));
    }
    if (!found.empty()) return found;
    return fail(Code::not_found, "no authenticator is plugged in",
                count == 0 ? "" : "what is there does not answer, or has no secret for volumes",
                "plug in the one that was enrolled");
}

Result<Authenticator::Made> Authenticator::made(const Fido2Token& token) {
    PMOS_ASSIGN(const auto assertion, assertion_for(token));
    if (tells_touch_) ::fido_assert_set_up(assertion.get(), FIDO_OPT_FALSE);
    const WaitForPerson wait(device_.get(), kAnswerMs);
    switch (::fido_dev_get_assert(device_.get(), assertion.get(), nullptr)) {
        case FIDO_OK:
            return Made::yes;
        case FIDO_ERR_NO_CREDENTIALS:
        case FIDO_ERR_INVALID_CREDENTIAL:
            return Made::no;
        case FIDO_ERR_RX:
        case FIDO_ERR_TX:
            if (wait.interrupted()) return fail(cancelled());
            return fail(not_now(Code::not_found, "it does not answer", "plug it in again"));
        default:
            return Made::unsaid;
    }
}

bool Authenticator::has_pin() const { return ::fido_dev_has_pin(device_.get()); }

Result<Fido2Token> Authenticator::enroll(const std::string& volume, const SecretBuffer& pin) {
    Fido2Token token;
    token.salt.resize(Fido2Token::kSaltBytes);
    ::randombytes_buf(token.salt.data(), token.salt.size());
    token.touch = tells_touch_;
    const Credential credential(::fido_cred_new());
    if (!credential) return fail(Code::no_space, "no memory to enroll an authenticator");
    fido_cred_t* const c = credential.get();
    const int fault =
        first_fault({::fido_cred_set_type(c, COSE_ES256),
                     ::fido_cred_set_rp(c, token.rp.c_str(), "Encrypted Volume"),
                     ::fido_cred_set_user(c, reinterpret_cast<const unsigned char*>(volume.data()),
                                          volume.size(), volume.c_str(), volume.c_str(), nullptr),
                     ::fido_cred_set_clientdata_hash(c, kNoClientData.data(), kNoClientData.size()),
                     ::fido_cred_set_extensions(c, FIDO_EXT_HMAC_SECRET)});
    if (fault != FIDO_OK)
        return fail(library_error(fault, "an authenticator cannot be asked for a credential"));
    PMOS_ASSIGN(const auto text, terminated(pin));
    const WaitForPerson wait(device_.get(), kPatienceMs);
    if (const int r = ::fido_dev_make_cred(device_.get(), c, chars(text)); r != FIDO_OK)
        return fail(said(device_.get(), r, wait));
    const auto* const id = ::fido_cred_id_ptr(c);
    token.credential.assign(id, id + ::fido_cred_id_len(c));
    return token;
}

Result<SecretBuffer> Authenticator::passphrase(const Fido2Token& token, const SecretBuffer& pin) {
    PMOS_ASSIGN(const auto assertion, assertion_for(token));
    fido_assert_t* const a = assertion.get();
    const auto option = [](bool on) { return on ? FIDO_OPT_TRUE : FIDO_OPT_FALSE; };
    const int fault = first_fault(
        {::fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET),
         ::fido_assert_set_hmac_salt(a, token.salt.data(), token.salt.size()),
         ::fido_assert_set_up(a, tells_touch_ ? option(token.touch) : FIDO_OPT_OMIT),
         ::fido_assert_set_uv(a, verifies_ ? option(token.verification) : FIDO_OPT_OMIT)});
    if (fault != FIDO_OK)
        return fail(library_error(fault, "an authenticator cannot be asked for its secret"));
    PMOS_ASSIGN(const auto text, terminated(pin));
    const WaitForPerson wait(device_.get(), kPatienceMs);
    if (const int r = ::fido_dev_get_assert(device_.get(), a, chars(text)); r != FIDO_OK)
        return fail(said(device_.get(), r, wait));
    if (::fido_assert_hmac_secret_len(a, 0) == 0)
        return fail(Code::failed, "the authenticator gives no secret", "",
                    "it has to know the extension hmac-secret");
    return base64_of(::fido_assert_hmac_secret_ptr(a, 0), ::fido_assert_hmac_secret_len(a, 0));
}

}  // namespace pmos::volume
