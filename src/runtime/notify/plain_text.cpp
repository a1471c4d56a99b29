// notify: what is left of a text that a program of a mode wrote. Pure.
#include "runtime/notify/plain_text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <iterator>
#include <utility>

namespace pmos::notify {
namespace {

constexpr std::string_view kTags[] = {"b", "i", "u", "a", "img"};
constexpr std::pair<std::string_view, char> kEntities[] = {
    {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};

// What is longer is no tag: who begins many and ends none is not looked through each time.
constexpr std::size_t kMostTag = 1024;

// Bytes of the tag that text begins with; 0: it begins with none.
std::size_t tag_at(std::string_view text) {
    std::size_t at = text.starts_with("</") ? 2 : 1;
    const auto begin = at;
    while (at < text.size() && std::isalpha(static_cast<unsigned char>(text[at])) != 0) ++at;
    const auto name = text.substr(begin, at - begin);
    if (std::ranges::find(kTags, name) == std::end(kTags) || at == text.size()) return 0;
    if (text[at] != '>' && text[at] != '/' && text[at] != ' ') return 0;
    const auto end = text.substr(0, kMostTag).find('>', at);
    return end == std::string_view::npos ? 0 : end + 1;
}

struct Character {
    char32_t value = 0;
    std::size_t bytes = 0;  // 0: it is none
};

Character character_at(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = byte(0);
    const std::size_t bytes = first < 0x80           ? 1
                              : first >> 5U == 0x6U  ? 2
                              : first >> 4U == 0xeU  ? 3
                              : first >> 3U == 0x1eU ? 4
                                                     : 0;
    if (bytes == 0 || bytes > text.size()) return {};
    char32_t value = bytes == 1 ? first : first & (0x7fU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i) {
        if (byte(i) >> 6U != 0x2U) return {};
        value = value << 6U | (byte(i) & 0x3fU);
    }
    constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < kLeast[bytes] || value > 0x10ffff || surrogate ? Character{}
                                                                  : Character{value, bytes};
}

bool steers(char32_t c) {
    constexpr std::pair<char32_t, char32_t> kRanges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200b, 0x200b}, {0x200e, 0x200f},
        {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
    return std::ranges::any_of(kRanges,
                               [c](const auto& r) { return c >= r.first && c <= r.second; });
}

// Where what is freed is written over: a short text within the string itself would stay on the
// stack.
std::string on_the_heap(std::size_t size) {
    std::string text;
    text.reserve(size + sizeof text);
    return text;
}

}  // namespace

std::string without_markup(std::string_view text) {
    std::string out = on_the_heap(text.size());
    while (!text.empty()) {
        if (text.front() == '<')
            if (const auto tag = tag_at(text); tag != 0) {
                text.remove_prefix(tag);
                continue;
            }
        const auto* entity = std::ranges::find_if(
            kEntities, [&](const auto& one) { return text.starts_with(one.first); });
        const bool found = entity != std::end(kEntities);
        out += found ? entity->second : text.front();
        text.remove_prefix(found ? entity->first.size() : 1);
    }
    return out;
}

std::string plain_text(std::string_view text, std::size_t most, Lines lines) {
    const std::string bare = without_markup(text);
    std::string_view rest = bare;
    std::string out = on_the_heap(0);
    while (!rest.empty()) {
        const auto character = character_at(rest);
        if (character.bytes == 0) {
            rest.remove_prefix(1);
            continue;
        }
        const bool blank = character.value == '\n' || character.value == '\t';
        const bool kept = blank || !steers(character.value);
        if (kept && out.size() + character.bytes > most) break;
        if (blank)
            out += character.value == '\n' && lines == Lines::several ? '\n' : ' ';
        else if (kept)
            out += rest.substr(0, character.bytes);
        rest.remove_prefix(character.bytes);
    }
    return out;
}

}  // namespace pmos::notify
