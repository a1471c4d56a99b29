// policy: for which arguments of a system call two lists of rules decide, each by its first rule
// that holds. Solves it, rather than trying samples. Runs no filter.
#include "policy/arg_cases.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

namespace pmos::policy {
namespace {

// The values between two bounds that have certain bits.
struct Word {
    std::uint64_t least = 0, most = UINT64_MAX;
    std::uint64_t mask = 0, bits = 0;  // value & mask == bits

    // The smallest of them.
    std::optional<std::uint64_t> first() const {
        std::uint64_t value = (least & ~mask) | bits;
        if (value < least) {
            // The highest bit that they differ in must be made up for by a higher one that is free.
            const auto from = std::bit_width(value ^ least);
            const auto above = from < 64 ? ~std::uint64_t{0} << static_cast<unsigned>(from) : 0;
            const std::uint64_t room = ~least & ~mask & above;
            if (room == 0) return std::nullopt;
            const std::uint64_t bit = room & -room;
            value = (least & ~(bit | (bit - 1)) & ~mask) | bit | bits;
        } else if (value != least) {
            const std::uint64_t below = std::bit_floor(value ^ least) - 1;
            value = (value & ~below) | (bits & below);
        }
        return value <= most ? std::optional(value) : std::nullopt;
    }
};

using Words = std::vector<Word>;

Word at_least(Word w, std::uint64_t value) {
    w.least = std::max(w.least, value);
    return w;
}
Word at_most(Word w, std::uint64_t value) {
    w.most = std::min(w.most, value);
    return w;
}

class Narrowed {
  public:
    explicit Narrowed(const Word& from) : from_(from) {}

    // What of the word passes the test, in pieces; none is empty.
    Words by(const ArgTest& t) && {
        switch (t.op) {
            case Compare::eq:
                keep(at_least(at_most(from_, t.value), t.value));
                break;
            case Compare::ne:
                if (t.value != 0) keep(at_most(from_, t.value - 1));
                if (t.value != UINT64_MAX) keep(at_least(from_, t.value + 1));
                break;
            case Compare::lt:
                if (t.value != 0) keep(at_most(from_, t.value - 1));
                break;
            case Compare::le:
                keep(at_most(from_, t.value));
                break;
            case Compare::gt:
                if (t.value != UINT64_MAX) keep(at_least(from_, t.value + 1));
                break;
            case Compare::ge:
                keep(at_least(from_, t.value));
                break;
            case Compare::masked_eq:
                with_bits(t.value, t.value_two & t.value);
                break;
        }
        return std::move(out_);
    }

    // What of it does not pass.
    Words by_not(const ArgTest& t) && {
        constexpr std::array kOpposite{Compare::eq, Compare::ge, Compare::gt,
                                       Compare::ne, Compare::lt, Compare::le};
        if (t.op != Compare::masked_eq) {
            ArgTest other = t;
            other.op = kOpposite.at(static_cast<std::size_t>(t.op));
            return std::move(*this).by(other);
        }
        // One bit differs, and those above it do not: no value is in two pieces.
        std::uint64_t above = 0;
        for (std::uint64_t bit = std::uint64_t{1} << 63U; bit != 0; bit >>= 1U) {
            if ((t.value & bit) == 0) continue;
            with_bits(above | bit, (t.value_two & above) | (~t.value_two & bit));
            above |= bit;
        }
        return std::move(out_);
    }

  private:
    void keep(const Word& w) {
        if (w.least <= w.most && w.first()) out_.push_back(w);
    }
    void with_bits(std::uint64_t mask, std::uint64_t bits) {
        if (((from_.bits ^ bits) & from_.mask & mask) != 0) return;
        Word w = from_;
        w.mask |= mask;
        w.bits |= bits;
        keep(w);
    }

    const Word from_;
    Words out_;
};

using Space = std::array<Word, 6>;

// Looks for arguments by which one rule of each list decides. Backtracks.
class Search {
  public:
    Search(RuleList a, RuleList b, std::size_t& steps) : a_(a), b_(b), steps_(steps) {}

    // index of a rule, or the size of the list: none holds.
    std::optional<Args> deciding(std::size_t a, std::size_t b) {
        earlier_.assign(a_.begin(), a_.begin() + static_cast<std::ptrdiff_t>(a));
        earlier_.insert(earlier_.end(), b_.begin(), b_.begin() + static_cast<std::ptrdiff_t>(b));
        std::vector<ArgTest> wanted;
        if (a < a_.size()) wanted = a_[a]->args;
        if (b < b_.size()) wanted.insert(wanted.end(), b_[b]->args.begin(), b_[b]->args.end());
        return all_of({}, wanted);
    }

  private:
    std::optional<Args> all_of(const Space& space, std::span<const ArgTest> wanted) {
        if (wanted.empty()) return none_earlier(space);
        const ArgTest& t = wanted[0];
        for (const auto& word : Narrowed(space.at(t.index)).by(t)) {
            Space narrower = space;
            narrower.at(t.index) = word;
            if (auto args = all_of(narrower, wanted.subspan(1))) return args;
            if (steps_ == 0) break;
        }
        return std::nullopt;
    }

    // An example of the space that an earlier rule takes shows what to rule out next.
    std::optional<Args> none_earlier(Space space) {
        if (steps_ == 0) return std::nullopt;
        --steps_;
        SyscallData data;
        Args args{};
        for (std::size_t i = 0; i < args.size(); ++i)
            data.args[i] = args.at(i) = space.at(i).first().value_or(0);
        const auto taken = std::ranges::find_if(
            earlier_, [&](const SyscallRule* rule) { return holds(*rule, data); });
        if (taken == earlier_.end()) return args;
        for (const auto& t : (*taken)->args) {
            Word& word = space.at(t.index);
            for (const auto& without : Narrowed(word).by_not(t)) {
                Space narrower = space;
                narrower.at(t.index) = without;
                if (auto found = none_earlier(narrower)) return found;
                if (steps_ == 0) return std::nullopt;
            }
            // From here on this test holds: the example shows that some of the space passes it.
            const Words passing = Narrowed(word).by(t);
            if (passing.size() != 1) return either(space, t, passing);
            word = passing[0];
        }
        return std::nullopt;
    }

    // Two pieces pass "not equal": each is searched for itself.
    std::optional<Args> either(const Space& space, const ArgTest& t, const Words& pieces) {
        for (const auto& piece : pieces) {
            Space narrower = space;
            narrower.at(t.index) = piece;
            if (auto found = none_earlier(narrower)) return found;
            if (steps_ == 0) break;
        }
        return std::nullopt;
    }

    RuleList a_, b_;
    std::size_t& steps_;
    std::vector<const SyscallRule*> earlier_;
};

}  // namespace

ArgCases arg_cases(RuleList a, RuleList b, std::size_t& steps) {
    ArgCases out;
    Search search(a, b, steps);
    for (std::size_t i = 0; i <= a.size(); ++i)
        for (std::size_t j = 0; j <= b.size(); ++j)
            if (const auto args = search.deciding(i, j)) out.found.push_back(*args);
    out.complete = steps != 0;
    return out;
}

}  // namespace pmos::policy
