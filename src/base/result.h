// base: the one error type and the one way to return it. Never logs, never throws.
#pragma once

#include <cstdint>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pmos {

// What a caller can do about an error. Each code has one D-Bus name and one exit status
// (see code_info); nothing else in the tree maps them.
enum class Code : std::uint8_t {
    failed,           // a system call or a tool said no
    usage,            // the request itself makes no sense
    unknown_mode,     // no profile by that name
    disabled,         // the mode's profile is missing or broken
    already_exists,   // the volume (or other object) is there and is not overwritten
    not_provisioned,  // the volume has not been made yet, or was never finished
    locked,           // the volume must be unlocked first
    wrong_secret,     // PIN or passphrase refused
    busy,             // another operation holds it
    frozen,           // the mode is frozen in the background
    not_running,      // the mode has no processes
    unsupported,      // this kernel or this build cannot enforce it
    not_found,        // a file, image, device or program is missing
    denied,           // the caller may not
    no_space,         // disk or memory is full
    cancelled,        // ended by the caller or by shutdown
    timed_out,        // a deadline passed
    unreachable,      // pmosd (or another peer) does not answer
    throttled,        // too many wrong secrets: none is judged for a time
};

struct CodeInfo {
    Code code;
    std::string_view bus_name;  // org.pmos.Error.*
    int exit_status;            // of pmosctl
};
const CodeInfo& code_info(Code code);
// Code::failed when the name is not one of ours.
Code code_from_bus_name(std::string_view bus_name);

struct Error {
    Code code = Code::failed;
    std::string step;   // the step of a sequence that failed, "" outside one
    int sys_errno = 0;  // captured where it happened, 0 when no system call is to blame
    std::string what;   // lower case, no full stop: what failed
    std::string why;    // "" when what says it all
    std::string fix;    // what to do; printed as "hint: ..."
    std::vector<Error> undo_failures;  // roll-back faults: attached, never replacing the cause

    // "what: why" on one line, without the hint.
    std::string message() const;
};

// Error for a failed system call; err is the positive errno.
Error errno_error(int err, std::string what, std::string fix = "");

template <class T = void>
class [[nodiscard]] Result : public std::expected<T, Error> {
  public:
    using std::expected<T, Error>::expected;
    using std::expected<T, Error>::operator=;
};

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
inline std::unexpected<Error> fail(Code code, std::string what, std::string why = "",
                                   std::string fix = "") {
    Error e;
    e.code = code;
    e.what = std::move(what);
    e.why = std::move(why);
    e.fix = std::move(fix);
    return std::unexpected<Error>(std::move(e));
}

#define PMOS_CONCAT_(a, b) a##b
#define PMOS_CONCAT(a, b) PMOS_CONCAT_(a, b)
// Returns the error of a Result<> to the caller.
#define PMOS_TRY(expr)                                         \
    do {                                                       \
        if (auto pmos_try_ = (expr); !pmos_try_)               \
            return ::pmos::fail(std::move(pmos_try_.error())); \
    } while (false)
// PMOS_ASSIGN(auto fd, open_it()): binds the value or returns the error to the caller.
#define PMOS_ASSIGN(lhs, expr) PMOS_ASSIGN_(lhs, expr, PMOS_CONCAT(pmos_assign_, __LINE__))
#define PMOS_ASSIGN_(lhs, expr, tmp)                       \
    auto tmp = (expr);                                     \
    if (!tmp) return ::pmos::fail(std::move(tmp.error())); \
    lhs = std::move(*tmp)

}  // namespace pmos
