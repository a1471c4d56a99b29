// probe: words and numbers of a line. No C library, no heap.
#pragma once

namespace pmos::probe {

inline bool same(const char* a, const char* b) noexcept {
    while (*a != 0 && *a == *b) ++a, ++b;
    return *a == *b;
}

inline bool begins(const char* text, const char* with) noexcept {
    while (*with != 0 && *text == *with) ++text, ++with;
    return *with == 0;
}

// The next word, cut off by a NUL; rest goes on behind the one space after it.
inline char* take_word(char*& rest) noexcept {
    char* word = rest;
    while (*rest != 0 && *rest != ' ') ++rest;
    if (*rest == ' ') *rest++ = 0;
    return word;
}

inline int digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

// 64 bits, decimal with a sign or 0x hexadecimal; nothing else may follow.
inline bool parse_number(const char* text, long& out) noexcept {
    const bool negative = *text == '-';
    if (negative) ++text;
    const unsigned base = text[0] == '0' && text[1] == 'x' ? 16 : 10;
    if (base == 16) text += 2;
    unsigned long value = 0;
    if (*text == 0) return false;
    for (; *text != 0; ++text) {
        const auto d = static_cast<unsigned>(digit(*text));
        if (d >= base) return false;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, d, &value))
            return false;
    }
    out = static_cast<long>(negative ? 0 - value : value);
    return true;
}

// Two hexadecimal digits each; how many, or -1.
inline long parse_bytes(const char* text, unsigned char* out, long room) noexcept {
    long size = 0;
    for (; *text != 0; text += 2) {
        const int high = digit(text[0]), low = text[1] == 0 ? 99 : digit(text[1]);
        if (high > 15 || low > 15 || size == room) return -1;
        out[size++] = static_cast<unsigned char>(high << 4 | low);
    }
    return size;
}

}  // namespace pmos::probe
