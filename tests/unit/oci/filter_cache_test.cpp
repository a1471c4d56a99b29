// tests: compiled filters that are kept. A good file is used; whatever is wrong, one is compiled.
#include "runtime/oci/filter_cache.h"

#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "runtime/oci/filter_file.h"
#include "support.h"

using namespace pmos;
using namespace pmos::oci;
using namespace pmos::oci::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t kNobody = 65534;

constexpr const char* kText = R"({"defaultAction": "SCMP_ACT_ERRNO"})";

Seccomp some_policy() { return refusing({allow({"read", "write", "clone3"})}); }
// What no compiler makes of it, so that it shows where it comes from.
const BpfProgram kPlanted{{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
                          {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | 99}};

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}
void write_file(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

class Cache {
  public:
    Cache() {
        std::string name = (fs::temp_directory_path() / "pmos-oci-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        top_ = name;
    }
    ~Cache() {
        std::error_code ignored;
        fs::remove_all(top_, ignored);
    }
    Cache(const Cache&) = delete;
    Cache& operator=(const Cache&) = delete;

    fs::path top() const { return top_; }
    fs::path directory() const { return top_ / "filters"; }
    fs::path file() const { return directory() / key(); }
    std::string key() const { return filter_key(kText); }
    void plant() const {
        fs::create_directory(directory());
        fs::permissions(directory(), fs::perms::owner_all);
        write_file(file(), encode_filter(key(), {kPlanted, 0}));
    }
    BpfProgram filter(const std::string& directory) const {
        const auto filter = cached_filter(policy_, kText, directory);
        REQUIRE(filter.has_value());
        return filter->program;
    }
    bool hits() const { return same(filter(directory()), kPlanted); }
    bool compiles(const std::string& directory) const {
        return same(filter(directory), compiled(policy_));
    }
    bool compiles() const { return compiles(directory()); }

  private:
    fs::path top_;
    Seccomp policy_ = some_policy();
};

bool is_root() {
    if (::geteuid() == 0) return true;
    WARN("skipped: only root makes files of others");
    return false;
}

}  // namespace

TEST_CASE("a filter is kept, and used from then on") {
    const Cache cache;
    std::vector<std::string> unknown;
    auto policy = some_policy();
    policy.rules.push_back(allow({"no_such_call"}));
    const auto first = cached_filter(policy, kText, cache.directory(), &unknown);
    REQUIRE(first.has_value());
    CHECK(unknown.size() == 1);
    struct stat st {};
    REQUIRE(::stat(cache.directory().c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0700);
    const fs::path file = cache.directory() / filter_key(kText);
    REQUIRE(::stat(file.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600);
    CHECK(std::distance(fs::directory_iterator(cache.directory()), {}) == 1);
    const auto second = cached_filter(policy, kText, cache.directory(), &unknown);
    REQUIRE(second.has_value());
    CHECK(same(first->program, second->program));
    CHECK(unknown.size() == 1);
    cache.plant();
    CHECK(cache.hits());
}

TEST_CASE("what stands in a file of the cache and is no good is compiled and replaced") {
    const Cache cache;
    cache.plant();
    const std::string good = read_file(cache.file());
    REQUIRE(cache.hits());
    std::vector<std::string> spoilt{"",
                                    "x",
                                    good.substr(0, 23),
                                    good.substr(0, good.size() - 1),
                                    good + "x",
                                    std::string(good.size(), '\0'),
                                    std::string(kMaxFilterFile, 'x'),
                                    std::string(kMaxFilterFile + 1, 'x')};
    for (std::size_t at = 0; at < good.size(); ++at) {
        spoilt.push_back(good);
        spoilt.back()[at] = static_cast<char>(spoilt.back()[at] ^ 0x10);
    }
    spoilt.push_back(encode_filter(std::string(64, '0'), {kPlanted, 0}));  // another's name
    spoilt.push_back(encode_filter(cache.key(), {{}, 0}));
    spoilt.push_back(encode_filter(cache.key(), {BpfProgram(4097, kPlanted.back()), 0}));
    spoilt.push_back(encode_filter(cache.key(), {{kPlanted.front()}, 0}));  // a sum, and no return
    for (const std::string& bytes : spoilt) {
        write_file(cache.file(), bytes);
        if (!cache.compiles()) FAIL_CHECK("a file of " << bytes.size() << " bytes is used");
        if (read_file(cache.file()) == bytes) FAIL_CHECK("it is not replaced");
    }
    CHECK(std::distance(fs::directory_iterator(cache.directory()), {}) == 1);
}

TEST_CASE("what is no file of ours alone is not read") {
    const Cache cache;
    const auto spoils = [&](const std::function<void()>& spoil) {
        fs::remove_all(cache.file());
        cache.plant();
        REQUIRE(cache.hits());
        spoil();
        return cache.compiles();
    };
    const fs::path file = cache.file(), elsewhere = cache.top() / "elsewhere";
    for (const mode_t mode : {0660U, 0606U, 0666U})
        CHECK(spoils([&] { REQUIRE(::chmod(file.c_str(), mode) == 0); }));
    CHECK(spoils([&] {
        fs::rename(file, elsewhere);
        fs::create_symlink(elsewhere, file);
    }));
    CHECK(fs::is_regular_file(fs::symlink_status(file)));
    CHECK(spoils([&] {
        fs::remove(file);
        REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
    }));
    CHECK(spoils([&] {
        fs::remove(file);
        fs::create_directory(file);
    }));
    CHECK(fs::is_directory(file));
    fs::remove(file);
    CHECK(cache.compiles());
    if (is_root()) CHECK(spoils([&] { REQUIRE(::chown(file.c_str(), kNobody, kNobody) == 0); }));
}

TEST_CASE("a directory that is not ours alone is not used") {
    const Cache cache;
    cache.plant();
    const fs::path directory = cache.directory(), link = cache.top() / "link";
    const std::string before = read_file(cache.file());
    for (const mode_t mode : {0770U, 0707U, 01777U}) {
        REQUIRE(::chmod(directory.c_str(), mode) == 0);
        CHECK(cache.compiles());
    }
    REQUIRE(::chmod(directory.c_str(), 0755) == 0);
    CHECK(cache.hits());
    fs::create_directory_symlink(directory, link);
    CHECK(cache.compiles(link));
    CHECK(cache.compiles(link.string() + "//"));
    CHECK(same(cache.filter(directory.string() + "/"), kPlanted));
    for (const std::string& path :
         {std::string(), cache.file().string(), (cache.top() / "no" / "parent").string()})
        CHECK(cache.compiles(path));
    CHECK(read_file(cache.file()) == before);
    CHECK_FALSE(fs::exists(cache.top() / "no"));
    if (is_root()) {
        REQUIRE(::chown(directory.c_str(), kNobody, kNobody) == 0);
        CHECK(cache.compiles());
    }
}

TEST_CASE("what a user may not read or write") {
    if (!is_root()) return;
    const Cache cache;
    cache.plant();
    for (const fs::path& path : {cache.top(), cache.directory(), cache.file()})
        REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
    const auto as_nobody = [&](const auto& what) {
        REQUIRE(::seteuid(kNobody) == 0);
        const bool result = what();
        REQUIRE(::seteuid(0) == 0);
        return result;
    };
    CHECK(as_nobody([&] { return cache.hits(); }));
    REQUIRE(::chmod(cache.file().c_str(), 0) == 0);
    REQUIRE(::chmod(cache.directory().c_str(), 0500) == 0);
    CHECK(as_nobody([&] { return cache.compiles(); }));
    CHECK(read_file(cache.file()) == encode_filter(cache.key(), {kPlanted, 0}));
    REQUIRE(::chmod(cache.directory().c_str(), 0) == 0);
    CHECK(as_nobody([&] { return cache.compiles(); }));
    REQUIRE(::chmod(cache.directory().c_str(), 0700) == 0);
    CHECK(as_nobody([&] { return cache.compiles(); }));
    CHECK(read_file(cache.file()) != encode_filter(cache.key(), {kPlanted, 0}));
}

TEST_CASE("of many filters the oldest go") {
    const Cache cache;
    fs::create_directory(cache.directory());
    fs::permissions(cache.directory(), fs::perms::owner_all);
    fs::create_directory(cache.directory() / "somebody's");
    constexpr std::size_t kOld = kMaxCachedFilters + 5;
    for (std::size_t i = 0; i < kOld; ++i) {
        const fs::path file = cache.directory() / ("old-" + std::to_string(i));
        write_file(file, "x");
        fs::last_write_time(file, fs::file_time_type::clock::now() - std::chrono::hours(i + 1));
    }
    CHECK(cache.compiles());
    CHECK(fs::exists(cache.file()));
    CHECK(fs::exists(cache.directory() / "somebody's"));
    for (std::size_t i = 0; i < kOld; ++i)
        CHECK(fs::exists(cache.directory() / ("old-" + std::to_string(i))) ==
              (i < kMaxCachedFilters - 1));
}

TEST_CASE("a policy that cannot be compiled leaves nothing") {
    const Cache cache;
    const auto result =
        cached_filter(refusing({allow({"read"}, {{9, 0, 0, "EQ"}})}), kText, cache.directory());
    CHECK_FALSE(result.has_value());
    CHECK(fs::is_empty(cache.directory()));
}

TEST_CASE("a key is of the text of a policy") {
    CHECK(filter_key("a").size() == 64);
    CHECK(filter_key("a") == filter_key("a"));
    CHECK(filter_key("a") != filter_key("b"));
    CHECK(filter_key("a") != filter_key("a "));
    CHECK(filter_key("") != filter_key("a"));
}

TEST_CASE("the flags are kept along, and what has no text is not kept") {
    const Cache cache;
    auto policy = some_policy();
    policy.flags = SECCOMP_FILTER_FLAG_LOG;
    const auto first = cached_filter(policy, "some text", cache.directory());
    REQUIRE(first.has_value());
    CHECK(first->flags == SECCOMP_FILTER_FLAG_LOG);
    const auto kept = kept_filter("some text", cache.directory());
    REQUIRE(kept.has_value());
    CHECK((kept->flags == first->flags && same(kept->program, first->program)));
    CHECK_FALSE(kept_filter("some tex", cache.directory()));
    CHECK_FALSE(kept_filter("", cache.directory()));
    REQUIRE(cached_filter(policy, "", cache.directory()).has_value());
    CHECK(std::distance(fs::directory_iterator(cache.directory()), {}) == 1);
}

TEST_CASE("only what our compiler writes is sound") {
    using Instruction = policy::BpfInstruction;
    const Instruction ret{BPF_RET | BPF_K, 0, 0, 0};
    CHECK(is_sound(compiled(some_policy())));
    CHECK(is_sound(kPlanted));
    CHECK_FALSE(is_sound(BpfProgram{}));
    CHECK_FALSE(is_sound(BpfProgram(4097, ret)));
    const Instruction bad[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 64},
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 2},
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, ~3U},
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, 0},
        {BPF_LD | BPF_W | BPF_IND, 0, 0, 0},
        {BPF_LD | BPF_MEM, 0, 0, 0},
        {BPF_LDX | BPF_W | BPF_ABS, 0, 0, 0},
        {BPF_ST, 0, 0, 0},
        {BPF_STX, 0, 0, 16},
        {BPF_ALU | BPF_DIV | BPF_K, 0, 0, 0},
        {BPF_ALU | BPF_AND | BPF_X, 0, 0, 0},
        {BPF_MISC | BPF_TAX, 0, 0, 0},
        {BPF_JMP | BPF_JA, 0, 0, 1},
        {BPF_JMP | BPF_JA, 0, 0, ~0U},
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0},
        {BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 0},
        {BPF_RET | BPF_A, 0, 0, 0},
        {0xffff, 0, 0, 0},
    };
    for (const Instruction& one : bad) {
        INFO("code " << one.code << " k " << one.k);
        CHECK_FALSE(is_sound(BpfProgram{one, ret}));
    }
    CHECK_FALSE(is_sound(BpfProgram{ret, kPlanted.front()}));
    CHECK(is_sound(BpfProgram{{BPF_JMP | BPF_JA, 0, 0, 1}, ret, ret}));
}
