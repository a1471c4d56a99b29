// network: libnftables as values. Each run is one transaction. Knows no rule.
#include "runtime/network/nft.h"

#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>

#include <algorithm>

#include "runtime/network/attributes.h"

namespace pmos::network {

namespace {

std::string_view family_word(std::uint8_t family) {
    switch (family) {
        case NFPROTO_INET:
            return "inet";
        case NFPROTO_IPV4:
            return "ip";
        case NFPROTO_IPV6:
            return "ip6";
        default:
            return "other";
    }
}

// Every object of a table names it so.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
              NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1 &&
              NFTA_FLOWTABLE_TABLE == 1);

}  // namespace

std::string table_of(const nlmsghdr& message) {
    const auto& header =
        *reinterpret_cast<const nfgenmsg*>(reinterpret_cast<const char*>(&message) + NLMSG_HDRLEN);
    std::string name;
    each_attribute_of(message, sizeof(nfgenmsg), [&](const Attribute& a) {
        if (a.type() == NFTA_TABLE_NAME) name = a.text();
    });
    return fmt::format("{} {}", family_word(header.nfgen_family), name);
}

void Nft::Free::operator()(nft_ctx* context) const noexcept { nft_ctx_free(context); }

Result<Nft> Nft::open() {
    // libnftables ends the process where it cannot have a socket.
    auto socket = Netlink::open(NETLINK_NETFILTER);
    if (!socket)
        return fail(Code::unsupported, "cannot speak to nftables", socket.error().message(),
                    "a mode with a network needs a kernel with nf_tables (CONFIG_NF_TABLES_INET)");
    Nft made(nft_ctx_new(NFT_CTX_DEFAULT), std::move(*socket));
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

Result<> Nft::replace(const std::vector<Table>& tables, std::string_view what) const {
    PMOS_ASSIGN(const auto standing, this->tables());
    std::string commands;
    for (const auto& [family, name, body] : tables) {
        if (std::ranges::find(standing, fmt::format("{} {}", family, name)) != standing.end())
            commands += fmt::format("delete table {} {}\n", family, name);
        commands += fmt::format("table {} {} {{\n{}}}\n", family, name, body);
    }
    return run(commands, what);
}

Result<> Nft::remove(std::string_view family, std::string_view name, std::string_view what) const {
    PMOS_ASSIGN(const bool stands, has_table(family, name));
    return stands ? run(fmt::format("delete table {} {}", family, name), what) : Result<>();
}

Result<std::vector<std::string>> Nft::tables() const {
    constexpr auto kGet = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_GETTABLE);
    Request request(kGet, NLM_F_DUMP);
    request.header<nfgenmsg>().version = NFNETLINK_V0;
    PMOS_ASSIGN(const auto answers, socket_.ask(request, "cannot list nftables' tables"));
    std::vector<std::string> tables;
    for (const auto& answer : answers) tables.push_back(table_of(*answer.get()));
    return tables;
}

Result<bool> Nft::has_table(std::string_view family, std::string_view name) const {
    PMOS_ASSIGN(const auto all, tables());
    return std::ranges::find(all, fmt::format("{} {}", family, name)) != all.end();
}

}  // namespace pmos::network
