// tests: what is left of a text that a program wrote.
#include "runtime/notify/plain_text.h"

#include <catch2/catch.hpp>
#include <chrono>

using namespace pmos::notify;

namespace {

std::string one(std::string_view text, std::size_t most = 1000) {
    return plain_text(text, most, Lines::one);
}

}  // namespace

TEST_CASE("markup goes, what it encloses stays, and what only looks like it") {
    CHECK(one("a <b>bold</b> and <i>slanted</i> <u>word</u>") == "a bold and slanted word");
    CHECK(one("<a href=\"file:///etc/passwd\">here</a><img src=\"/x\" alt=\"y\"/>!") == "here!");
    CHECK(one("1 < 2 and 3 > 2, x<y, <script>, <b") == "1 < 2 and 3 > 2, x<y, <script>, <b");
    CHECK(one("&lt;b&gt; &amp;amp; &quot;&apos; &nbsp; &") == "<b> &amp; \"' &nbsp; &");
    CHECK(one("<bx>") == "<bx>");
    CHECK(one("</b></b>").empty());
}

TEST_CASE("nothing steers a terminal or turns the writing round") {
    CHECK(one("a\x1b[31mred\x07\x7f") == "a[31mred");
    CHECK(one("two\nlines\tand\r") == "two lines and");
    CHECK(plain_text("two\nlines\t", 100, Lines::several) == "two\nlines ");
    CHECK(one("pay\u202eexe\u2066x\u2069\u200f\ufeff\u2028") == "payexex");
    CHECK(one("Gr\u00fc\u00dfe \U0001f469\u200d\U0001f4bb \u4f60") ==
          "Gr\u00fc\u00dfe \U0001f469\u200d\U0001f4bb \u4f60");
    CHECK(one("\u0085\U000e0041").empty());
}

TEST_CASE("what is no character is none") {
    CHECK(one("a\xff\xc3z\xe2\x82") == "az");
    CHECK(one("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\x80") == "");
    CHECK(one(std::string("a\0b", 3)) == "ab");
}

TEST_CASE("too long a text ends before the character that is too much") {
    CHECK(one("abcdef", 3) == "abc");
    CHECK(one("a\u00fc\u00fc", 4) == "a\u00fc");
    CHECK(one("a\x01\x01\x01z", 2) == "az");
    CHECK(one(std::string(5000, 'x'), 2048).size() == 2048);
}

TEST_CASE("tags that are begun and never ended take no longer than other text") {
    std::string text;
    for (int i = 0; i < 170000; ++i) text += "<b ";
    const auto begin = std::chrono::steady_clock::now();
    CHECK(plain_text(text, 100, Lines::one).size() == 100);
    // Looked through each time, it would be minutes.
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}
