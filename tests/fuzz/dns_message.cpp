// fuzz: any bytes as a message of the DNS. What is a question has an answer of its size; what is
// read of an answer has addresses of whole length and names of one line.
#include "runtime/network/dns_message.h"

#include <cstdlib>

#include "base/text.h"
#include "runtime/network/dns_line.h"

using namespace pmos;
using namespace pmos::network;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

void take_question(DnsView message) {
    DnsRefused refused;
    const auto question = read_question(message, refused);
    if (!question) {
        if (refused.code) require(no_answer(message, *refused.code).size() == kDnsHeader);
        return;
    }
    require(question->name.size() <= 255 && printable(question->name) == question->name);
    require(question->room >= kDnsPlainSize && question->room <= kDnsMostSize);
    // Whatever comes back for it.
    require(answer_for(*question, message, question->room).size() <= question->room);
    for (const bool blocked : {false, true}) {
        const auto none = no_answer(*question, DnsCode::no_name, blocked);
        require(none.size() <= question->room && read_answer(none).has_value());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const DnsView message(data, size);
    take_question(message);
    if (const auto answer = read_answer(message)) {
        for (const auto& address : answer->addresses)
            require(address.length == (address.v6 ? 128 : 32));
        for (const auto& alias : answer->aliases) require(printable(alias) == alias);
    }
    if (const auto report = read_report(message))
        require(report->addresses.size() > kMostFound || report_bytes(*report).size() == size);
    return 0;
}
