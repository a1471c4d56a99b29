// base: the table of error codes. Never logs, never throws.
#include "base/result.h"

#include <algorithm>
#include <array>

namespace pmos {
namespace {

// Exit statuses are documented in pmosctl(1). 125 to 127 and 128+n belong to exec and are not here.
constexpr std::array kCodes{
    CodeInfo{Code::failed, "org.pmos.Error.Failed", 1},
    CodeInfo{Code::usage, "org.pmos.Error.InvalidArgument", 2},
    CodeInfo{Code::unknown_mode, "org.pmos.Error.UnknownMode", 3},
    CodeInfo{Code::disabled, "org.pmos.Error.ModeDisabled", 4},
    CodeInfo{Code::already_exists, "org.pmos.Error.AlreadyExists", 5},
    CodeInfo{Code::not_provisioned, "org.pmos.Error.NotProvisioned", 6},
    CodeInfo{Code::locked, "org.pmos.Error.Locked", 7},
    CodeInfo{Code::wrong_secret, "org.pmos.Error.WrongSecret", 8},
    CodeInfo{Code::busy, "org.pmos.Error.Busy", 9},
    CodeInfo{Code::frozen, "org.pmos.Error.Frozen", 10},
    CodeInfo{Code::not_running, "org.pmos.Error.NotRunning", 11},
    CodeInfo{Code::unsupported, "org.pmos.Error.Unsupported", 12},
    CodeInfo{Code::not_found, "org.pmos.Error.NotFound", 13},
    CodeInfo{Code::denied, "org.freedesktop.DBus.Error.AccessDenied", 14},
    CodeInfo{Code::no_space, "org.pmos.Error.NoSpace", 15},
    CodeInfo{Code::cancelled, "org.pmos.Error.Cancelled", 16},
    CodeInfo{Code::timed_out, "org.pmos.Error.TimedOut", 17},
    CodeInfo{Code::unreachable, "org.pmos.Error.Unreachable", 18},
    CodeInfo{Code::throttled, "org.pmos.Error.Throttled", 19},
};

Code code_from_errno(int err) {
    switch (err) {
        case EACCES:
        case EPERM:
            return Code::denied;
        case ENOSPC:
        case EDQUOT:
        case ENOMEM:
            return Code::no_space;
        case ENOENT:
            return Code::not_found;
        case EBUSY:
            return Code::busy;
        case EEXIST:
            return Code::already_exists;
        case ENOSYS:
        case EOPNOTSUPP:
            return Code::unsupported;
        case ETIMEDOUT:
            return Code::timed_out;
        default:
            return Code::failed;
    }
}

}  // namespace

const CodeInfo& code_info(Code code) {
    const auto it = std::ranges::find(kCodes, code, &CodeInfo::code);
    return it == kCodes.end() ? kCodes.front() : *it;
}

Code code_from_bus_name(std::string_view bus_name) {
    const auto it = std::ranges::find(kCodes, bus_name, &CodeInfo::bus_name);
    return it == kCodes.end() ? Code::failed : it->code;
}

std::string Error::message() const {
    std::string text = what;
    if (!why.empty()) text += ": " + why;
    return text;
}

Error errno_error(int err, std::string what, std::string fix) {
    Error e;
    e.code = code_from_errno(err);
    e.sys_errno = err;
    e.what = std::move(what);
    e.why = std::strerror(err);
    e.fix = std::move(fix);
    return e;
}

}  // namespace pmos
