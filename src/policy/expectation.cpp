// policy: expectations beside the profiles, read and held against the evaluator. Asks no host.
#include "policy/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "policy/language.h"
#include "policy/names.h"
#include "policy/syscalls.h"

namespace pmos::policy {
namespace {

constexpr std::string_view kSubjects = "syscalls|paths|device|connect|capabilities|hears";
constexpr Topic kTopics[] = {Topic::syscall, Topic::path,       Topic::device,
                             Topic::connect, Topic::capability, Topic::hears};

std::vector<std::string> texts_of(const Node* list) {
    std::vector<std::string> out;
    if (list != nullptr)
        for (const auto& item : list->items) out.push_back(item.text);
    return out;
}

std::string text_of(const Node& node, std::string_view key) {
    const Node* value = node.find(key);
    return value == nullptr ? "" : value->text;
}

class Reader {
  public:
    Reader(std::span<const ModePolicy> modes, std::vector<Diagnostic>& out) : out_(out) {
        for (const auto& mode : modes) known_.push_back(mode.mode);
    }
    Expectation read(const Node& node);

  private:
    const Node* subject(const Node& node, Topic& topic);
    void companions(const Node& node, Topic topic);
    void question(const Node& node, Topic topic, const Node& value, Expectation& to);
    void names(const Node& node);
    void hearers(const Expectation& e);
    void bad(Rule rule, const Location& at, std::string message, std::string fix = "") {
        out_.push_back(finding(rule, at, std::move(message), std::move(fix)));
    }
    std::vector<Diagnostic>& out_;
    std::vector<std::string_view> known_;
};

// The one key that says what is asked about.
const Node* Reader::subject(const Node& node, Topic& topic) {
    const auto subjects = split_list(kSubjects);
    const Node* found = nullptr;
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        const Node* value = node.find(subjects[i]);
        if (value == nullptr) continue;
        if (found != nullptr) {
            bad(Rule::contradiction, value->at, "an expectation is about one thing",
                fmt::format("keep one of: {}", fmt::join(subjects, ", ")));
            continue;
        }
        found = value;
        topic = kTopics[i];
    }
    if (found == nullptr)
        bad(Rule::missing_key, node.at, "the expectation is about nothing",
            fmt::format("add one of: {}", fmt::join(subjects, ", ")));
    return found;
}

// Keys that belong to one subject.
void Reader::companions(const Node& node, Topic topic) {
    const struct {
        std::string_view key;
        Topic topic;
        bool needed;
    } rows[] = {{"args", Topic::syscall, false},
                {"access", Topic::path, true},
                {"right", Topic::device, true}};
    for (const auto& row : rows) {
        const Node* value = node.find(row.key);
        const std::string_view belongs = split_list(kSubjects)[static_cast<std::size_t>(row.topic)];
        if (value != nullptr && topic != row.topic)
            bad(Rule::contradiction, value->at,
                fmt::format("'{}' belongs to '{}'", row.key, belongs), "remove it");
        if (value == nullptr && topic == row.topic && row.needed)
            bad(Rule::missing_key, node.at, fmt::format("'{}' needs '{}'", belongs, row.key));
    }
    if (topic != Topic::hears) return;
    for (const std::string_view key : {"foreground", "locked"})
        if (const Node* value = node.find(key))
            bad(Rule::contradiction, value->at,
                fmt::format("'{}' says nothing about 'hears': a flow is one in any state", key),
                "remove it");
}

// A promise about a mode that does not exist holds, and protects nobody.
void Reader::names(const Node& node) {
    const auto take = [&](const Node& value) {
        if (std::ranges::find(known_, value.text) != known_.end()) return;
        const auto near = nearest(value.text, known_);
        bad(Rule::bad_value, value.at, fmt::format("there is no mode '{}'", shown(value.text)),
            !near.empty()    ? fmt::format("did you mean '{}'?", near)
            : known_.empty() ? "there is no profile beside the tests"
                             : fmt::format("one of: {}", fmt::join(known_, ", ")));
    };
    for (const std::string_view key : {"modes", "locked", "hears"})
        if (const Node* list = node.find(key))
            for (const auto& item : list->items) take(item);
    if (const Node* value = node.find("foreground")) take(*value);
}

// A mode is not asked about itself, and what asks nobody is no promise.
void Reader::hearers(const Expectation& e) {
    for (const auto& query : e.queries) {
        const auto& sender = query.question.what;
        if (has_word(e.modes, sender))
            bad(Rule::contradiction, query.at,
                fmt::format("'{0}' is asked whether it hears itself", shown(sender)),
                "name it in one of 'modes' and 'hears'; without 'modes' all the others are asked");
        else if (e.modes.empty() && known_.size() == 1 && known_.front() == sender)
            bad(Rule::contradiction, query.at,
                fmt::format("there is no other mode that could hear '{}'", shown(sender)),
                "remove it, or add the profile of the other mode");
    }
}

void Reader::question(const Node& node, Topic topic, const Node& value, Expectation& to) {
    Query query;
    query.foreground = text_of(node, "foreground");
    query.at = value.at;
    Question& q = query.question;
    q.topic = topic;
    q.how = text_of(node, topic == Topic::path ? "access" : "right");
    if (const Node* args = node.find("args")) {
        q.with_args = true;
        for (const auto& arg : args->items)
            q.args.push_back(arg.negative ? 0 - arg.magnitude : arg.magnitude);
    }
    // A group stands for each of its calls.
    const bool group = topic == Topic::syscall && value.text.starts_with('@');
    if (group && q.with_args)
        bad(Rule::contradiction, value.at, "arguments are those of one call",
            "name the calls, or drop 'args'");
    auto names =
        group ? expand_syscalls(std::span(&value.text, 1)) : std::set<std::string>{value.text};
    for (const auto& name : names) {
        // Of a group what this architecture lacks cannot be called.
        if (group && !syscall_number(*find_arch("x86_64"), name)) continue;
        q.what = name;
        to.queries.push_back(query);
    }
}

Expectation Reader::read(const Node& node) {
    Expectation out;
    out.why = text_of(node, "why");
    out.modes = texts_of(node.find("modes"));
    out.locked = texts_of(node.find("locked"));
    out.at = node.at;
    const auto rulings = split_list("allowed|refused|depends");
    const auto is = std::ranges::find(rulings, text_of(node, "is"));
    out.is = static_cast<Ruling>(is - rulings.begin());
    Topic topic{};
    const Node* value = subject(node, topic);
    if (value == nullptr) return out;
    companions(node, topic);
    if (value->is(Node::Kind::string)) question(node, topic, *value, out);
    for (const auto& item : value->items) question(node, topic, item, out);
    if (out.queries.empty())
        bad(Rule::missing_key, value->at, "the expectation is about nothing", "name something");
    names(node);
    if (topic == Topic::hears) hearers(out);
    return out;
}

Answer refused(std::string rule, std::string why, Location at) {
    return {Ruling::refused, std::move(rule), std::move(why), std::move(at), {}, "", {}};
}

// A mode, and all that its questions need, once.
class Asker {
  public:
    Asker(const ModePolicy& mode, const HostFacts& facts, const Separation& separation)
        : mode_(mode), facts_(facts), separation_(separation) {
        const auto compiled = compile(*mode.profile, facts);
        plan_ = compiled.plan ? *compiled.plan : intended_plan(*mode.profile, facts);
        for (const auto& d : compiled.diagnostics)
            if (d.severity == Severity::error && pending_.empty())
                pending_ = fmt::format("this build does not start the mode: {}", d.message);
    }

    Result<Answer> ask(const Query& query) const;
    const std::string& pending() const { return pending_; }

  private:
    const ModePolicy& mode_;
    const HostFacts& facts_;
    const Separation& separation_;
    LaunchPlan plan_;
    std::string pending_;
};

Result<Answer> Asker::ask(const Query& query) const {
    const Profile& p = *mode_.profile;
    const Question& q = query.question;
    if (q.topic == Topic::hears) return ask_hears(separation_, mode_.mode, q.what);
    const Subject subject{p, plan_, facts_, mode_.demands.get()};
    PMOS_ASSIGN(auto answer, policy::ask(subject, q));
    if (query.locked && !p.volumes.empty())
        return refused("locked", "a locked mode runs nothing", p.where("session/onLock"));
    const bool background = !query.foreground.empty() && query.foreground != mode_.mode;
    if (!background || answer.ruling == Ruling::refused) return answer;
    if (p.session.background == Background::freeze)
        return refused("frozen", "in the background the mode is frozen",
                       p.where("session/background"));
    if (q.topic == Topic::device)
        for (const auto& key : {"devices/" + q.what, "devices/" + q.what + "/" + q.how})
            if (const Node* right = p.source.at_path(key);
                right && foreground_only(q.what, right->text))
                return refused("background", "the class is granted in the foreground only",
                               right->at);
    return answer;
}

// A promise that rests on a mode which does not start holds in no phone yet.
void hold_back(const Asker& asker, TestCase& test) {
    if (test.outcome != Outcome::passed || asker.pending().empty()) return;
    test.outcome = Outcome::pending;
    test.note = asker.pending();
}

void judge(const Expectation& e, const Asker& asker, TestCase& test) {
    auto answer = asker.ask(test.query);
    if (!answer) {
        test.outcome = Outcome::failed;
        test.note = answer.error().message();
        return;
    }
    test.answer = std::move(*answer);
    if (test.answer.ruling != e.is) test.outcome = Outcome::failed;
    hold_back(asker, test);
}

}  // namespace

std::optional<std::vector<Expectation>> read_expectations(const SourceFile& file,
                                                          std::span<const ModePolicy> modes,
                                                          std::vector<Diagnostic>& diagnostics) {
    auto tree = read_json(file.path, file.bytes, diagnostics);
    if (!tree) return std::nullopt;
    check_shape(test_language(), *tree, true, diagnostics);
    if (has_errors(diagnostics)) return std::nullopt;
    std::vector<Expectation> out;
    for (const auto& node : tree->find("expect")->items)
        out.push_back(Reader(modes, diagnostics).read(node));
    if (has_errors(diagnostics)) return std::nullopt;
    return out;
}

std::vector<TestCase> run_expectations(std::span<const Expectation> expectations,
                                       std::span<const ModePolicy> modes, const HostFacts& facts,
                                       const Separation& separation) {
    std::map<std::string, Asker> askers;
    std::vector<std::string> all;
    for (const auto& mode : modes) {
        all.push_back(mode.mode);
        if (mode.profile) askers.try_emplace(mode.mode, mode, facts, separation);
    }
    std::vector<TestCase> out;
    for (const auto& e : expectations)
        for (const auto& name : e.modes.empty() ? all : e.modes)
            for (const auto& query : e.queries) {
                if (query.question.topic == Topic::hears && query.question.what == name) continue;
                TestCase test{&e, name, query, {}, Outcome::passed, ""};
                test.query.locked = has_word(e.locked, name);
                if (const auto asker = askers.find(name); asker != askers.end()) {
                    const auto sender = query.question.topic == Topic::hears
                                            ? askers.find(query.question.what)
                                            : askers.end();
                    judge(e, asker->second, test);
                    if (sender != askers.end()) hold_back(sender->second, test);
                } else {
                    test.outcome = Outcome::failed;
                    test.note = "there is no such mode, or its profile is broken";
                }
                out.push_back(std::move(test));
            }
    return out;
}

}  // namespace pmos::policy
