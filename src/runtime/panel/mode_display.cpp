// panel: one mode's Wayland display: its socket, its clients and its windows.
#include "runtime/panel/mode_display.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace pmos::panel {
namespace {

constexpr std::array<std::string_view, 5> kCore{"wl_compositor", "wl_subcompositor", "wl_shm",
                                                "wl_output", "xdg_wm_base"};

}  // namespace

Result<std::unique_ptr<ModeDisplay>> ModeDisplay::make(Screen& screen, const ModeRow& row,
                                                       const std::string& dir) {
    std::unique_ptr<ModeDisplay> made(new ModeDisplay(screen, row));
    made->tree_ = wlr_scene_tree_create(screen.modes());
    if (made->tree_ == nullptr) return fail(Code::no_space, "cannot make a scene");
    wlr_scene_node_set_enabled(&made->tree_->node, false);
    PMOS_TRY(made->make_seat());
    PMOS_TRY(made->listen(dir + "/" + kModeSocket));
    return made;
}

ModeDisplay::~ModeDisplay() {
    show(false);
    if (incoming_ != nullptr) wl_event_source_remove(incoming_);
    while (!clients_.empty()) wl_client_destroy(clients_.front().client());
    for (Listener* each :
         {&wants_selection_, &wants_primary_, &keyboard_.pressed, &keyboard_.modifiers})
        each->stop();
    if (keyboard_.made) wlr_input_device_destroy(&keyboard_.device);
    if (seat_ != nullptr) wlr_seat_destroy(seat_);
    if (tree_ != nullptr) wlr_scene_node_destroy(&tree_->node);
    if (!path_.empty()) static_cast<void>(::unlink(path_.c_str()));
}

// Its name stays while it is replaced: who comes in between is refused, and not lost.
Result<> ModeDisplay::listen(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(Code::usage, "the path '" + path + "' is too long for a socket");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    listener_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    static_cast<void>(::unlink(path.c_str()));
    if (!listener_ ||
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::chmod(path.c_str(), 0666) != 0 || ::listen(listener_.get(), 16) != 0)
        return fail(errno_error(errno, "cannot listen at '" + path + "'"));
    path_ = path;
    incoming_ = wl_event_loop_add_fd(
        screen_.wayland_loop(), listener_.get(), WL_EVENT_READABLE,
        [](int, std::uint32_t, void* self) {
            static_cast<ModeDisplay*>(self)->accept();
            return 0;
        },
        this);
    if (incoming_ == nullptr) return fail(Code::no_space, "cannot listen at '" + path + "'");
    return {};
}

void ModeDisplay::accept() {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd || clients_.size() >= Share::kMostClients) return;
    wl_client* const client = wl_client_create(screen_.display(), fd.get());
    if (client == nullptr) return;
    static_cast<void>(fd.release());
    clients_.emplace_back(client, share_, [this, client] { drop(client); });
}

void ModeDisplay::drop(wl_client* client) {
    std::erase_if(clients_,
                  [client](const ClientGuard& guard) { return guard.client() == client; });
}

bool ModeDisplay::owns(const wl_client* client) const {
    return std::ranges::any_of(
        clients_, [client](const ClientGuard& guard) { return guard.client() == client; });
}

bool ModeDisplay::offers(const wl_global* global) const {
    const std::string_view name(wl_global_get_interface(global)->name);
    if (name == "wp_drm_lease_device_v1") return row_.leases;
    if (name == "wl_seat") return row_.input && global == seat_->global;
    return std::ranges::find(kCore, name) != kCore.end() ||
           std::ranges::find(row_.protocols, name) != row_.protocols.end();
}

void ModeDisplay::adopt(wlr_xdg_surface* surface) {
    auto& window = windows_.emplace_back();
    window.surface = surface;
    window.node = wlr_scene_xdg_surface_create(&tree_->node, surface);
    const auto self = std::prev(windows_.end());
    window.gone.listen(surface->events.destroy, [this, self](void*) {
        windows_.erase(self);
        focus();
    });
    if (window.node == nullptr)
        return wl_client_post_no_memory(wl_resource_get_client(surface->resource));
    surface->data = window.node;  // for its popups
    window.map.listen(surface->events.map, [this, self](void*) {
        self->mapped = true;
        windows_.splice(windows_.begin(), windows_, self);
        wlr_scene_node_raise_to_top(self->node);
        focus();
    });
    window.unmap.listen(surface->events.unmap, [this, self](void*) {
        self->mapped = false;
        focus();
    });
    // All fill what is there for them; a client is owed an answer all the same.
    const auto answer = [self](void*) { wlr_xdg_surface_schedule_configure(self->surface); };
    window.maximize.listen(surface->toplevel->events.request_maximize, answer);
    window.fullscreen.listen(surface->toplevel->events.request_fullscreen, answer);
    fit(window);
}

// Above its parent, and where the mode may draw.
void ModeDisplay::adopt_popup(wlr_xdg_surface* popup) {
    wlr_surface* const parent = popup->popup->parent;
    if (parent == nullptr || !wlr_surface_is_xdg_surface(parent)) return;
    auto* const node = static_cast<wlr_scene_node*>(wlr_xdg_surface_from_wlr_surface(parent)->data);
    if (node == nullptr) return;
    popup->data = wlr_scene_xdg_surface_create(node, popup);
    const wlr_box box{0, 0, area_.width, area_.height};
    wlr_xdg_popup_unconstrain_from_box(popup->popup, &box);
}

void ModeDisplay::fit(Window& window) const {
    wlr_scene_node_set_position(window.node, 0, 0);
    if (area_.width <= 0 || area_.height <= 0) return;
    wlr_xdg_toplevel_set_maximized(window.surface, true);
    wlr_xdg_toplevel_set_size(window.surface, static_cast<std::uint32_t>(area_.width),
                              static_cast<std::uint32_t>(area_.height));
}

// Each word to a mode that stands still stays in its socket, which ends it when it is full.
void ModeDisplay::place(Box area) {
    if (std::exchange(area_, area) == area) return;
    wlr_scene_node_set_position(&tree_->node, area.x, area.y);
    for (auto& window : windows_) fit(window);
}

void ModeDisplay::show(bool shown) {
    if (shown_ == shown) return;
    shown_ = shown;
    if (!shown) release_all();
    wlr_scene_node_set_enabled(&tree_->node, shown);
    focus();
}

wlr_surface* ModeDisplay::surface_at(double x, double y, double& inner_x, double& inner_y) const {
    auto* const node =
        wlr_scene_node_at(&tree_->node, x - area_.x, y - area_.y, &inner_x, &inner_y);
    if (node == nullptr || node->type != WLR_SCENE_NODE_SURFACE) return nullptr;
    return wlr_scene_surface_from_node(node)->surface;
}

}  // namespace pmos::panel
