// network: what pmosd says to pmos-net, and where. The wire only. docs/network.md describes it.
#pragma once

namespace pmos::network {

inline constexpr const char* kRunDir = "/run/pmos/network";  // the socket "control" is in it

inline constexpr const char* kService = "org.pmos.Network1";
inline constexpr const char* kPath = "/org/pmos/Network1";
inline constexpr const char* kControlInterface = "org.pmos.Network1.Control";

// Connect(s mode, h netns, h plan, ah key): gives the mode the network of its plan, in a namespace
// in which nothing runs yet, or takes over the one that it has (a new pmos-net is told again what
// runs; what is right stays as it is, a connection goes on). plan: the sealed image of a LaunchPlan
// (policy::decode). key: of a tunnel that is to be made, one descriptor, a pipe from which the 32
// bytes of the private key come; of a tunnel that is taken over, none, for the kernel has it.
// Answers when key, interface and rules are in place; after an error nothing is left and the mode's
// namespace has no interface that is up but lo.
inline constexpr const char* kConnect = "Connect";
inline constexpr const char* kConnectSignature = "shhah";
// Disconnect(s mode): the mode's last process is gone. No error where there is nothing.
inline constexpr const char* kDisconnect = "Disconnect";
// Keep(as modes): all modes that have a network; what is anybody else's is removed.
inline constexpr const char* kKeep = "Keep";
// Status(s mode): (t bytes received, t sent, a(sstt) of each peer: public key in base64, endpoint
// as it is now or "", last handshake in seconds of CLOCK_REALTIME or 0, bytes received from it).
inline constexpr const char* kStatus = "Status";
inline constexpr const char* kStatusSignature = "tta(sstt)";

// Signals. Lost(s mode, s why): somebody else changed its rules, its link or its table; the mode
// has been cut off.
inline constexpr const char* kLost = "Lost";

}  // namespace pmos::network
