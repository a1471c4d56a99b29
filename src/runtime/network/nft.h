// network: libnftables as values. Each run is one transaction. Knows no rule.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct nft_ctx;

namespace pmos::network {

class Nft {
  public:
    // Of the network namespace that the process is in.
    static Result<Nft> open();

    // All of it or none. what: "cannot ...", for the error.
    Result<> run(const std::string& commands, std::string_view what) const;
    // "family name" of each.
    Result<std::vector<std::string>> tables() const;
    Result<bool> has_table(std::string_view family, std::string_view name) const;

  private:
    struct Free {
        void operator()(nft_ctx* context) const noexcept;
    };
    explicit Nft(nft_ctx* context) : context_(context) {}
    std::unique_ptr<nft_ctx, Free> context_;
};

}  // namespace pmos::network
