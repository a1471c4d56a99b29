// panel: the trusted strip and the chooser of modes, laid out.
#include "runtime/panel/pages.h"

#include <algorithm>

#include "runtime/panel/theme.h"
#include "runtime/panel/words.h"

namespace pmos::panel {
namespace {

const char* state_words(const ModeRow& mode) {
    if (mode.life == Life::starting) return tr("Starting");
    if (mode.life == Life::broken) return tr("Cannot be used");
    if (!mode.made) return tr("Not set up yet");
    if (mode.locked) return tr("Locked");
    switch (mode.life) {
        case Life::running:
            return mode.foreground ? tr("In front") : tr("Running behind");
        case Life::frozen:
            return tr("Paused");
        case Life::starting:
        case Life::stopped:
        case Life::broken:
            break;
    }
    return tr("Not running");
}

void add_chips(Page& page, const Table& table, int height, int right, Color ink) {
    // From the right: the modes' locks, then what is in use.
    int x = right;
    const int side = height - 12;
    for (auto mode = table.modes.rbegin(); mode != table.modes.rend(); ++mode) {
        x -= side + 6;
        page.pieces.push_back({.box = {x, 6, side, side},
                               .fill = mode->color,
                               .ink = ink_on(mode->color),
                               .filled = true,
                               .radius = 4,
                               .icon = mode->locked ? Icon::locked : Icon::open});
    }
    const auto used = [&](Icon icon) {
        x -= side + 6;
        page.pieces.push_back({.box = {x, 6, side, side}, .ink = ink, .icon = icon});
    };
    if (std::ranges::any_of(table.modes, &ModeRow::listens)) used(Icon::microphone);
    if (std::ranges::any_of(table.modes, &ModeRow::calls)) used(Icon::call);
    const auto front = std::ranges::find(table.modes, true, &ModeRow::foreground);
    if (front != table.modes.end() && front->tunnel != Tunnel::none)
        used(front->tunnel == Tunnel::stands ? Icon::tunnel : Icon::no_tunnel);
}

void add_mode(Page& page, const View& view, const Theme& theme, Box row, const ModeRow& mode) {
    const Look& look = view.table.look;
    const bool can_lock = !mode.locked && mode.life != Life::stopped && mode.life != Life::broken;
    const int gap = theme.text / 2, side = can_lock ? theme.text * 6 : 0;
    const Box at{row.x, row.y, row.width - side - (can_lock ? gap : 0), row.height};
    add_button(page, look, button(at, "", theme, {Verb::choose, mode.name, ""}));
    page.pieces.push_back({.box = {at.x + 8, at.y + 8, 12, at.height - 16},
                           .fill = mode.color,
                           .filled = true,
                           .radius = 4});
    const int half = at.height / 2, x = at.x + 32, width = at.width - 40;
    Piece title = text({x, at.y, width, half}, mode.title, theme.text, theme.ink, Align::left);
    title.bold = true;
    page.pieces.push_back(std::move(title));
    std::string words = wait_words(mode.wait_until, view.now);
    if (words.empty()) words = state_words(mode);
    page.pieces.push_back(text({x, at.y + half, width, half}, std::move(words), theme.text * 7 / 8,
                               theme.quiet, Align::left));
    if (can_lock)
        add_button(page, look,
                   button({row.x + row.width - side, row.y, side, row.height}, tr("Lock"), theme,
                          {Verb::lock, mode.name, ""}));
}

}  // namespace

int strip_height(const Look& look) { return static_cast<int>(32 * look.text_percent / 100); }

Box below_strip(const Look& look, Size screen) {
    const int height = strip_height(look);
    return {0, height, screen.width, std::max(0, screen.height - height)};
}

Page strip_page(const Table& table, Size screen, bool covered) {
    const int height = strip_height(table.look);
    const auto front = std::ranges::find(table.modes, true, &ModeRow::foreground);
    const bool mode = !covered && front != table.modes.end();
    Page page{{screen.width, height}, mode ? front->color : 0x000000, {}};
    const Color ink = ink_on(page.ground);
    const int size = theme_of(table.look).text;
    Piece title = text({10, 0, screen.width / 2 - 10, height}, mode ? front->title : "pmos", size,
                       ink, Align::left);
    title.bold = true;
    page.pieces.push_back(std::move(title));
    add_chips(page, table, height, screen.width - 4, ink);
    page.pieces.push_back(
        {.box = {0, 0, screen.width, height}, .action = {Verb::attention, "", ""}});
    return page;
}

Page chooser_page(const View& view) {
    const Look& look = view.table.look;
    Theme theme = theme_of(look);
    const Box area = below_strip(look, view.screen);
    const int rows = static_cast<int>(view.table.modes.size());
    // A title, the modes, a message and the foot; smaller where they would not fit.
    theme.text = std::min(theme.text, area.height / (11 + 4 * std::max(1, rows)));
    Page page{{area.width, area.height}, theme.ground, {}};
    const int width = std::min(area.width - 24, theme.text * 30), x = (area.width - width) / 2;
    const int gap = theme.text / 2, row = theme.text * 7 / 2, foot = theme.text * 3;
    int y = gap;
    page.pieces.push_back(
        text({x, y, width, theme.text * 2}, tr("Where to?"), theme.text * 3 / 2, theme.ink));
    y += theme.text * 3;
    for (const auto& mode : view.table.modes) {
        add_mode(page, view, theme, {x, y, width, row}, mode);
        y += row + gap;
    }
    page.pieces.push_back(
        text({x, area.height - foot - gap - theme.text * 2, width, theme.text * 2}, view.message,
             theme.text, theme.fault));
    add_button(page, look,
               colored(button({x, area.height - foot - gap, width, foot}, tr("Emergency call"),
                              theme, {Verb::emergency, "", ""}),
                       kEmergency, look));
    return page;
}

}  // namespace pmos::panel
