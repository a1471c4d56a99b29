// panel: a page, drawn. Cairo has the shapes, Pango the words.
#include "runtime/panel/picture.h"

#include <drm_fourcc.h>
#include <pango/pangocairo.h>

#include <algorithm>
#include <numbers>

namespace pmos::panel {
namespace {

struct Destroy {
    void operator()(cairo_t* cr) const { cairo_destroy(cr); }
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
    void operator()(PangoLayout* layout) const { g_object_unref(layout); }
    void operator()(PangoFontDescription* font) const { pango_font_description_free(font); }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;

// A buffer of the scene with Cairo's memory; it goes with its last user.
struct Drawn {
    wlr_buffer base{};  // the first: wlroots knows it by this address
    Owned<cairo_surface_t> surface;
};

Drawn* drawn_of(wlr_buffer* buffer) { return reinterpret_cast<Drawn*>(buffer); }

const wlr_buffer_impl kDrawn{
    .destroy = [](wlr_buffer* buffer) { delete drawn_of(buffer); },
    .get_dmabuf = nullptr,
    .get_shm = nullptr,
    .begin_data_ptr_access =
        [](wlr_buffer* buffer, std::uint32_t flags, void** data, std::uint32_t* format,
           std::size_t* stride) {
            if ((flags & WLR_BUFFER_DATA_PTR_ACCESS_WRITE) != 0) return false;
            auto* const surface = drawn_of(buffer)->surface.get();
            *data = cairo_image_surface_get_data(surface);
            *format = DRM_FORMAT_XRGB8888;
            *stride = static_cast<std::size_t>(cairo_image_surface_get_stride(surface));
            return true;
        },
    .end_data_ptr_access = [](wlr_buffer*) {}};

void set_color(cairo_t* cr, Color color) {
    const auto part = [color](int shift) {
        return static_cast<double>((color >> shift) & 0xffU) / 255.0;
    };
    cairo_set_source_rgb(cr, part(16), part(8), part(0));
}

void outline(cairo_t* cr, const Box& box, double radius) {
    using std::numbers::pi;
    const double left = box.x, top = box.y, right = left + box.width, bottom = top + box.height;
    cairo_new_sub_path(cr);
    cairo_arc(cr, right - radius, top + radius, radius, -pi / 2, 0);
    cairo_arc(cr, right - radius, bottom - radius, radius, 0, pi / 2);
    cairo_arc(cr, left + radius, bottom - radius, radius, pi / 2, pi);
    cairo_arc(cr, left + radius, top + radius, radius, pi, 3 * pi / 2);
    cairo_close_path(cr);
}

// Smaller than asked for where the words would not fit otherwise.
void draw_text(cairo_t* cr, const Piece& piece) {
    const Owned<PangoLayout> layout(pango_cairo_create_layout(cr));
    const Owned<PangoFontDescription> font(
        pango_font_description_from_string(piece.bold ? "sans bold" : "sans"));
    pango_layout_set_text(layout.get(), piece.text.c_str(), -1);
    pango_layout_set_single_paragraph_mode(layout.get(), 1);
    int width = 0, height = 0;
    for (int size = piece.text_size; size >= 6; --size) {
        pango_font_description_set_absolute_size(font.get(), size * PANGO_SCALE);
        pango_layout_set_font_description(layout.get(), font.get());
        pango_layout_get_pixel_size(layout.get(), &width, &height);
        if (width <= piece.box.width) break;
    }
    cairo_save(cr);
    cairo_rectangle(cr, piece.box.x, piece.box.y, piece.box.width, piece.box.height);
    cairo_clip(cr);
    const int spare = piece.align == Align::middle ? (piece.box.width - width) / 2 : 0;
    cairo_move_to(cr, piece.box.x + spare, piece.box.y + (piece.box.height - height) / 2.0);
    pango_cairo_show_layout(cr, layout.get());
    cairo_restore(cr);
}

void draw_lock(cairo_t* cr, bool open) {
    cairo_rectangle(cr, 6, 11, 12, 9);
    cairo_fill(cr);
    cairo_new_path(cr);
    cairo_arc(cr, open ? 15 : 12, 9, 4, std::numbers::pi, 2 * std::numbers::pi);
    if (!open) cairo_line_to(cr, 16, 12);
    cairo_move_to(cr, open ? 11 : 8, 9);
    cairo_line_to(cr, open ? 11 : 8, 12);
    cairo_stroke(cr);
}

void draw_microphone(cairo_t* cr) {
    outline(cr, {9, 3, 6, 11}, 3);
    cairo_fill(cr);
    cairo_arc(cr, 12, 11, 6, 0, std::numbers::pi);
    cairo_move_to(cr, 12, 17);
    cairo_line_to(cr, 12, 21);
    cairo_stroke(cr);
}

void draw_call(cairo_t* cr) {
    cairo_set_line_width(cr, 5);
    cairo_arc(cr, 18, 6, 12, std::numbers::pi * 0.55, std::numbers::pi * 0.95);
    cairo_stroke(cr);
}

void draw_tunnel(cairo_t* cr, bool stands) {
    cairo_move_to(cr, 12, 3);
    cairo_line_to(cr, 19, 6);
    cairo_curve_to(cr, 19, 14, 16, 19, 12, 21);
    cairo_curve_to(cr, 8, 19, 5, 14, 5, 6);
    cairo_close_path(cr);
    if (stands) return cairo_fill(cr);
    cairo_move_to(cr, 4, 20);
    cairo_line_to(cr, 20, 4);
    cairo_stroke(cr);
}

void draw_erase(cairo_t* cr) {
    cairo_move_to(cr, 3, 12);
    cairo_line_to(cr, 9, 6);
    cairo_line_to(cr, 21, 6);
    cairo_line_to(cr, 21, 18);
    cairo_line_to(cr, 9, 18);
    cairo_close_path(cr);
    cairo_move_to(cr, 12, 9);
    cairo_line_to(cr, 18, 15);
    cairo_move_to(cr, 18, 9);
    cairo_line_to(cr, 12, 15);
    cairo_stroke(cr);
}

constexpr int kMostIcon = 48;

// Each is drawn in a square of 24.
void draw_icon(cairo_t* cr, const Piece& piece) {
    const double side = std::min({piece.box.width, piece.box.height, kMostIcon});
    cairo_save(cr);
    cairo_translate(cr, piece.box.x + (piece.box.width - side) / 2,
                    piece.box.y + (piece.box.height - side) / 2);
    cairo_scale(cr, side / 24, side / 24);
    cairo_set_line_width(cr, 2);
    switch (piece.icon) {
        case Icon::locked:
        case Icon::open:
            draw_lock(cr, piece.icon == Icon::open);
            break;
        case Icon::microphone:
            draw_microphone(cr);
            break;
        case Icon::call:
            draw_call(cr);
            break;
        case Icon::tunnel:
        case Icon::no_tunnel:
            draw_tunnel(cr, piece.icon == Icon::tunnel);
            break;
        case Icon::erase:
            draw_erase(cr);
            break;
        case Icon::none:
            break;
    }
    cairo_restore(cr);
}

void draw(cairo_t* cr, const Page& page) {
    set_color(cr, page.ground);
    cairo_paint(cr);
    for (const auto& piece : page.pieces) {
        if (piece.filled) {
            set_color(cr, piece.fill);
            outline(cr, piece.box, piece.radius);
            cairo_fill(cr);
        }
        set_color(cr, piece.ink);
        if (!piece.text.empty()) draw_text(cr, piece);
        if (piece.icon != Icon::none) draw_icon(cr, piece);
    }
}

}  // namespace

void Picture::show(const Page& page, int x, int y, int scale) {
    if (page.size.width <= 0 || page.size.height <= 0) return clear();
    if (node_ == nullptr || scale_ != scale || !(page == page_)) {
        const int width = page.size.width * scale, height = page.size.height * scale;
        Owned<cairo_surface_t> surface(
            cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
        const Owned<cairo_t> cr(cairo_create(surface.get()));
        cairo_scale(cr.get(), scale, scale);
        draw(cr.get(), page);
        cairo_surface_flush(surface.get());
        if (cairo_status(cr.get()) != CAIRO_STATUS_SUCCESS) return;  // out of memory: as it was
        auto* const drawn = new Drawn{{}, std::move(surface)};
        wlr_buffer_init(&drawn->base, &kDrawn, width, height);
        auto* const fresh = wlr_scene_buffer_create(parent_, &drawn->base);
        wlr_buffer_drop(&drawn->base);
        if (fresh == nullptr) return;
        wlr_scene_buffer_set_dest_size(fresh, page.size.width, page.size.height);
        clear();
        node_ = fresh;
        page_ = page;
        scale_ = scale;
    }
    wlr_scene_node_set_position(&node_->node, x, y);
}

void Picture::clear() {
    if (node_ != nullptr) wlr_scene_node_destroy(&node_->node);
    node_ = nullptr;
}

}  // namespace pmos::panel
