// network: what is open of a namespace: its links and its tables. Decides nothing.
#include "runtime/network/place.h"

#include <pwd.h>

#include "runtime/network/part.h"
#include "runtime/network/rules.h"

namespace pmos::network {
namespace {

constexpr const char* kResolverUser = "pmos-dns";  // sysusers.conf

}  // namespace

Result<Phone> Phone::open() {
    PMOS_ASSIGN(auto home, Home::here());
    PMOS_ASSIGN(auto links, Links::open());
    PMOS_ASSIGN(auto nft, Nft::open());
    Phone phone{std::move(home), std::move(links), std::move(nft)};
    if (const passwd* user = ::getpwnam(kResolverUser); user != nullptr) {
        phone.resolver_user = user->pw_uid;
        phone.resolver_group = user->pw_gid;
    }
    return phone;
}

Result<Room> Room::open(const Home& home, BorrowedFd netns) {
    return home.inside(netns, []() -> Result<Room> {
        PMOS_ASSIGN(auto links, Links::open());
        PMOS_ASSIGN(auto nft, Nft::open());
        return Room{std::move(links), std::move(nft)};
    });
}

Result<> Room::clear() const {
    PMOS_ASSIGN(const auto link, links.find(kModeLink));
    if (link) PMOS_TRY(links.remove(link->index));
    return nft.remove(kModeFamily, kModeTable, "cannot remove the rules of the mode");
}

Result<> Room::guard(const policy::NetworkPlan& plan, std::uint32_t resolver_user,
                     const Spent& spent) const {
    constexpr std::string_view kWhat = "cannot load the rules of the mode";
    auto loaded = nft.replace({mode_rules(plan, true, resolver_user, spent)}, kWhat);
    if (loaded || nft.replace({mode_rules(plan, false, resolver_user, spent)}, kWhat)) return {};
    return loaded;
}

}  // namespace pmos::network
