// volume: all there is to tell of a volume. Only looks: mounts nothing, and writes to nothing.
#include "runtime/volume/header.h"
#include "runtime/volume/recover.h"
#include "runtime/volume/usage.h"
#include "runtime/volume/worker.h"

namespace pmos::volume {
namespace {

const char* state_of(const Inspected& found, Mapping mapping) {
    if (mapping == Mapping::suspended) return "suspended";
    if (mapping == Mapping::active) return "open";
    if (found.content == Content::absent) return "absent";
    return found.content == Content::complete ? "closed" : "unfinished";
}

Result<void> tell_sizes(const Request& request, Header& header, std::uint64_t data_offset,
                        Channel& channel) {
    const std::string mapping = "/dev/mapper/" + std::string(text(request.dm_name));
    if (header.mapping() != Mapping::absent) {
        PMOS_ASSIGN(const std::uint64_t bytes, size_of_device(mapping));
        PMOS_TRY(channel.detail("size", std::to_string(bytes)));
    } else if (header.crypt().check_no_integrity("")) {
        // How much of it tags would take is known to the kernel only, while it is open.
        PMOS_ASSIGN(const std::uint64_t whole, size_of_device(header.crypt().device()));
        const std::uint64_t bytes = whole > data_offset ? whole - data_offset : 0;
        PMOS_TRY(channel.detail("size", std::to_string(bytes)));
    }
    if (header.mapping() != Mapping::active) return {};
    const auto used = used_bytes(mapping);
    if (used) PMOS_TRY(channel.detail("used", std::to_string(*used)));
    return {};
}

}  // namespace

Result<Event> info(const Request& request, Channel& channel) {
    PMOS_ASSIGN(const Inspected found, inspect_source(request));
    const Mapping mapping = mapping_state(std::string(text(request.dm_name)));
    PMOS_TRY(channel.detail("state", state_of(found, mapping)));
    PMOS_TRY(channel.detail("source", text(request.source)));
    Event event;
    event.kind = EventKind::done;
    if (found.content == Content::absent) return event;
    if (!found.why.empty()) PMOS_TRY(channel.detail("why", found.why));
    PMOS_ASSIGN(auto header, Header::open(request, true));
    std::uint64_t data_offset = 0;
    for (const auto& [name, value] : header.crypt().describe()) {
        const bool running = value == "interrupted" && is_being_reencrypted(request);
        PMOS_TRY(channel.detail(name, running ? "running" : value));
        if (name == "dataOffset") data_offset = std::stoull(value);
    }
    PMOS_TRY(tell_sizes(request, header, data_offset, channel));
    event.provisioned = found.content == Content::complete ? 1 : 0;
    return event;
}

}  // namespace pmos::volume
