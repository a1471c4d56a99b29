// policy: diff: the image and the volumes of a mode, and how well they are kept. Asks no host.
#include <fmt/format.h>

#include <map>

#include "policy/diff_parts.h"
#include "policy/names.h"

namespace pmos::policy {
namespace {

using enum ChangeKind;

// At "root", or at "root/fallback": an image and what verifies it.
void compare_image(Teller& t, const ImageSpec& a, const ImageSpec& b, const std::string& at,
                   std::string_view which) {
    if (a.name != b.name)
        t.say(image, Turn::change, Danger::moderate, at + "/image",
              fmt::format("{} runs the {} '{}' instead of '{}'", t.m, which, b.name, a.name),
              at + "/image");
    const bool was = !a.root_hash.empty(), is = !b.root_hash.empty();
    if (was != is) {
        t.say(verified, was ? Turn::gain : Turn::loss, Danger::severe, at + "/verity",
              fmt::format("{}'s {} is {} verified", t.m, which, was ? "no longer" : "now"),
              at + "/verity");
        return;
    }
    const auto by = [&](const std::string& key, std::string_view what) {
        t.say(verified, Turn::change, Danger::moderate, at + key,
              fmt::format("{}'s {} is verified by another {}", t.m, which, what), at + key);
    };
    if (a.root_hash != b.root_hash) by("/verity/rootHash", "root hash");
    if (a.hash_image != b.hash_image) by("/verity/hashImage", "hash tree");
}

void compare_images(Teller& t) {
    const Profile &a = t.a.profile, &b = t.b.profile;
    compare_image(t, a.image, b.image, "root", "image");
    const std::string key = "root/fallback";
    const bool was = !a.fallback.name.empty(), is = !b.fallback.name.empty();
    if (was && is) compare_image(t, a.fallback, b.fallback, key, "fallback image");
    const bool open = is && b.fallback.root_hash.empty();
    if (was != is)
        t.say(image, is ? Turn::gain : Turn::loss, open ? Danger::severe : Danger::moderate, key,
              is ? fmt::format("{} may start from the image '{}' too, which is {}verified", t.m,
                               b.fallback.name, open ? "not " : "")
                 : fmt::format("{} has no image to fall back to any more", t.m),
              key);
    if (a.ready_after_ms != b.ready_after_ms)
        t.say(image, Turn::change, Danger::none, "root/readyAfter",
              fmt::format("{} is ready after {} instead of {}", t.m, time_words(b.ready_after_ms),
                          time_words(a.ready_after_ms)),
              "root/readyAfter");
}

// One volume on both sides.
class VolumeDiff {
  public:
    VolumeDiff(Teller& t, std::size_t i, std::size_t j)
        : t_(t),
          a_(t.a.profile.volumes[i]),
          b_(t.b.profile.volumes[j]),
          key_a_(fmt::format("volumes/{}/", i)),
          key_b_(fmt::format("volumes/{}/", j)) {}

    void all() {
        place();
        cipher();
        discards();
        derivation();
        methods();
        sealing();
        escrow();
        lock_strength();
    }

  private:
    void say(ChangeKind kind, Turn turn, Danger weight, std::string_view key, std::string words) {
        t_.say(kind, turn, weight, fmt::format("{}/{}", a_.name, key),
               fmt::format("{}'s volume '{}' {}", t_.m, a_.name, words),
               t_.a.where(key_a_ + std::string(key)), t_.b.where(key_b_ + std::string(key)));
    }
    std::string was(std::string_view key) const { return t_.a.text(key_a_ + std::string(key)); }
    std::string is(std::string_view key) const { return t_.b.text(key_b_ + std::string(key)); }

    void place() {
        if (a_.target != b_.target)
            say(storage, Turn::change, Danger::slight, "target",
                fmt::format("is at '{}' instead of '{}'", b_.target, a_.target));
        if (a_.size != b_.size)
            say(storage, turn_of(a_.size, b_.size), Danger::none, "size",
                fmt::format("has {} instead of {}", size_words(b_.size), size_words(a_.size)));
        const auto source = [&](const Half& half, const VolumeSpec& v) {
            return std::ranges::find(half.plan.volumes, v.name, &Volume::name)->source;
        };
        const auto from = source(t_.a, a_), to = source(t_.b, b_);
        if (from != to)
            say(storage, Turn::change, Danger::moderate, "source",
                fmt::format("is kept in '{}' instead of '{}'", shown(to), shown(from)));
    }

    void cipher() {
        if (a_.cipher != b_.cipher)
            say(encryption, Turn::change, Danger::moderate, "luks/cipher",
                fmt::format("is encrypted by {} instead of {}", b_.cipher, a_.cipher));
        if (a_.key_bits != b_.key_bits)
            say(encryption, turn_of(b_.key_bits, a_.key_bits), Danger::moderate, "luks/keySize",
                fmt::format("has a key of {} bits instead of {}", b_.key_bits, a_.key_bits));
        if (a_.sector_size != b_.sector_size)
            say(encryption, Turn::change, Danger::none, "luks/sectorSize",
                fmt::format("has sectors of {} bytes instead of {}", b_.sector_size,
                            a_.sector_size));
        const auto &from = a_.integrity, &to = b_.integrity;
        if (from != to)
            say(encryption,
                to == "none"     ? Turn::gain
                : from == "none" ? Turn::loss
                                 : Turn::change,
                Danger::serious, "luks/integrity",
                fmt::format("has integrity '{}' instead of '{}'", to, from));
    }

    void discards() {
        if (a_.discards != b_.discards)
            say(storage,
                b_.discards == "never"   ? Turn::loss
                : a_.discards == "never" ? Turn::gain
                                         : Turn::change,
                Danger::moderate, "luks/discards",
                fmt::format("tells its storage which blocks are free: '{}' instead of '{}'",
                            b_.discards, a_.discards));
        const auto place = [](const VolumeSpec& v) {
            return v.header.empty() ? "on itself" : fmt::format("in '{}'", shown(v.header));
        };
        if (a_.header != b_.header)
            say(storage, Turn::change, Danger::moderate, "luks/header",
                fmt::format("has its header {} instead of {}", place(b_), place(a_)));
    }

    // How much a guess at the PIN costs.
    void derivation() {
        if (a_.pbkdf != b_.pbkdf)
            say(encryption, b_.pbkdf == "pbkdf2" ? Turn::gain : Turn::loss, Danger::serious,
                "luks/pbkdf/type",
                fmt::format("has its key derived by {} instead of {}: a guess costs {}", b_.pbkdf,
                            a_.pbkdf, b_.pbkdf == "pbkdf2" ? "no memory" : "memory"));
        if (a_.pbkdf_memory_max != b_.pbkdf_memory_max)
            say(encryption, turn_of(b_.pbkdf_memory_max, a_.pbkdf_memory_max), Danger::serious,
                "luks/pbkdf/memoryMax",
                fmt::format("lets a guess take {} of memory instead of {}",
                            size_words(b_.pbkdf_memory_max), size_words(a_.pbkdf_memory_max)));
        if (a_.pbkdf_time_ms != b_.pbkdf_time_ms)
            say(encryption, turn_of(b_.pbkdf_time_ms, a_.pbkdf_time_ms), Danger::serious,
                "luks/pbkdf/timeMs",
                fmt::format("lets a guess take {} instead of {}", time_words(b_.pbkdf_time_ms),
                            time_words(a_.pbkdf_time_ms)));
    }

    void method(Turn turn, const std::string& name) {
        const bool alone = name == "device-key" || name == "tpm2";
        say(unlock, turn, alone ? Danger::severe : Danger::serious, "unlock",
            fmt::format("{} opened by '{}'{}", pick(turn, "can be", "can no longer be"), name,
                        alone ? ", with nobody there" : ""));
    }
    void methods() {
        for (const auto& name : b_.unlock)
            if (!has_word(a_.unlock, name)) method(Turn::gain, name);
        for (const auto& name : a_.unlock)
            if (!has_word(b_.unlock, name)) method(Turn::loss, name);
    }

    // The TPM gives the key out while these are as they were.
    void sealing() {
        if (a_.tpm_throttle != b_.tpm_throttle)
            say(unlock, b_.tpm_throttle ? Turn::loss : Turn::gain, Danger::severe, "tpm2/throttle",
                b_.tpm_throttle ? "opens by no PIN but one whose wrong tries the TPM counts"
                                : "may open by a PIN whose wrong tries the TPM does not count");
        if (!has_word(a_.unlock, "tpm2") || !has_word(b_.unlock, "tpm2") || a_.pcrs == b_.pcrs)
            return;
        const auto words = [](std::uint32_t pcrs) {
            std::vector<std::uint32_t> numbers;
            for (std::uint32_t i = 0; i < 24; ++i)
                if ((pcrs >> i & 1U) != 0) numbers.push_back(i);
            return numbers.empty()
                       ? "whatever was booted"
                       : fmt::format("while PCR {} is as it was", fmt::join(numbers, ", "));
        };
        const bool less = (a_.pcrs & ~b_.pcrs) != 0, more = (b_.pcrs & ~a_.pcrs) != 0;
        say(unlock,
            !less   ? Turn::loss
            : !more ? Turn::gain
                    : Turn::change,
            Danger::serious, "tpm2/pcrs",
            fmt::format("is given out by the TPM {} instead of {}, once it is enrolled anew",
                        words(b_.pcrs), words(a_.pcrs)));
    }

    // Who holds the private half opens the volume for ever: nobody at the phone is asked.
    void escrow() {
        if (a_.escrow == b_.escrow) return;
        const auto turn = a_.escrow.empty()   ? Turn::gain
                          : b_.escrow.empty() ? Turn::loss
                                              : Turn::change;
        say(unlock, turn, turn == Turn::loss ? Danger::moderate : Danger::severe, "escrow",
            turn == Turn::gain
                ? fmt::format("can be opened by who holds the key to '{}'", b_.escrow)
            : turn == Turn::loss
                ? fmt::format("gives nobody else a way any more, as '{}'", a_.escrow)
                : fmt::format("can be opened by who holds the key to '{}' instead "
                              "of '{}'",
                              b_.escrow, a_.escrow));
    }

    void lock_strength() {
        const auto from = a_.on_lock, to = b_.on_lock;
        if (from != to)
            say(lock, turn_of(to, from), Danger::serious, "onLock",
                to == OnLock::evict     ? "is closed on lock"
                : to == OnLock::suspend ? "stays mounted, without its key, on lock"
                                        : "stays open on lock, its key in memory");
    }

    Teller& t_;
    const VolumeSpec &a_, &b_;
    const std::string key_a_, key_b_;
};

}  // namespace

void compare_storage(Teller& t) {
    compare_images(t);
    const auto &a = t.a.profile.volumes, &b = t.b.profile.volumes;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const auto same = std::ranges::find(b, a[i].name, &VolumeSpec::name);
        if (same != b.end()) VolumeDiff(t, i, static_cast<std::size_t>(same - b.begin())).all();
    }
    // What a volume lets a mode do is told with the paths; here, that there is one.
    const auto alone = [&](const auto& some, const auto& others, Turn turn) {
        for (const auto& v : some)
            if (std::ranges::find(others, v.name, &VolumeSpec::name) == others.end())
                t.say(storage, turn, Danger::slight, v.name,
                      fmt::format("{} {} the encrypted volume '{}' at '{}', opened by {}", t.m,
                                  pick(turn, "gains", "loses"), v.name, v.target,
                                  fmt::join(v.unlock, ", ")),
                      turn == Turn::gain ? t.a.where("volumes") : v.at,
                      turn == Turn::gain ? v.at : t.b.where("volumes"));
    };
    alone(b, a, Turn::gain);
    alone(a, b, Turn::loss);
    // The order of opening, of those that both have.
    const auto common = [](const auto& some, const auto& others) {
        std::vector<std::string> names;
        for (const auto& v : some)
            if (std::ranges::find(others, v.name, &VolumeSpec::name) != others.end())
                names.push_back(v.name);
        return names;
    };
    const auto was = common(a, b), is = common(b, a);
    if (was != is)
        t.say(storage, Turn::change, Danger::none, "volumes",
              fmt::format("{}'s volumes open in the order {} instead of {}", t.m,
                          fmt::join(is, ", "), fmt::join(was, ", ")),
              "volumes");
}

}  // namespace pmos::policy
