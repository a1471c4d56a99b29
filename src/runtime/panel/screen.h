// panel: the display device: its output, and the scene that is drawn on it, in layers. Knows no
// mode and no person.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <vector>

#include "base/result.h"
#include "runtime/event/loop.h"
#include "runtime/panel/listener.h"
#include "runtime/panel/page.h"

namespace pmos::panel {

class Screen {
  public:
    struct Options {
        Size headless;  // a screen that nobody sees, for tests; {}: the phone's
    };
    // Speaks Wayland in this loop.
    static Result<std::unique_ptr<Screen>> make(event::EventLoop& loop, const Options& options);
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // From here on there is an output, where one is plugged in, and input devices are told of.
    Result<> begin(std::function<void()> resized, std::function<void(wlr_input_device*)> new_input);

    // spare: an output that is not the one in use; it is dark. claimed: one that was, and is used
    // from now on.
    void on_spare(std::function<void(wlr_output*)> spare,
                  std::function<void(wlr_output*)> claimed) {
        spare_ = std::move(spare);
        claimed_ = std::move(claimed);
    }

    // Outputs that were lent are not any more.
    void darken_soon(const std::vector<wlr_output*>& outputs);

    wl_display* display() const noexcept { return display_; }
    wlr_backend* backend() const noexcept { return backend_; }
    wlr_output_layout* layout() const noexcept { return layout_; }
    wl_event_loop* wayland_loop() const noexcept { return wl_display_get_event_loop(display_); }
    wlr_compositor* compositor() const noexcept { return compositor_; }
    // In logical pixels; {0, 0}: there is no output.
    Size size() const noexcept { return size_; }
    int scale() const noexcept { return scale_; }

    // What is below what: the modes' windows, pages of the panel, its strip, its pointer.
    wlr_scene_node* modes() const noexcept { return &modes_->node; }
    wlr_scene_node* pages() const noexcept { return &pages_->node; }
    wlr_scene_node* strip() const noexcept { return &strip_->node; }
    wlr_scene_node* pointer() const noexcept { return &pointer_->node; }

    // How long frames took from the begin of their drawing until they were handed on, in µs; the
    // last ones.
    struct Frames {
        std::uint64_t count = 0;
        std::vector<std::uint32_t> took_us;
        // CLOCK_MONOTONIC: when the last was shown, and when the first after the last mark() was.
        std::uint64_t last_at_us = 0, marked_at_us = 0;
    };
    const Frames& frames() const noexcept { return frames_; }
    // What is drawn from here on shows something else, of which it is to be known when it was seen.
    void mark() noexcept { mark_ = Mark::wanted; }

  private:
    explicit Screen(event::EventLoop& loop) : loop_(loop) {}
    struct Output {
        wlr_output* output;
        Listener frame, gone, mode, present;
    };
    Result<> make_parts(const Options& options);
    Result<> serve();
    void add_output(wlr_output* output);
    void use(wlr_output* output);
    void darken(wlr_output* output);
    void leave(wlr_output* output);
    void draw(wlr_output* output);
    void measure();

    event::EventLoop& loop_;
    wl_display* display_ = nullptr;
    wlr_backend* backend_ = nullptr;
    wlr_renderer* renderer_ = nullptr;
    wlr_allocator* allocator_ = nullptr;
    wlr_compositor* compositor_ = nullptr;
    wlr_scene* scene_ = nullptr;
    wlr_output_layout* layout_ = nullptr;  // the one output that is used
    wlr_scene_tree *modes_ = nullptr, *pages_ = nullptr, *strip_ = nullptr, *pointer_ = nullptr;
    Size headless_, size_;
    int scale_ = 1;
    wlr_output* used_ = nullptr;
    std::list<Output> outputs_;
    Frames frames_;
    enum class Mark : std::uint8_t { none, wanted, drawn } mark_ = Mark::none;
    Listener new_output_, new_input_, lost_;
    std::function<void()> resized_;
    std::function<void(wlr_output*)> spare_ = [](wlr_output*) {}, claimed_ = spare_;
    std::set<wlr_output*> to_darken_;
    event::EventSource wayland_, darken_later_;
    struct DropSource {
        void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
    };
    std::unique_ptr<sd_event_source, DropSource> flush_;
};

}  // namespace pmos::panel
