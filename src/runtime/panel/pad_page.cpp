// panel: the pads for secrets and for emergency numbers, laid out.
#include <algorithm>

#include "runtime/panel/theme.h"
#include "runtime/panel/words.h"

namespace pmos::panel {
namespace {

constexpr std::size_t kMostDots = 24;
constexpr int kPadLines = 13;  // what stands beside the keys

const ModeRow* find(const Table& table, const std::string& name) {
    const auto it = std::ranges::find(table.modes, name, &ModeRow::name);
    return it == table.modes.end() ? nullptr : &*it;
}

// The keys of the pad for passphrases: what US keyboards have.
constexpr const char* kKeys[][4] = {{"1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"},
                                    {"1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"},
                                    {"!@#$%^&*()", "`~-_=+[]{}", "\\|;:'\",.", "<>/? "}};

struct PadPlace {
    Box box;  // of the keys
    int gap;
};

void add_digits(Page& page, const View& view, const Theme& theme, PadPlace place) {
    const Asked& asked = *view.asked;
    const int width = (place.box.width - 2 * place.gap) / 3;
    const int height = (place.box.height - 3 * place.gap) / 4;
    const auto cell = [&](int i) {
        return Box{place.box.x + (i % 3) * (width + place.gap),
                   place.box.y + (i / 3) * (height + place.gap), width, height};
    };
    for (int i = 0; i < 10; ++i) {
        const std::string digit(1, asked.order[static_cast<std::size_t>(i)]);
        Piece key = button(cell(i == 9 ? 10 : i), digit, theme, {Verb::digit, "", digit});
        key.text_size = theme.text * 3 / 2;
        add_button(page, view.table.look, std::move(key));
    }
    Piece erase = button(cell(9), "", theme, {Verb::erase, "", ""});
    erase.icon = Icon::erase;
    add_button(page, view.table.look, std::move(erase));
    const char* const go = asked.mode.empty() ? tr("Call") : tr("OK");
    add_button(page, view.table.look,
               colored(button(cell(11), go, theme, {Verb::enter, "", ""}), kGo, view.table.look));
}

void add_letters(Page& page, const View& view, const Theme& theme, PadPlace place) {
    const Asked& asked = *view.asked;
    const int gap = std::max(2, place.gap / 2), height = (place.box.height - 4 * gap) / 5;
    const int width = (place.box.width - 9 * gap) / 10;
    int y = place.box.y;
    for (const char* row : kKeys[asked.keys]) {
        const std::string keys(row);
        const int count = static_cast<int>(keys.size());
        int x = place.box.x + (place.box.width - count * (width + gap) + gap) / 2;
        for (const char c : keys) {
            const std::string key(1, c);
            add_button(page, view.table.look,
                       button({x, y, width, height}, key, theme, {Verb::digit, "", key}));
            x += width + gap;
        }
        y += height + gap;
    }
    const int wide = (place.box.width - 3 * gap) / 4;
    int x = place.box.x;
    const auto wide_key = [&](std::string words, Verb verb, std::string typed) {
        add_button(
            page, view.table.look,
            button({x, y, wide, height}, std::move(words), theme, {verb, "", std::move(typed)}));
        x += wide + gap;
    };
    wide_key(asked.keys == 0 ? "ABC" : asked.keys == 1 ? "#+=" : "abc", Verb::page, "");
    wide_key(tr("Space"), Verb::digit, " ");
    Piece erase = button({x, y, wide, height}, "", theme, {Verb::erase, "", ""});
    erase.icon = Icon::erase;
    add_button(page, view.table.look, std::move(erase));
    x += wide + gap;
    wide_key(tr("OK"), Verb::enter, "");
}

// What it is about, what is typed, and what comes of it, from the top down. Where it ends.
int add_words(Page& page, const View& view, const Theme& theme, int width) {
    const Asked& asked = *view.asked;
    const bool call = asked.mode.empty();
    const ModeRow* const mode = find(view.table, asked.mode);
    const int gap = theme.text / 2, line = theme.text * 2;
    int y = gap;
    const Color color = call ? kEmergency : mode != nullptr ? mode->color : theme.button;
    page.pieces.push_back({.box = {gap, y, width - 2 * gap, line},
                           .fill = color,
                           .ink = ink_on(color),
                           .filled = true,
                           .bold = true,
                           .radius = 8,
                           .text = call              ? tr("Emergency call")
                                   : mode != nullptr ? mode->title
                                                     : "",
                           .text_size = theme.text * 5 / 4});
    y += line + gap;
    const auto say = [&](std::string words, int size, Color ink) {
        page.pieces.push_back(text({gap, y, width - 2 * gap, line}, std::move(words), size, ink));
        y += line;
    };
    say(call                       ? tr("Number")
        : asked.pad == Pad::digits ? tr("PIN")
                                   : tr("Passphrase"),
        theme.text, theme.quiet);
    std::string typed = asked.number;
    if (!call)
        for (std::size_t i = 0; i < std::min(asked.typed, kMostDots); ++i) typed += "•";
    say(std::move(typed), theme.text * 3 / 2, theme.ink);
    std::string words = mode != nullptr ? wait_words(mode->wait_until, view.now) : "";
    if (words.empty()) words = asked.message;
    if (asked.busy) words = tr("One moment");
    say(std::move(words), theme.text, asked.busy ? theme.quiet : theme.fault);
    return y;
}

// From the left: back, the other pad, and from every one of them to an emergency call.
void add_foot(Page& page, const View& view, const Theme& theme, Box foot) {
    const Look& look = view.table.look;
    const Asked& asked = *view.asked;
    const int gap = theme.text / 2;
    std::vector<Piece> keys{button({}, tr("Back"), theme, {Verb::back, "", ""})};
    if (!asked.mode.empty()) {
        keys.push_back(button({}, asked.pad == Pad::digits ? tr("Letters") : tr("Digits"), theme,
                              {Verb::page, "", "pad"}));
        keys.push_back(colored(button({}, tr("Emergency"), theme, {Verb::emergency, "", ""}),
                               kEmergency, look));
    } else if (asked.calling) {
        keys.push_back(
            colored(button({}, tr("Hang up"), theme, {Verb::hang_up, "", ""}), kEmergency, look));
    }
    const int count = static_cast<int>(keys.size());
    const int width = (foot.width - (count - 1) * gap) / count;
    int x = foot.x;
    for (auto& key : keys) {
        key.box = {x, foot.y, width, foot.height};
        add_button(page, look, std::move(key));
        x += width + gap;
    }
}

}  // namespace

Page pad_page(const View& view) {
    Theme theme = theme_of(view.table.look);
    const Box area = below_strip(view.table.look, view.screen);
    theme.text = std::min(theme.text, area.height / kPadLines);
    Page page{{area.width, area.height}, theme.ground, {}};
    const bool wide = area.width > area.height;  // words beside the keys
    const bool digits = view.asked->pad == Pad::digits;
    const int gap = theme.text / 2, foot = theme.text * 3, foot_y = area.height - foot - gap;
    const int words_width = wide ? area.width * 2 / 5 : area.width;
    const int y = add_words(page, view, theme, words_width);
    add_foot(page, view, theme, {gap, foot_y, words_width - 2 * gap, foot});
    PadPlace place{{gap, y + gap, area.width - 2 * gap, foot_y - y - 2 * gap}, gap};
    if (wide) place.box = {words_width, gap, area.width - words_width - gap, area.height - 2 * gap};
    // Not wider than a hand.
    const int spare = std::max(0, place.box.width - theme.text * (digits ? 22 : 48));
    place.box.x += spare / 2;
    place.box.width -= spare;
    if (digits)
        add_digits(page, view, theme, place);
    else
        add_letters(page, view, theme, place);
    return page;
}

}  // namespace pmos::panel
