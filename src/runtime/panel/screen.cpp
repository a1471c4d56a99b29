// panel: the display device: its output, and the scene that is drawn on it.
#include "runtime/panel/screen.h"

#include <sys/epoll.h>
#include <systemd/sd-journal.h>

#include <algorithm>
#include <cmath>
#include <ctime>

namespace pmos::panel {
namespace {

constexpr std::size_t kFramesKept = 1024;

std::uint64_t now_us() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000U +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000U;
}

// By how far apart its pixels are, where the display says so: 160 to the inch are not scaled, as on
// other phones.
int scale_of(const wlr_output& output) {
    if (output.phys_width <= 0 || output.width <= 0) return 1;
    const double per_inch = output.width * 25.4 / output.phys_width;
    return std::clamp(static_cast<int>(std::lround(per_inch / 160)), 1, 4);
}

}  // namespace

Result<std::unique_ptr<Screen>> Screen::make(event::EventLoop& loop, const Options& options) {
    std::unique_ptr<Screen> made(new Screen(loop));
    PMOS_TRY(made->make_parts(options));
    PMOS_TRY(made->serve());
    return made;
}

Screen::~Screen() {
    flush_.reset();
    wayland_.reset();
    if (display_ == nullptr) return;
    wl_display_destroy_clients(display_);
    for (Listener* listener : {&new_output_, &new_input_, &lost_}) listener->stop();
    outputs_.clear();
    if (scene_ != nullptr) wlr_scene_node_destroy(&scene_->node);
    if (backend_ != nullptr) wlr_backend_destroy(backend_);
    if (layout_ != nullptr) wlr_output_layout_destroy(layout_);
    if (allocator_ != nullptr) wlr_allocator_destroy(allocator_);
    if (renderer_ != nullptr) wlr_renderer_destroy(renderer_);
    wl_display_destroy(display_);
}

Result<> Screen::make_parts(const Options& options) {
    headless_ = options.headless;
    display_ = wl_display_create();
    if (display_ == nullptr) return fail(Code::no_space, "cannot make a Wayland display");
    backend_ = headless_.width > 0 ? wlr_headless_backend_create(display_)
                                   : wlr_backend_autocreate(display_);
    if (backend_ == nullptr)
        return fail(Code::not_found, "cannot open the display", "",
                    "see which there are: ls /dev/dri; who has it: pmosctl devices");
    // Without a GPU, or where its driver does not draw, the processor does.
    renderer_ =
        headless_.width > 0 ? wlr_pixman_renderer_create() : wlr_renderer_autocreate(backend_);
    if (renderer_ == nullptr) renderer_ = wlr_pixman_renderer_create();
    if (renderer_ != nullptr) allocator_ = wlr_allocator_autocreate(backend_, renderer_);
    if (allocator_ == nullptr) return fail(Code::failed, "cannot draw on the display");
    compositor_ = wlr_compositor_create(display_, renderer_);
    scene_ = wlr_scene_create();
    layout_ = wlr_output_layout_create();
    if (compositor_ == nullptr || scene_ == nullptr || layout_ == nullptr ||
        !wlr_renderer_init_wl_display(renderer_, display_))
        return fail(Code::no_space, "cannot serve Wayland");
    for (auto* layer : {&modes_, &pages_, &strip_, &pointer_}) {
        *layer = wlr_scene_tree_create(&scene_->node);
        if (*layer == nullptr) return fail(Code::no_space, "cannot make a scene");
    }
    wlr_scene_set_presentation(scene_, wlr_presentation_create(display_, backend_));
    return {};
}

// In libwayland's loop inside of ours. What is for clients is sent at the end of each turn.
Result<> Screen::serve() {
    const auto fd = wl_event_loop_get_fd(wayland_loop());
    wayland_ = loop_.on_io(BorrowedFd(fd), EPOLLIN,
                           [this](std::uint32_t) { wl_event_loop_dispatch(wayland_loop(), 0); });
    sd_event_source* made = nullptr;
    const int r = sd_event_add_post(
        loop_.get(), &made,
        [](sd_event_source*, void* data) {
            auto& self = *static_cast<Screen*>(data);
            wl_event_loop_dispatch_idle(self.wayland_loop());
            wl_display_flush_clients(self.display_);
            return 0;
        },
        this);
    flush_.reset(made);
    if (r < 0) return fail(errno_error(-r, "cannot serve Wayland"));
    return {};
}

Result<> Screen::begin(std::function<void()> resized,
                       std::function<void(wlr_input_device*)> new_input) {
    resized_ = std::move(resized);
    new_output_.listen(backend_->events.new_output,
                       [this](void* data) { add_output(static_cast<wlr_output*>(data)); });
    new_input_.listen(backend_->events.new_input, [tell = std::move(new_input)](void* data) {
        tell(static_cast<wlr_input_device*>(data));
    });
    lost_.listen(backend_->events.destroy, [this](void*) {
        lost_.stop();
        new_output_.stop();
        new_input_.stop();
        backend_ = nullptr;
        loop_.quit(1);  // the device is gone for good: the next one looks for another
    });
    if (!wlr_backend_start(backend_)) return fail(Code::failed, "cannot start the display");
    if (headless_.width > 0)
        wlr_headless_add_output(backend_, static_cast<unsigned>(headless_.width),
                                static_cast<unsigned>(headless_.height));
    return {};
}

void Screen::add_output(wlr_output* output) {
    if (!wlr_output_init_render(output, allocator_, renderer_)) return;
    auto& entry = outputs_.emplace_back();
    entry.output = output;
    entry.frame.listen(output->events.frame, [this, output](void*) { draw(output); });
    entry.present.listen(output->events.present, [this](void*) {
        frames_.last_at_us = now_us();
        if (mark_ != Mark::drawn) return;
        frames_.marked_at_us = frames_.last_at_us;
        mark_ = Mark::none;
    });
    entry.mode.listen(output->events.mode, [this, output](void*) {
        if (output == used_) measure();
    });
    entry.gone.listen(output->events.destroy, [this, output](void*) { leave(output); });
    if (used_ == nullptr) return use(output);
    darken(output);
    spare_(output);
}

// Whatever was on it: a mode that had it lent leaves its last frame, which its memory still reaches
// until another one is shown.
void Screen::darken(wlr_output* output) {
    // Off and on: what wlroots believes of it need not be so, the console or a mode had it before.
    if (output->enabled) {
        wlr_output_enable(output, false);
        wlr_output_commit(output);
    }
    // 640x480 is what every display takes (VESA's fail-safe mode).
    if (wl_list_empty(&output->modes))
        wlr_output_set_custom_mode(output, 640, 480, 0);
    else
        wlr_output_set_mode(output, wlr_output_preferred_mode(output));
    wlr_output_enable(output, true);
    if (!wlr_output_commit(output))  // an empty frame with it
        sd_journal_print(LOG_ERR, "cannot darken the output '%s'", output->name);
}

// One screen: what else is plugged in stays dark, unless it is lent.
void Screen::use(wlr_output* output) {
    if (!wl_list_empty(&output->modes))
        wlr_output_set_mode(output, wlr_output_preferred_mode(output));
    wlr_output_enable(output, true);
    wlr_output_set_scale(output, static_cast<float>(scale_of(*output)));
    if (!wlr_output_commit(output)) return;
    used_ = output;
    wlr_output_layout_add(layout_, output, 0, 0);  // and tells clients of it
    wlr_scene_output_create(scene_, output);
    measure();
}

// Not from within wlroots' own end of the lease.
void Screen::darken_soon(const std::vector<wlr_output*>& outputs) {
    to_darken_.insert(outputs.begin(), outputs.end());
    darken_later_ = loop_.next_turn([this] {
        darken_later_.reset();
        const auto lent = std::exchange(to_darken_, {});
        for (auto& entry : outputs_)
            if (entry.output != used_ && lent.contains(entry.output)) darken(entry.output);
    });
}

void Screen::leave(wlr_output* output) {
    std::erase_if(outputs_, [output](const Output& entry) { return entry.output == output; });
    if (used_ != output) return;
    used_ = nullptr;
    for (auto& entry : outputs_)
        if (used_ == nullptr) {
            claimed_(entry.output);
            use(entry.output);
        }
    if (used_ == nullptr) measure();
}

void Screen::measure() {
    Size size;
    if (used_ != nullptr) {
        scale_ = std::max(1, static_cast<int>(used_->scale));
        wlr_output_effective_resolution(used_, &size.width, &size.height);
    }
    if (size == size_) return;
    size_ = size;
    if (resized_) resized_();
}

void Screen::draw(wlr_output* output) {
    auto* const view = wlr_scene_get_scene_output(scene_, output);
    if (view == nullptr) return;
    const std::uint64_t begun = now_us();
    const std::uint32_t before = output->commit_seq;
    wlr_scene_output_commit(view);
    if (output->commit_seq != before) {
        auto& took = frames_.took_us;
        const auto us = static_cast<std::uint32_t>(now_us() - begun);
        if (took.size() < kFramesKept)
            took.push_back(us);
        else
            took[frames_.count % kFramesKept] = us;
        ++frames_.count;
        if (mark_ == Mark::wanted) mark_ = Mark::drawn;
    }
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    wlr_scene_output_send_frame_done(view, &now);
}

}  // namespace pmos::panel
