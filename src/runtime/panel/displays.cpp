// panel: all modes' displays: which client is whose, and who sees which of Wayland's globals.
#include "runtime/panel/displays.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace pmos::panel {

Result<std::unique_ptr<Displays>> Displays::make(Screen& screen, std::string run,
                                                 std::function<void(const Error&)> broken) {
    std::unique_ptr<Displays> made(new Displays(screen, std::move(run), std::move(broken)));
    PMOS_TRY(made->offer());
    auto* const self = made.get();
    made->leases_ =
        Leases::make(screen, [self](const wl_client* client) { return self->may_lease(client); });
    if (made->leases_)
        screen.on_spare([self](wlr_output* output) { self->leases_->offer(output); },
                        [self](wlr_output* output) { self->leases_->withdraw(output); });
    return made;
}

Displays::~Displays() {
    // Each is out of the list before it ends: its end asks whose the other clients are.
    while (!all_.empty()) {
        const auto last = std::move(all_.back());
        all_.pop_back();
    }
    new_window_.stop();
    new_decoration_.stop();
}

// Each is a global of the one display; the filter decides who sees it. Nothing that looks at the
// screen, or types, for another is among them.
Result<> Displays::offer() {
    wl_display* const display = screen_.display();
    auto* const shell = wlr_xdg_shell_create(display);
    auto* const decoration = wlr_xdg_decoration_manager_v1_create(display);
    if (shell == nullptr || decoration == nullptr ||
        wlr_data_device_manager_create(display) == nullptr ||
        wlr_primary_selection_v1_device_manager_create(display) == nullptr ||
        wlr_xdg_output_manager_v1_create(display, screen_.layout()) == nullptr ||
        wlr_viewporter_create(display) == nullptr)
        return fail(Code::no_space, "cannot serve Wayland");
    new_window_.listen(shell->events.new_surface, [this](void* data) {
        auto* const surface = static_cast<wlr_xdg_surface*>(data);
        auto* const mode = owner(wl_resource_get_client(surface->resource));
        if (mode == nullptr) return;
        if (surface->role == WLR_XDG_SURFACE_ROLE_TOPLEVEL) mode->adopt(surface);
        if (surface->role == WLR_XDG_SURFACE_ROLE_POPUP) mode->adopt_popup(surface);
    });
    // No client draws a frame of its own around a window that fills what is there.
    new_decoration_.listen(decoration->events.new_toplevel_decoration, [](void* data) {
        wlr_xdg_toplevel_decoration_v1_set_mode(static_cast<wlr_xdg_toplevel_decoration_v1*>(data),
                                                WLR_XDG_TOPLEVEL_DECORATION_V1_MODE_SERVER_SIDE);
    });
    wl_display_set_global_filter(
        display,
        [](const wl_client* client, const wl_global* global, void* self) {
            const auto* const mode = static_cast<Displays*>(self)->owner(client);
            return mode != nullptr && mode->offers(global);
        },
        this);
    return {};
}

ModeDisplay* Displays::owner(const wl_client* client) const {
    const auto it =
        std::ranges::find_if(all_, [&](const auto& mode) { return mode->owns(client); });
    return it == all_.end() ? nullptr : it->get();
}

ModeDisplay* Displays::find(const std::string& mode) const {
    const auto it = std::ranges::find(all_, mode, [](const auto& one) { return one->name(); });
    return it == all_.end() ? nullptr : it->get();
}

std::string Displays::may_lease(const wl_client* client) const {
    const auto* const mode = owner(client);
    return mode != nullptr && mode->shown() && mode->leases() ? mode->name() : "";
}

void Displays::show(const std::string& mode) {
    for (auto& each : all_) {
        const bool shown = each->name() == mode;
        if (!shown && each->shown() && leases_) leases_->end(each->name());
        each->show(shown);
    }
}

void Displays::go_by(const Table& table) {
    const auto has_display = [](const ModeRow& row) { return row.shown && row.run != 0; };
    const auto goes_on = [&](const auto& mode) {
        return std::ranges::any_of(table.modes, [&](const ModeRow& row) {
            return has_display(row) && row.name == mode->name() && row.run == mode->run();
        });
    };
    // Out of the list before they end: their end asks whose the other clients are.
    const auto rest = std::ranges::stable_partition(all_, goes_on);
    std::vector<std::unique_ptr<ModeDisplay>> over(std::make_move_iterator(rest.begin()),
                                                   std::make_move_iterator(rest.end()));
    all_.erase(rest.begin(), rest.end());
    over.clear();
    for (const auto& row : table.modes) {
        if (!has_display(row) || find(row.name) != nullptr) continue;
        if (auto made = make_display(row)) {
            (*made)->place(area_);
            all_.push_back(std::move(*made));
        } else {
            broken_(made.error());
        }
    }
}

Result<std::unique_ptr<ModeDisplay>> Displays::make_display(const ModeRow& row) const {
    const std::string all = run_ + "/" + kModesDir, dir = all + "/" + row.name;
    for (const auto& each : {all, dir})
        if (::mkdir(each.c_str(), 0755) != 0 && errno != EEXIST)
            return fail(errno_error(errno, "cannot make '" + each + "'"));
    return ModeDisplay::make(screen_, row, dir);
}

void Displays::place(Box area) {
    area_ = area;
    for (auto& mode : all_) mode->place(area);
}

}  // namespace pmos::panel
