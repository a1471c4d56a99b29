// modem: names of ModemManager's interface (org.freedesktop.ModemManager1, 1.20).
#pragma once

namespace pmos::modem::mm {

inline constexpr const char* kService = "org.freedesktop.ModemManager1";
inline constexpr const char* kPath = "/org/freedesktop/ModemManager1";
inline constexpr const char* kModemPrefix = "/org/freedesktop/ModemManager1/Modem";
inline constexpr const char* kCallPrefix = "/org/freedesktop/ModemManager1/Call";
inline constexpr const char* kTextPrefix = "/org/freedesktop/ModemManager1/SMS";
inline constexpr const char* kBearerPrefix = "/org/freedesktop/ModemManager1/Bearer";
inline constexpr const char* kModem = "org.freedesktop.ModemManager1.Modem";
inline constexpr const char* kModem3gpp = "org.freedesktop.ModemManager1.Modem.Modem3gpp";
inline constexpr const char* kMessaging = "org.freedesktop.ModemManager1.Modem.Messaging";
inline constexpr const char* kVoice = "org.freedesktop.ModemManager1.Modem.Voice";
inline constexpr const char* kSimple = "org.freedesktop.ModemManager1.Modem.Simple";
inline constexpr const char* kBearer = "org.freedesktop.ModemManager1.Bearer";
inline constexpr const char* kSim = "org.freedesktop.ModemManager1.Sim";
inline constexpr const char* kCall = "org.freedesktop.ModemManager1.Call";
inline constexpr const char* kText = "org.freedesktop.ModemManager1.Sms";
inline constexpr const char* kProperties = "org.freedesktop.DBus.Properties";
inline constexpr const char* kObjectManager = "org.freedesktop.DBus.ObjectManager";

}  // namespace pmos::modem::mm
