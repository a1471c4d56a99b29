// network: libnftables as values. Each run is one transaction. Knows no rule.
#include "runtime/network/nft.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>

#include <algorithm>

#include "runtime/network/netlink.h"

namespace pmos::network {

void Nft::Free::operator()(nft_ctx* context) const noexcept { nft_ctx_free(context); }

Result<Nft> Nft::open() {
    // libnftables ends the process where it cannot have a socket.
    if (const auto tried = Netlink::open(NETLINK_NETFILTER); !tried)
        return fail(Code::unsupported, "cannot speak to nftables", tried.error().message(),
                    "a mode with a network needs a kernel with nf_tables (CONFIG_NF_TABLES_INET)");
    Nft made(nft_ctx_new(NFT_CTX_DEFAULT));
    if (!made.context_ || nft_ctx_buffer_output(made.context_.get()) != 0 ||
        nft_ctx_buffer_error(made.context_.get()) != 0)
        return fail(Code::no_space, "cannot set libnftables up");
    return made;
}

Result<> Nft::run(const std::string& commands, std::string_view what) const {
    const int failed = nft_run_cmd_from_buffer(context_.get(), commands.c_str());
    // Reading empties it.
    std::string words = nft_ctx_get_error_buffer(context_.get());
    if (failed == 0) return {};
    words.resize(std::min(words.find('\n'), words.size()));
    if (const auto at = words.find("Error: "); at != std::string::npos) words.erase(0, at + 7);
    return fail(Code::failed, std::string(what), words);
}

Result<std::vector<std::string>> Nft::tables() const {
    PMOS_TRY(run("list tables", "cannot list nftables' tables"));
    std::string_view text = nft_ctx_get_output_buffer(context_.get());
    constexpr std::string_view kWord = "table ";
    std::vector<std::string> tables;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        if (line.starts_with(kWord)) tables.emplace_back(line.substr(kWord.size()));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return tables;
}

Result<bool> Nft::has_table(std::string_view family, std::string_view name) const {
    PMOS_ASSIGN(const auto all, tables());
    return std::ranges::find(all, fmt::format("{} {}", family, name)) != all.end();
}

}  // namespace pmos::network
