// daemon: what /proc/PID/stat says of a process (proc(5)). Never signals or opens one.
#include "runtime/daemon/process_stat.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "runtime/host/small_file.h"

namespace pmos::daemon {
namespace {

template <class T>
bool parse(const std::string& text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<ProcessStat> process_stat(int pid) {
    constexpr std::size_t kThird = 3, kParent = 4, kStartTime = 22;
    const auto text = host::read_small_file(fmt::format("/proc/{}/stat", pid));
    // The second field, the name, may hold spaces and parentheses: counted from its end.
    const auto name_end = text ? text->rfind(')') : std::string::npos;
    if (name_end == std::string::npos)
        return fail(Code::not_found, fmt::format("no process {}", pid));
    const auto fields = host::split_words(std::string_view(*text).substr(name_end + 1));
    ProcessStat stat;
    if (fields.size() <= kStartTime - kThird || !parse(fields[kParent - kThird], stat.parent) ||
        !parse(fields[kStartTime - kThird], stat.start_time))
        return fail(Code::failed, fmt::format("cannot read /proc/{}/stat", pid));
    return stat;
}

}  // namespace pmos::daemon
