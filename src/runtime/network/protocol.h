// network: what pmosd says to pmos-net, and where. The wire only. docs/network.md describes it.
#pragma once

#include <cstdint>

namespace pmos::network {

inline constexpr const char* kRunDir = "/run/pmos/network";  // the socket "control" is in it

inline constexpr const char* kService = "org.pmos.Network1";
inline constexpr const char* kPath = "/org/pmos/Network1";
inline constexpr const char* kControlInterface = "org.pmos.Network1.Control";

// Connect(s mode, h netns, h plan, ah key): gives the mode the network of its plan, in a namespace
// in which nothing runs yet, or whose processes stand still or have had a tunnel by another key; or
// takes over the one that it has (a new pmos-net is told again what runs; what is right stays as it
// is, a connection goes on). plan: the sealed image of a LaunchPlan
// (policy::decode). key: of a tunnel that is to be made, one descriptor, a pipe from which the 32
// bytes of the private key come, and of each peer with presharedKey 64 more, its public key and the
// preshared one; of a tunnel that is taken over, none, for the kernel has them.
// Answers when key, interface and rules are in place; after an error nothing is left and the mode's
// namespace has no interface that is up but lo.
inline constexpr const char* kConnect = "Connect";
inline constexpr const char* kConnectSignature = "shhah";
// Disconnect(s mode, ah netns): the mode's last process is gone; or, with its namespace, it runs on
// without: its link goes also where this pmos-net knows nothing of it. No error where there is
// nothing.
inline constexpr const char* kDisconnect = "Disconnect";
// Keep(as modes): all modes that have a network; what is anybody else's is removed.
inline constexpr const char* kKeep = "Keep";
// Status(s mode): (t bytes received, t sent, t sent and received of the day's volume, a(sstt) of
// each peer: public key in base64, endpoint as it is now or "", last handshake in seconds of
// CLOCK_REALTIME or 0, bytes received from it).
inline constexpr const char* kStatus = "Status";
inline constexpr const char* kStatusSignature = "ttta(sstt)";
// Connections(s mode): (a(sssqsutt) of each destination: direction "out" or "in", protocol, address
// of the other end, port of who was called, name of the DNS or "", how many connections, bytes sent
// and received by the mode; 256 at most, the one with the most bytes first; t how many connections
// there are to others). Those that the kernel knows of: an ended one for some minutes.
inline constexpr const char* kConnections = "Connections";
inline constexpr const char* kConnectionsRow = "(sssqsutt)";
inline constexpr const char* kConnectionsSignature = "a(sssqsutt)t";

// Signals. Lost(s mode, s why): somebody else changed its rules, its link or its table; the mode
// has been cut off.
inline constexpr const char* kLost = "Lost";
// Spent(s mode, t volume): the day's volume, of so many bytes, is used up: nothing goes through
// until the next day (UTC).
inline constexpr const char* kSpent = "Spent";
// Refused(s mode, s direction, s destination, s name, s reason, s pointer, u uid, t times): what
// the mode, or who called it, was refused: of packets of one kind the first, and then once in ten
// seconds how many came since. destination: "tcp/443 to 203.0.113.7", "tcp/22 from 203.0.113.7".
// name: what was asked for, where it is a name that is refused. reason: a word of policy's
// ConnectionReason, or kUntold: there were so many more of which nothing else is said. pointer: of
// the profile's line, "network/egress/deny/0". uid: on the phone, of the socket; or kNobody.
inline constexpr const char* kRefused = "Refused";
inline constexpr const char* kRefusedSignature = "ssssssut";
inline constexpr const char *kOutbound = "out", *kInbound = "in";
inline constexpr const char* kUntold = "untold";
inline constexpr std::uint32_t kNobody = UINT32_MAX;

}  // namespace pmos::network
