// network: what is open of a namespace: its links and its tables. Decides nothing.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "policy/network_plan.h"
#include "runtime/network/inside.h"
#include "runtime/network/links.h"
#include "runtime/network/nft.h"
#include "runtime/network/volume.h"

namespace pmos::network {

// The namespace that the process is in, which has the uplink.
struct Phone {
    Home home;
    Links links;
    Nft nft;
    std::uint32_t resolver_user = 0, resolver_group = 0;  // of the modes' resolvers; 0: nobody's
    std::string trust = "/etc/ssl/certs";                 // who vouches for whom the resolvers ask
    std::string run;  // where it is kept what was switched on, for this boot; "": nowhere
    static Result<Phone> open();
};

// A mode's.
struct Room {
    Links links;
    Nft nft;
    static Result<Room> open(const Home& home, BorrowedFd netns);
    // Its wire and its tunnel, whatever they are called by now; how many.
    Result<std::size_t> remove_links() const;
    // They, and then the rules. No error where there is nothing.
    Result<> clear() const;
    // The rules of the mode, instead of those that there are. A kernel that has no log for them
    // (CONFIG_NFT_LOG) refuses all the same.
    Result<> guard(const policy::NetworkPlan& plan, std::uint32_t resolver_user,
                   const Spent& spent = {}) const;
};

}  // namespace pmos::network
