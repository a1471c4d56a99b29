// panel: what the pages have in common.
#include "runtime/panel/theme.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/panel/words.h"

namespace pmos::panel {
namespace {

double luminance(Color color) {
    const auto part = [color](int shift) {
        const double c = static_cast<double>((color >> shift) & 0xffU) / 255.0;
        return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0);
}

}  // namespace

double contrast(Color a, Color b) {
    const double one = luminance(a), other = luminance(b);
    return (std::max(one, other) + 0.05) / (std::min(one, other) + 0.05);
}

Color ink_on(Color ground) {
    return contrast(ground, 0xffffff) >= contrast(ground, 0x000000) ? 0xffffff : 0x000000;
}

Theme theme_of(const Look& look) {
    const int text = static_cast<int>(16 * look.text_percent / 100);
    return look.high_contrast ? Theme{0x000000, 0x000000, 0xffffff, 0xffffff, 0xffff00, text}
                              : Theme{0x101418, 0x263238, 0xffffff, 0xb0bec5, 0xffab91, text};
}

std::string wait_words(std::uint64_t until, std::chrono::seconds now) {
    const auto left = static_cast<std::int64_t>(until) - now.count();
    if (left <= 0) return "";
    if (left < 90) return fmt::format(fmt::runtime(tr("Wait {} s")), left);
    if (left < 90 * 60) return fmt::format(fmt::runtime(tr("Wait {} min")), (left + 59) / 60);
    return fmt::format(fmt::runtime(tr("Wait {} h")), (left + 3599) / 3600);
}

Piece text(Box box, std::string words, int size, Color ink, Align align) {
    return {.box = box, .ink = ink, .text = std::move(words), .text_size = size, .align = align};
}

Piece button(Box box, std::string words, const Theme& theme, Action action) {
    return {.box = box,
            .fill = theme.button,
            .ink = theme.ink,
            .filled = true,
            .radius = 8,
            .text = std::move(words),
            .text_size = theme.text,
            .action = std::move(action)};
}

void add_button(Page& page, const Look& look, Piece piece) {
    if (look.high_contrast) {
        Piece frame{.box = piece.box, .fill = 0xffffff, .filled = true, .radius = piece.radius};
        page.pieces.push_back(frame);
        piece.box = {piece.box.x + 2, piece.box.y + 2, piece.box.width - 4, piece.box.height - 4};
    }
    page.pieces.push_back(std::move(piece));
}

Piece colored(Piece piece, Color color, const Look& look) {
    piece.bold = true;
    if (look.high_contrast) return piece;
    piece.fill = color;
    piece.ink = ink_on(color);
    return piece;
}

}  // namespace pmos::panel
