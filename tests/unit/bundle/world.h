// tests: a disk whose power can go between any two operations, a TPM beside it, and bundles for
// them.
#pragma once

#include <fmt/format.h>
#include <sodium.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "policy/hash.h"
#include "runtime/bundle/slots.h"

namespace pmos::bundle::test {

using Files = std::map<std::string, std::string>;

// What is on the storage, and what of the names is not yet. Ends at the operation `power`.
class FakeDisk : public Disk {
  public:
    explicit FakeDisk(Files files = {}, int power = -1) : power_(power) {
        files_ = std::move(files);
        durable_ = {files_};
    }

    Result<std::string> read(const std::string& name, std::size_t) override {
        const auto it = files_.find(name);
        if (it == files_.end()) return fail(Code::not_found, name);
        return it->second;
    }
    // First any part of it may be there, under a name that may be; then all of it.
    Result<> write(const std::string& name, std::string_view bytes) override {
        if (full) return fail(Code::no_space, "no space left");
        Files torn = files_;
        torn[name] = std::string(bytes.substr(0, bytes.size() / 2));
        PMOS_TRY(may_become(torn));
        torn[name] = "";
        PMOS_TRY(may_become(torn));
        torn[name] = bytes;
        return may_become(torn);
    }
    Result<> rename(const std::string& from, const std::string& to) override {
        Files moved = files_;
        moved[to] = moved.at(from);
        moved.erase(from);
        return may_become(moved);
    }
    Result<> sync() override {
        if (power_-- == 0) return off();
        durable_ = {files_};
        return {};
    }
    // Something beside the storage that power can cut off.
    Result<> pass() {
        if (off_ || power_-- == 0) return off();
        return {};
    }
    // Each state that a phone may find after the power came back.
    const std::vector<Files>& found() const { return durable_; }
    const Files& files() const { return files_; }
    bool is_off() const { return off_; }
    bool full = false;

  private:
    Result<> off() {
        off_ = true;
        return fail(Code::cancelled, "the power is off");
    }
    // Until a sync any state since the last one may be what is found.
    Result<> may_become(const Files& files) {
        if (off_ || power_-- == 0) return off();
        files_ = files;
        durable_.push_back(files);
        return {};
    }
    Files files_;
    std::vector<Files> durable_;
    int power_;
    bool off_ = false;
};

// The NV memory of a TPM: an index that is made first and written then.
struct FakeTpm {
    bool made = false;
    std::optional<std::uint64_t> version;
};

class FakeKeeper : public FloorKeeper {
  public:
    explicit FakeKeeper(FakeTpm state = {}) : tpm(state) {}
    Result<std::optional<std::uint64_t>> read(bool) override {
        if (!there) return fail(Code::not_found, "no TPM");
        if (!reads) return fail(Code::failed, "the TPM does not answer");
        return tpm.version;
    }
    Result<> raise(std::uint64_t to) override {
        if (!writes) return fail(Code::failed, "the TPM refuses");
        if (tpm.version >= to) return {};
        PMOS_TRY(power ? power->pass() : Result<>());
        tpm.made = true;
        PMOS_TRY(power ? power->pass() : Result<>());
        tpm.version = to;
        return {};
    }
    FakeTpm tpm;
    bool there = true, reads = true, writes = true;
    FakeDisk* power = nullptr;
};

struct World {
    World() {
        std::array<unsigned char, 32> seed{}, key{};
        seed.fill(9);
        crypto_sign_ed25519_seed_keypair(key.data(), secret.data(), seed.data());
        policy::PublicKey trusted;
        std::memcpy(trusted.bytes.data(), key.data(), key.size());
        phone.trusted = {trusted};
        phone.model = "x1";
        phone.check_pins = [this](const policy::Bundle& b) -> Result<std::vector<VerifiedPin>> {
            if (bad_images.contains(b.version)) return fail(Code::failed, "another image");
            return std::vector<VerifiedPin>();
        };
    }
    std::string bundle(std::uint64_t version, const std::string& made_for = "any",
                       const std::string& text = "{}") const {
        policy::Bundle b;
        b.name = "acme";
        b.version = version;
        b.made_for = made_for;
        b.files = {{"a.json", text}};
        auto bytes = policy::write_bundle(b).value();
        const auto sealed = policy::split_bundle("b", bytes).value();
        policy::Signature signature{};
        crypto_sign_ed25519_detached(
            reinterpret_cast<unsigned char*>(signature.data()), nullptr,
            reinterpret_cast<const unsigned char*>(sealed.statement.data()),
            sealed.statement.size(), secret.data());
        return policy::attach_signature(std::move(bytes), policy::key_id(phone.trusted[0]),
                                        signature);
    }
    void keep_in(FakeKeeper& keeper, FloorIn where = FloorIn::tpm_if_there) {
        phone.keeper = &keeper;
        phone.floor_in = where;
    }
    Slots on(Disk& disk) const { return {disk, phone}; }
    // A disk with version 1 confirmed.
    Files with_one() const {
        FakeDisk disk;
        REQUIRE(on(disk).install(bundle(1)));
        REQUIRE(on(disk).confirm());
        return disk.files();
    }
    Phone phone;
    std::set<std::uint64_t> bad_images;
    std::array<unsigned char, 64> secret{};
};

inline std::string hash(const std::string& bytes) {
    return policy::sha256_hex(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

inline std::string state(const Result<Report>& r) {
    if (!r) return "error: " + r.error().message();
    if (!r->usable()) return "none";
    return fmt::format("{}{}", r->version, r->trial ? " on trial" : "");
}

}  // namespace pmos::bundle::test
