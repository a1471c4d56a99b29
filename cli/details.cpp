// cli: names and values that pmosd tells, in its order. Never prints.
#include "cli/details.h"

#include <charconv>

namespace pmos::cli {
namespace {

// As sd-bus: 0 when there is no further one.
int read_one(sd_bus_message* message, Details& into) {
    int r = sd_bus_message_enter_container(message, 'a', "{ss}");
    if (r <= 0) return r;
    const char *name = nullptr, *value = nullptr;
    while ((r = sd_bus_message_read(message, "{ss}", &name, &value)) > 0)
        into.entries.emplace_back(name, value);
    if (r >= 0) r = sd_bus_message_exit_container(message);
    return r < 0 ? r : 1;
}

}  // namespace

std::string Details::operator[](std::string_view name) const {
    for (const auto& [key, value] : entries)
        if (key == name) return value;
    return "";
}

std::uint64_t Details::number(std::string_view name) const {
    const std::string text = (*this)[name];
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

Result<Details> read_details(const Message& message) {
    Details details;
    if (const int r = read_one(message.get(), details); r < 0)
        return fail(bus_errno(r, "cannot read pmosd's answer"));
    return details;
}

Result<std::vector<Details>> read_all_details(const Message& message) {
    std::vector<Details> all;
    int r = sd_bus_message_enter_container(message.get(), 'a', "a{ss}");
    while (r > 0) {
        Details details;
        r = read_one(message.get(), details);
        if (r > 0) all.push_back(std::move(details));
    }
    if (r >= 0) r = sd_bus_message_exit_container(message.get());
    if (r < 0) return fail(bus_errno(r, "cannot read pmosd's answer"));
    return all;
}

}  // namespace pmos::cli
