// policy: the language: a mode's network. Reads nothing.
#include <array>

#include "policy/language_rows.h"

namespace pmos::policy {
namespace {

// With the rest of a profile's keys this many lists of rules fit into a file (json_reader.h).
constexpr std::int64_t kMaxRules = 10000;
// Less carries no handshake of TLS in a time that programs wait.
constexpr std::int64_t kMinRate = 8 << 10, kMinVolume = 1 << 20;
// In bytes and nanoseconds it fits into nftables' 64 bits.
constexpr std::int64_t kMaxRate = std::int64_t{4} << 30;

constexpr std::array kNetworkKeys{
    KeySpec{.path = "network",
            .types = kStr | kObj,
            .doc = "none: no interface. loopback: lo only. direct: the phone's uplink, without "
                   "egress rules. An object: the uplink or a tunnel, with rules.",
            .values = "none|loopback|direct",
            .required = true},
    KeySpec{.path = "network/direct",
            .types = kBool,
            .doc = "true: the phone's uplink, under egress rules.",
            .example = "true"},
    KeySpec{.path = "network/tunnel",
            .types = kObj,
            .doc = "A WireGuard tunnel, and no other way out."},
    KeySpec{.path = "network/tunnel/name",
            .types = kStr,
            .doc = "Its name; two modes with tunnels of one name share a network.",
            .format = Format::word,
            .required = true,
            .example = "\"work\""},
    KeySpec{.path = "network/tunnel/addresses",
            .types = kArr,
            .doc = "The mode's own addresses in the tunnel.",
            .max = 16,
            .required = true,
            .example = "[\"10.8.0.2/32\"]"},
    KeySpec{.path = "network/tunnel/addresses/[]",
            .types = kStr,
            .doc = "An address, with the length of its net where that is more than itself.",
            .format = Format::ip_interface,
            .example = "\"10.8.0.2/32\""},
    KeySpec{.path = "network/tunnel/mtu",
            .types = kInt,
            .doc = "Largest packet inside the tunnel, in bytes.",
            .min = 1280,
            .max = 65535,
            .example = "1420",
            .fallback = "1420"},
    KeySpec{.path = "network/tunnel/peers",
            .types = kArr,
            .doc = "Who is at the other end.",
            .max = 64,
            .required = true},
    KeySpec{.path = "network/tunnel/peers/[]", .types = kObj, .doc = "One peer, as wg(8) has it."},
    KeySpec{.path = "network/tunnel/peers/[]/publicKey",
            .types = kStr,
            .doc = "Its X25519 public key in base64.",
            .format = Format::x25519_key,
            .required = true,
            .example = "\"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\""},
    KeySpec{.path = "network/tunnel/peers/[]/endpoint",
            .types = kStr,
            .doc = "Where it is on the phone's uplink, address or name, and port. Nobody can call "
                   "the phone, so there is no peer without one.",
            .format = Format::endpoint,
            .required = true,
            .example = "\"vpn.example.org:51820\""},
    KeySpec{.path = "network/tunnel/peers/[]/allowedIPs",
            .types = kArr,
            .doc = "What is sent to it, and may come from it. No other peer has any of it.",
            .max = 256,
            .required = true,
            .example = "[\"0.0.0.0/0\", \"::/0\"]"},
    KeySpec{.path = "network/tunnel/peers/[]/allowedIPs/[]",
            .types = kStr,
            .doc = "A prefix.",
            .format = Format::ip_prefix,
            .example = "\"10.0.0.0/8\""},
    KeySpec{.path = "network/tunnel/peers/[]/persistentKeepalive",
            .types = kInt,
            .doc = "Seconds after which something is sent where nothing else was; 0: never.",
            .max = 65535,
            .example = "25",
            .fallback = "0"},
    KeySpec{.path = "network/tunnel/peers/[]/presharedKey",
            .types = kBool,
            .doc = "true: no handshake without a symmetric key as well, so that who can reckon "
                   "back one of X25519 some day still reads nothing. It is imported as the "
                   "tunnel's own; without it the mode does not start.",
            .example = "true",
            .fallback = "false"},
    KeySpec{.path = "network/dns",
            .types = kArr,
            .doc =
                "Whom the mode's own resolver asks for names, which is at 127.0.0.1; nobody else "
                "is asked. Without it the mode has no resolver.",
            .max = 16},
    KeySpec{.path = "network/dns/[]",
            .types = kStr,
            .doc =
                "ADDRESS or ADDRESS:PORT. With #NAME behind it, as in 9.9.9.9#dns.quad9.net, over "
                "TLS (RFC 7858): its certificate must bear that name. All of them or none.",
            .format = Format::dns_server,
            .example = "\"9.9.9.9\""},
    KeySpec{.path = "network/egress",
            .types = kObj,
            .doc = "Where it may connect; without it, wherever its network leads."},
    KeySpec{.path = "network/egress/allow",
            .types = kArr,
            .doc = "Where this list is given, nothing else is reached, and no other name looked "
                   "up.",
            .max = kMaxRules},
    KeySpec{.path = "network/egress/allow/[]",
            .types = kStr,
            .doc = "A destination: PREFIX, or PROTOCOL to PREFIX, or PROTOCOL/PORTS to PREFIX. "
                   "Instead of the prefix: a name, *.NAME for all below it, * for every name; "
                   "it is reached at what the resolver says, for as long as that holds.",
            .format = Format::destination,
            .example = "\"tcp/443 to 203.0.113.0/24\""},
    KeySpec{.path = "network/egress/deny",
            .types = kArr,
            .doc = "What is not reached, whatever 'allow' says.",
            .max = kMaxRules},
    KeySpec{.path = "network/egress/deny/[]",
            .types = kStr,
            .doc = "A destination, as in 'allow'. A name, alone, is not looked up, nor what is "
                   "below it.",
            .format = Format::destination,
            .example = "\"10.0.0.0/8\""},
    KeySpec{.path = "network/inbound",
            .types = kArr,
            .doc =
                "Who may open connections to the mode; without it, nobody. Through its tunnel; of "
                "direct, at the phone's own addresses, from outside and never from a mode: the "
                "ports are the mode's then, and the phone's services have them no more.",
            .max = kMaxRules},
    KeySpec{.path = "network/inbound/[]",
            .types = kStr,
            .doc = "A source: PREFIX, or PROTOCOL from PREFIX, or PROTOCOL/PORTS from PREFIX; the "
                   "ports are the mode's.",
            .format = Format::flow_source,
            .example = "\"tcp/22 from 10.8.0.0/24\""},
    KeySpec{.path = "network/limits",
            .types = kObj,
            .doc = "How much it may send and receive; what is more is dropped."},
    KeySpec{.path = "network/limits/send",
            .types = kStr | kInt,
            .doc = "Bytes a second out of the mode.",
            .format = Format::size,
            .min = kMinRate,
            .max = kMaxRate,
            .example = "\"512KiB\""},
    KeySpec{.path = "network/limits/receive",
            .types = kStr | kInt,
            .doc = "Bytes a second into it.",
            .format = Format::size,
            .min = kMinRate,
            .max = kMaxRate,
            .example = "\"2MiB\""},
    KeySpec{.path = "network/limits/volume",
            .types = kStr | kInt,
            .doc = "Bytes a day (of UTC) of both directions, however often the mode starts.",
            .format = Format::size,
            .min = kMinVolume,
            .example = "\"1GiB\""},
};

}  // namespace

KeySpecs network_keys() { return kNetworkKeys; }

}  // namespace pmos::policy
