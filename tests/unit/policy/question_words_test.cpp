// tests: questions in words. A table: what is asked, and what is understood.
#include "policy/question_words.h"

#include <catch2/catch.hpp>

#include "policy/separation.h"
#include "support.h"

using namespace pmos;
using namespace pmos::policy;
using namespace pmos::policy::test;

namespace {

const std::vector<std::string> kModes{"personal", "secure"};

// "syscall ptrace | personal", or "error: hint".
std::string understood(const std::vector<std::string>& words) {
    const auto asked = parse_question(words, kModes);
    if (!asked) return "error: " + asked.error().what;
    std::string text = question_text(asked->question) + " |";
    for (const auto& mode : asked->modes) text += " " + mode;
    return text;
}

}  // namespace

TEST_CASE("questions in English are understood, or refused with the word that is not") {
    const std::pair<std::string, std::string> rows[] = {
        {"may secure open the GPU?", "device gpu | secure"},
        {"why is ptrace refused in personal?", "syscall ptrace | personal"},
        {"why is `ptrace` refused in personal?", "syscall ptrace | personal"},
        {"can personal reach secure?", "hears personal | secure"},
        {"can secure hear personal?", "hears personal | secure"},
        {"can personal spy on secure?", "hears secure | personal"},
        {"does personal leak to secure?", "hears personal | secure"},
        {"may secure connect to 10.0.0.1:443?", "connect 10.0.0.1:443 | secure"},
        {"can it connect to [fd00::1]:53", "connect [fd00::1]:53 |"},
        {"who may use the modem?", "device modem |"},
        {"who may use the modem's emergency?", "device modem emergency |"},
        {"Who may use the gpu's render?", "device gpu render |"},
        {"may secure use the gpu render?", "device gpu render | secure"},
        {"may personal use the microphone", "device audio capture | personal"},
        {"may personal hear the microphone", "device audio capture | personal"},
        {"can personal see the screen?", "device display | personal"},
        {"may secure write /data/x?", "path /data/x write | secure"},
        {"can secure run /tmp/a.out?", "path /tmp/a.out execute | secure"},
        {"may secure open /data/x?", "path /data/x read | secure"},
        {"may secure read /proc/meminfo.", "path /proc/meminfo read | secure"},
        {"is cap_sys_admin allowed in secure?", "capability CAP_SYS_ADMIN | secure"},
        {"may personal use mount()?", "syscall mount | personal"},
        {"why can't secure reboot?", "syscall reboot | secure"},
        {"is the syscall read allowed?", "syscall read |"},
        {"may personal and secure use bpf?", "syscall bpf | personal secure"},
        {"may secure use personal's ptrace", "syscall ptrace | secure personal"},
        {"may secre open the GPU?", "error: what is 'secre'?"},
        {"may secure fly?", "error: what is 'fly'?"},
        {"may secure use the gpu and the modem?",
         "error: one question at a time: 'gpu' or 'modem'"},
        {"may secure read?", "error: nothing to ask about in these words"},
        {"secure", "error: nothing to ask about in these words"},
        {"personal secure", "error: nothing to ask about in these words"},
        {"?", "error: nothing to ask about in these words"},
    };
    for (const auto& [words, wanted] : rows) {
        INFO(words);
        CHECK(understood({words}) == wanted);
    }
    // A shell without quotes splits the words.
    CHECK(understood({"may", "secure", "open", "the", "GPU?"}) == "device gpu | secure");
    CHECK(parse_question(std::vector<std::string>{"may secre open the gpu"}, kModes).error().fix ==
          "did you mean 'secure'?");
    CHECK(parse_question(std::vector<std::string>{"may secure ptrac"}, kModes).error().fix ==
          "did you mean 'ptrace'?");
    CHECK(parse_question(std::vector<std::string>{"may secure xyzzyxyzzy"}, kModes)
              .error()
              .fix.starts_with("ask like: "));
}

TEST_CASE("questions by topic are what they were") {
    CHECK(understood({"syscall", "read"}) == "syscall read |");
    CHECK(understood({"path", "/data/x", "write"}) == "path /data/x write |");
    CHECK(understood({"device", "modem", "voice"}) == "device modem voice |");
    CHECK(understood({"connect", "10.0.0.1:443"}) == "connect 10.0.0.1:443 |");
    CHECK(understood({"capability", "CAP_CHOWN"}) == "capability CAP_CHOWN |");
    CHECK(understood({"hears", "personal"}) == "hears personal |");
    CHECK(understood({"path", "/data/x"}) == "error: 'path' takes 2 more");
    CHECK(understood({"syscall"}) == "error: 'syscall' takes 1 more");
    CHECK(parse_question({}, kModes).error().code == Code::usage);
}

TEST_CASE("whether one mode hears another is answered by the flows between them") {
    const auto set = shipped_policy();
    const auto s = separate(set.modes, whole_phone(), find_mode(set, "secure").demands.get());
    const auto answer = ask_hears(s, "secure", "personal").value();
    CHECK(answer.ruling != Ruling::allowed);
    CHECK((answer.ruling == Ruling::refused) == answer.conditions.empty());
    CHECK(ask_hears(s, "secure", "nobody").error().code == Code::unknown_mode);
}
