// policy: questions in words, to questions. A small grammar, and no guess: a word that it does not
// know is an error. Asks no host.
#include "policy/question_words.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kExamples =
    "ask like: \"may secure open the GPU?\", \"why is ptrace refused in personal?\", \"can "
    "personal reach secure?\", \"may secure connect to 10.0.0.1:443?\", \"who may use the modem?\"";

constexpr std::string_view kNothing =
    "a|able|access|allowed|always|an|and|any|anything|are|at|be|been|by|call|can|can't|cannot|"
    "connect|could|denied|device|did|do|does|doesn't|ever|file|for|forbidden|from|get|has|have|"
    "how|if|in|inside|into|is|isn't|it|make|may|mode|modes|my|no|not|of|on|open|or|permitted|"
    "please|possible|program|refused|socket|still|syscall|system|that|the|there|to|try|use|used|"
    "uses|using|was|what|when|where|whether|which|who|whom|why|will|with|work|would";

struct Word {
    std::string_view words;  // "screen|panel"
    std::string_view means, how = "";
};
constexpr Word kDevices[] = {
    {"gpu|graphics|3d", "gpu"},
    {"render", "gpu", "render"},
    {"display|screen|panel|framebuffer", "display"},
    {"input|touch|touchscreen|keyboard|keys", "input"},
    {"audio|sound", "audio"},
    {"playback|loudspeaker|loudspeakers|speaker|speakers", "audio", "playback"},
    {"capture|microphone|microphones|mic", "audio", "capture"},
    {"camera|cameras", "camera"},
    {"modem|cellular|baseband", "modem"},
    {"mobile-data|data-connection|bearer", "modem", "data"},
    {"emergency", "modem", "emergency"},
    {"sms", "modem", "sms"},
    {"voice|phone|telephone", "modem", "voice"},
    {"gnss|gps|position|location", "gnss"},
    {"sensor|sensors|accelerometer|motion", "sensors"},
    {"usb", "usb"},
    {"bluetooth", "bluetooth"},
    {"vibrator|vibrate|vibration", "vibrator"},
    {"torch|flashlight", "torch"},
};
constexpr Word kAccesses[] = {
    {"read|reads|see|sees|list|look", "read"},
    {"write|writes|change|create|delete|modify|save|store", "write"},
    {"execute|executes|exec|run|runs|start|launch", "execute"},
};
// Which of two modes speaks: the first one named, or the second.
constexpr Word kBetween[] = {
    {"reach|reaches|send|sends|talk|tell|signal|influence|attack|leak|write|writes|affect|kill",
     "first"},
    {"hear|hears|see|sees|read|reads|spy|watch|listen|learn|trace", "second"},
};

bool among(std::string_view word, std::string_view list) {
    const auto words = split_list(list);
    return std::ranges::find(words, word) != words.end();
}

const Word* find(std::span<const Word> table, std::string_view word) {
    const auto it =
        std::ranges::find_if(table, [&](const Word& w) { return among(word, w.words); });
    return it == table.end() ? nullptr : &*it;
}

std::string lower(std::string text) {
    for (char& c : text)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return text;
}

struct Token {
    std::string text;   // without marks around it, as written
    std::string plain;  // in small letters
    bool call = false;  // `ptrace`, ptrace(), or behind "syscall"
};

std::vector<Token> tokens_of(std::span<const std::string> words) {
    std::string all;
    for (const auto& w : words) all += (all.empty() ? "" : " ") + w;
    std::vector<Token> out;
    for (std::size_t at = 0; at < all.size();) {
        const auto end = std::min(all.find_first_of(" \t\n", at), all.size());
        std::string text = all.substr(at, end - at);
        at = end + 1;
        Token token;
        token.call = text.starts_with('`') || text.contains("()");
        constexpr std::string_view kMarks = "`'\"?!,;()";
        const auto first = text.find_first_not_of(kMarks);
        if (first == std::string::npos) continue;
        token.text =
            text.substr(first, text.find_last_not_of(std::string(kMarks) + ".") - first + 1);
        if (token.text.ends_with("'s")) token.text.resize(token.text.size() - 2);
        token.plain = lower(token.text);
        token.call = token.call || (!out.empty() && out.back().plain == "syscall");
        out.push_back(std::move(token));
    }
    return out;
}

class Sentence {
  public:
    Sentence(std::vector<Token> tokens, std::span<const std::string> modes)
        : tokens_(std::move(tokens)), modes_(modes) {}

    Result<Asked> parse();

  private:
    Result<> take(const Token& token);
    Result<> topic(Topic topic, std::string what, std::string how = "");
    Result<> finish();
    Error not_understood(const Token& token) const;

    std::vector<Token> tokens_;
    std::span<const std::string> modes_;
    Asked asked_;
    bool has_topic_ = false;
    std::string access_, between_;
};

Result<> Sentence::topic(Topic topic, std::string what, std::string how) {
    Question& q = asked_.question;
    if (has_topic_ && topic == Topic::device && q.topic == topic && q.what == what) {
        if (q.how.empty()) q.how = std::move(how);  // "the modem's voice"
        return {};
    }
    if (has_topic_)
        return fail(Code::usage,
                    fmt::format("one question at a time: '{}' or '{}'", shown(q.what), shown(what)),
                    "", std::string(kExamples));
    has_topic_ = true;
    q.topic = topic;
    q.what = std::move(what);
    q.how = std::move(how);
    return {};
}

Error Sentence::not_understood(const Token& token) const {
    std::vector<std::string_view> known;
    for (const auto& mode : modes_) known.push_back(mode);
    for (const auto table : {std::span<const Word>(kDevices), std::span<const Word>(kAccesses),
                             std::span<const Word>(kBetween)})
        for (const auto& word : table)
            for (const auto w : split_list(word.words)) known.push_back(w);
    auto near = nearest(token.plain, known);
    if (near.empty()) near = nearest_syscall(token.plain);
    Error error;
    error.code = Code::usage;
    error.what = fmt::format("what is '{}'?", shown(token.text));
    error.fix = near.empty() ? std::string(kExamples) : fmt::format("did you mean '{}'?", near);
    return error;
}

Result<> Sentence::take(const Token& token) {
    const std::string& word = token.plain;
    if (token.call && word != "call" && is_syscall(word)) return topic(Topic::syscall, word);
    if (std::ranges::find(modes_, token.text) != modes_.end()) {
        if (!has_word(asked_.modes, token.text)) asked_.modes.push_back(token.text);
        return {};
    }
    if (word.starts_with('/')) return topic(Topic::path, token.text);
    if (word.starts_with("cap_")) {
        std::string name = token.text;
        for (char& c : name)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        return topic(Topic::capability, name);
    }
    if (word.contains(':')) return topic(Topic::connect, token.text);
    bool verb = false;
    if (const Word* access = find(kAccesses, word); access != nullptr) {
        access_ = access->means;
        verb = true;
    }
    if (const Word* between = find(kBetween, word); between != nullptr) {
        between_ = between->means;
        verb = true;
    }
    if (verb || among(word, kNothing)) return {};
    if (const Word* device = find(kDevices, word); device != nullptr)
        return topic(Topic::device, std::string(device->means), std::string(device->how));
    if (has_topic_ && asked_.question.topic == Topic::device) {
        // A right's own name: "the gpu's render".
        const std::string pattern = "devices/" + asked_.question.what;
        for (const auto& key : {pattern, pattern + "/[]"})
            if (const KeySpec* spec = find_key(profile_language(), key))
                if (among(word, spec->values))
                    return topic(Topic::device, asked_.question.what, word);
    }
    if (is_syscall(word)) return topic(Topic::syscall, word);
    return fail(not_understood(token));
}

Result<> Sentence::finish() {
    Question& q = asked_.question;
    if (!has_topic_ && asked_.modes.size() == 2 && !between_.empty()) {
        const bool first = between_ == "first";
        q = {Topic::hears, asked_.modes[first ? 0 : 1]};
        asked_.modes.erase(asked_.modes.begin() + (first ? 0 : 1));
        return {};
    }
    if (!has_topic_)
        return fail(Code::usage, "nothing to ask about in these words", "", std::string(kExamples));
    if (q.topic == Topic::path) q.how = access_.empty() ? "read" : access_;
    return {};
}

Result<Asked> Sentence::parse() {
    for (const auto& token : tokens_) PMOS_TRY(take(token));
    PMOS_TRY(finish());
    return std::move(asked_);
}

Result<Asked> by_topic(std::span<const std::string> words, Topic topic) {
    const bool two = topic == Topic::path || topic == Topic::device;
    const bool either = topic == Topic::connect && words.size() == 3;  // "10.0.0.1 53/udp"
    if (words.size() != (two ? 3U : 2U) && !either)
        return fail(Code::usage, fmt::format("'{}' takes {} more", words[0], two ? 2 : 1), "",
                    "such as: syscall ptrace, path /data/x write, device modem sms, connect "
                    "10.0.0.1:443, capability CAP_CHOWN, hears personal");
    return Asked{{topic, words[1], words.size() == 3 ? words[2] : ""}, {}};
}

}  // namespace

Result<Asked> parse_question(std::span<const std::string> words,
                             std::span<const std::string> modes) {
    const auto topics = split_list(kTopicNames);
    if (!words.empty())
        if (const auto it = std::ranges::find(topics, words[0]); it != topics.end())
            return by_topic(words, static_cast<Topic>(it - topics.begin()));
    return Sentence(tokens_of(words), modes).parse();
}

Result<Answer> ask(const Subject& s, const Question& q) {
    switch (q.topic) {
        case Topic::syscall:
            return q.with_args ? ask_call(s, q.what, q.args) : ask_syscall(s, q.what);
        case Topic::path:
            return ask_path(s, q.what, q.how);
        case Topic::device:
            return ask_device(s, q.what, q.how);
        case Topic::connect:
            return ask_connect(s, q.what, q.how);
        case Topic::capability:
            return ask_capability(s, q.what);
        case Topic::hears:
            break;
    }
    return fail(Code::usage, "what flows between modes is no question to one of them");
}

std::string question_text(const Question& q) {
    std::string text = fmt::format("{} {}", word_at(kTopicNames, q.topic), shown(q.what));
    if (!q.how.empty()) text += " " + shown(q.how);
    for (const auto arg : q.args) text += fmt::format(" {:#x}", arg);
    return text;
}

}  // namespace pmos::policy
