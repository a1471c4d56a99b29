// network: libnftables as values. Each call is one transaction. Knows no rule.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/network/netlink.h"

struct nft_ctx;

namespace pmos::network {

// With all that is in it, in nftables' words.
struct Table {
    std::string family, name, body;
};

// "family name" of the table that a message of nfnetlink is about; "other name" of a family that a
// mode has nothing to do with.
std::string table_of(const nlmsghdr& message);

class Nft {
  public:
    // Of the network namespace that the process is in.
    static Result<Nft> open();

    // All of it or none. what: "cannot ...", for the error.
    Result<> run(const std::string& commands, std::string_view what) const;
    // What these tables had before goes; connections that stand go on. A table that is not there is
    // not removed first: libnftables takes its time for each that it has to think of.
    Result<> replace(const std::vector<Table>& tables, std::string_view what) const;
    // No error where there is none.
    Result<> remove(std::string_view family, std::string_view name, std::string_view what) const;
    // "family name" of each.
    Result<std::vector<std::string>> tables() const;
    Result<bool> has_table(std::string_view family, std::string_view name) const;

  private:
    struct Free {
        void operator()(nft_ctx* context) const noexcept;
    };
    Nft(nft_ctx* context, Netlink socket) : context_(context), socket_(std::move(socket)) {}
    std::unique_ptr<nft_ctx, Free> context_;
    Netlink socket_;
};

}  // namespace pmos::network
