// network: what pmos has to know of a message of the DNS. See dns_message.h.
#include "runtime/network/dns_message.h"

#include <algorithm>
#include <cctype>

namespace pmos::network {
namespace {

constexpr std::uint16_t kResponse = 0x8000, kOpcode = 0x7800, kTruncated = 0x0200,
                        kRecursionDesired = 0x0100, kRecursionAvailable = 0x0080;
constexpr std::uint16_t kA = 1, kCname = 5, kAaaa = 28, kOpt = 41, kTransfers = 251, kAny = 255;
constexpr std::uint16_t kIn = 1, kEde = 15, kBlocked = 15;
constexpr std::size_t kMostName = 255, kMostJumps = 64, kMostRecords = 256;

// What reads past the end reads nothing, and says so.
class Reader {
  public:
    explicit Reader(DnsView message) : all_(message) {}

    std::uint32_t number(std::size_t bytes) {
        std::uint32_t value = 0;
        for (const auto byte : take(bytes)) value = value << 8U | byte;
        return value;
    }
    std::uint16_t word() { return static_cast<std::uint16_t>(number(2)); }
    DnsView take(std::size_t bytes) {
        if (bytes > all_.size() - at_) return good_ = false, DnsView{};
        at_ += bytes;
        return all_.subspan(at_ - bytes, bytes);
    }
    std::string name();
    std::size_t at() const { return at_; }
    bool good() const { return good_; }

  private:
    DnsView all_;
    std::size_t at_ = 0;
    bool good_ = true;
};

// With what it points back to. A label with a dot, a backslash or a zero in it is no host's: it is
// no name here.
std::string Reader::name() {
    std::string out;
    std::size_t jumps = 0, back = 0;
    while (good_) {
        const auto size = number(1);
        if (!good_ || size == 0) break;
        if ((size & 0xc0U) == 0xc0U) {
            const auto to = (size & 0x3fU) << 8U | number(1);
            if (jumps++ == 0) back = at_;
            if (to >= all_.size() || jumps > kMostJumps) good_ = false;
            at_ = good_ ? to : at_;
            continue;
        }
        if (size > 63) good_ = false;
        if (!out.empty()) out += '.';
        for (const auto byte : take(good_ ? size : 0)) {
            if (byte <= ' ' || byte == '.' || byte == '\\' || byte > '~') good_ = false;
            out += static_cast<char>(std::tolower(byte));
        }
        if (out.size() > kMostName) good_ = false;
    }
    if (jumps > 0) at_ = back;
    return out;
}

struct Header {
    std::uint16_t id, flags, questions, answers, authorities, additions;
};
Header read_header(Reader& r) {
    Header h{};
    for (auto* field : {&h.id, &h.flags, &h.questions, &h.answers, &h.authorities, &h.additions})
        *field = r.word();
    return h;
}

struct Record {
    std::string name;
    std::uint16_t type, in_class;
    std::uint32_t lifetime;
};
// Up to its data.
Record read_record(Reader& r) {
    Record record{};
    record.name = r.name();
    record.type = r.word();
    record.in_class = r.word();
    record.lifetime = r.number(4);
    return record;
}

void put(DnsBytes& out, std::uint16_t word) {
    out.push_back(static_cast<std::uint8_t>(word >> 8U));
    out.push_back(static_cast<std::uint8_t>(word));
}

std::uint16_t reply_flags(std::uint16_t asked, DnsCode code) {
    return static_cast<std::uint16_t>(kResponse | kRecursionAvailable |
                                      (asked & (kOpcode | kRecursionDesired)) |
                                      static_cast<std::uint16_t>(code));
}

// RFC 6891: who says how much it takes is told as well.
void add_opt(DnsBytes& out, bool blocked) {
    out.push_back(0);
    put(out, kOpt);
    put(out, kDnsMostSize);
    put(out, 0);
    put(out, 0);
    put(out, blocked ? 6 : 0);
    if (!blocked) return;
    put(out, kEde);
    put(out, 2);
    put(out, kBlocked);
}
constexpr std::size_t kOptSize = 11;

void set_word(DnsBytes& out, std::size_t at, std::uint16_t word) {
    out[at] = static_cast<std::uint8_t>(word >> 8U);
    out[at + 1] = static_cast<std::uint8_t>(word);
}

}  // namespace

std::optional<DnsQuestion> read_question(DnsView message, DnsRefused& refused) {
    refused.code.reset();
    Reader r(message);
    const auto header = read_header(r);
    if (!r.good() || (header.flags & kResponse) != 0) return std::nullopt;
    refused.code = DnsCode::not_implemented;
    if ((header.flags & kOpcode) != 0) return std::nullopt;
    refused.code = DnsCode::format_error;
    if (header.questions != 1 || header.answers != 0) return std::nullopt;
    DnsQuestion question;
    question.id = header.id;
    question.flags = header.flags;
    question.name = r.name();
    // A pointer in the only question points to what is no name.
    if (r.at() > kDnsHeader + question.name.size() + 2) return std::nullopt;
    question.type = r.word();
    const auto in_class = r.word();
    if (!r.good()) return std::nullopt;
    const auto text = message.subspan(kDnsHeader, r.at() - kDnsHeader);
    if (text.size() != question.name.size() + (question.name.empty() ? 5 : 6)) return std::nullopt;
    question.text.assign(text.begin(), text.end());
    for (std::uint32_t i = 0; i < std::uint32_t{header.authorities} + header.additions; ++i) {
        const auto record = read_record(r);
        r.take(r.word());
        if (!r.good() || i > kMostRecords) return std::nullopt;
        if (record.type != kOpt) continue;
        question.extended = true;
        question.room = std::clamp<std::size_t>(record.in_class, kDnsPlainSize, kDnsMostSize);
    }
    refused.code = DnsCode::not_implemented;
    if (in_class != kIn || (question.type >= kTransfers && question.type <= kAny))
        return std::nullopt;
    return question;
}

std::optional<DnsAnswer> read_answer(DnsView message) {
    Reader r(message);
    const auto header = read_header(r);
    if (!r.good() || header.questions != 1) return std::nullopt;
    r.name();
    r.take(4);
    DnsAnswer answer;
    answer.lifetime = UINT32_MAX;
    for (std::size_t i = 0; i < header.answers && r.good(); ++i) {
        if (i >= kMostRecords) return std::nullopt;
        const auto record = read_record(r);
        const auto size = r.word();
        answer.lifetime = std::min(answer.lifetime, record.lifetime);
        const auto begin = r.at();
        if (record.type == kCname) {
            answer.aliases.push_back(r.name());
            if (r.at() != begin + size) return std::nullopt;
            continue;
        }
        const auto data = r.take(size);
        const bool v6 = record.type == kAaaa;
        if ((record.type != kA && !v6) || data.size() != (v6 ? 16U : 4U)) continue;
        policy::IpPrefix address;
        address.v6 = v6;
        address.length = v6 ? 128 : 32;
        std::ranges::copy(data, address.bytes.begin());
        answer.addresses.push_back(address);
    }
    if (!r.good()) return std::nullopt;
    if (answer.lifetime == UINT32_MAX) answer.lifetime = 0;
    return answer;
}

namespace {

// The resolver's own OPT, which is about its talk with others, is left out where it is the last
// one.
DnsView without_opt(DnsView message, const Header& header, Reader after_question) {
    const std::uint32_t count =
        std::uint32_t{header.answers} + header.authorities + header.additions;
    for (std::uint32_t i = 0; i < count && after_question.good(); ++i) {
        const auto begin = after_question.at();
        const auto record = read_record(after_question);
        after_question.take(after_question.word());
        if (after_question.good() && i + 1 == count && record.type == kOpt && header.additions > 0)
            return message.first(begin);
    }
    return message;
}

}  // namespace

DnsBytes answer_for(const DnsQuestion& question, DnsView message, std::size_t most) {
    Reader r(message);
    const auto header = read_header(r);
    r.name();
    r.take(4);
    if (!r.good() || header.questions != 1 || r.at() != kDnsHeader + question.text.size())
        return no_answer(question, DnsCode::server_failure);
    const auto code = static_cast<DnsCode>(header.flags & 0xfU);
    const auto plain = without_opt(message, header, r);
    const auto additions =
        static_cast<std::uint16_t>(header.additions - (plain.size() < message.size() ? 1 : 0));
    message = plain;
    const std::size_t whole = message.size() + (question.extended ? kOptSize : 0);
    if (whole > most) {
        auto cut = no_answer(question, code);
        set_word(cut, 2, reply_flags(question.flags, code) | kTruncated);
        return cut;
    }
    DnsBytes out(message.begin(), message.end());
    set_word(out, 0, question.id);
    set_word(out, 2, reply_flags(question.flags, code));
    std::ranges::copy(question.text, out.begin() + kDnsHeader);
    set_word(out, 10, static_cast<std::uint16_t>(additions + (question.extended ? 1 : 0)));
    if (question.extended) add_opt(out, false);
    return out;
}

DnsBytes no_answer(const DnsQuestion& question, DnsCode code, bool blocked) {
    DnsBytes out;
    for (const auto word :
         {question.id, reply_flags(question.flags, code), std::uint16_t{1}, std::uint16_t{0},
          std::uint16_t{0}, static_cast<std::uint16_t>(question.extended ? 1 : 0)})
        put(out, word);
    out.insert(out.end(), question.text.begin(), question.text.end());
    if (question.extended) add_opt(out, blocked);
    return out;
}

DnsBytes no_answer(DnsView message, DnsCode code) {
    Reader r(message);
    const auto header = read_header(r);
    DnsQuestion question;
    question.id = header.id;
    question.flags = header.flags;
    auto out = no_answer(question, code);
    set_word(out, 4, 0);
    return out;
}

}  // namespace pmos::network
