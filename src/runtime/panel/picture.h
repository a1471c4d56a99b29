// panel: a page, drawn, as something that the scene shows. Knows no mode.
#pragma once

#include <memory>

#include "runtime/panel/page.h"
#include "runtime/panel/wlr.h"

namespace pmos::panel {

// Shown where its tree is, as long as it lives.
class Picture {
  public:
    explicit Picture(wlr_scene_node* parent) : parent_(parent) {}
    Picture(const Picture&) = delete;
    Picture& operator=(const Picture&) = delete;
    ~Picture() { clear(); }

    // scale: pixels of the panel for each of the page's. What is shown already is not drawn again.
    void show(const Page& page, int x, int y, int scale);
    void clear();
    const Page* page() const noexcept { return node_ != nullptr ? &page_ : nullptr; }

  private:
    wlr_scene_node* parent_;
    wlr_scene_buffer* node_ = nullptr;
    Page page_;
    int scale_ = 0;
};

}  // namespace pmos::panel
