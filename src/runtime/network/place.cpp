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
    Phone phone{
        .home = std::move(home), .links = std::move(links), .nft = std::move(nft), .run = {}};
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

// Others are the kernel's own (sit0), and cannot go.
Result<std::size_t> Room::remove_links() const {
    PMOS_ASSIGN(const auto all, links.all());
    std::size_t removed = 0;
    for (const auto& link : all) {
        if (link.kind != "wireguard" && link.kind != "veth") continue;
        PMOS_TRY(links.remove(link.index));
        ++removed;
    }
    return removed;
}

Result<> Room::clear() const {
    PMOS_TRY(remove_links());
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
