// fuzz: the launcher's reader over any bytes. What it accepts must be readable to the last text.
#include "runtime/launch/plan_view.h"

#include <cstdint>
#include <cstring>
#include <vector>

using namespace pmos;

namespace {

volatile std::size_t total;

void walk(const launch::PlanView& view) {
    const auto& h = view.header();
    const auto touch = [&](policy::image::Text t) { total = total + std::strlen(view.text(t)); };
    for (const auto& t : {h.mode, h.hostname, h.cwd, h.apparmor, h.json}) touch(t);
    for (const auto& t : view.table(h.args)) touch(t);
    for (const auto& t : view.table(h.env)) touch(t);
    for (const auto& r : view.table(h.landlock)) touch(r.path);
    for (const auto& n : view.table(h.device_nodes)) {
        touch(n.path);
        touch(n.link);
    }
    for (const auto& m : view.table(h.mounts)) {
        touch(m.source);
        touch(m.target);
        for (const auto& o : view.table(m.options)) {
            touch(o.key);
            touch(o.value);
        }
    }
    for (const auto& i : view.table(h.seccomp)) total = total + i.k;
    for (const auto& r : view.table(h.rlimits)) total = total + r.hard;
    for (const auto gid : view.table(h.additional_gids)) total = total + gid;
    touch(h.domainname);
    for (const auto& o : view.table(h.sysctl)) {
        touch(o.key);
        touch(o.value);
    }
    for (const auto& hook : view.table(h.hooks)) {
        touch(hook.path);
        for (const auto& t : view.table(hook.args)) touch(t);
        for (const auto& t : view.table(hook.env)) touch(t);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A heap copy of exactly this size: a sanitizer then sees one byte too many.
    std::vector<std::byte> bytes(size);
    if (size > 0) std::memcpy(bytes.data(), data, size);
    if (launch::PlanView::check(bytes) == launch::PlanFault::none)
        walk(launch::PlanView(bytes.data()));
    return 0;
}
