// panel: who has the screen and the person: the front mode, or a page of the panel's own. What the
// person does goes to exactly one of them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/secret.h"
#include "runtime/panel/displays.h"
#include "runtime/panel/emergency.h"
#include "runtime/panel/input.h"
#include "runtime/panel/pages.h"
#include "runtime/panel/picture.h"

namespace pmos::panel {

// What the panel asks for a person; pmosd does it, or says why not.
class Doer {
  public:
    struct Refused {
        bool secret = false;  // what was typed was wrong
        std::string words;
    };
    using Answer = std::function<void(std::optional<Refused>)>;
    virtual ~Doer() = default;
    virtual void switch_to(const std::string& mode, Answer answer) = 0;
    virtual void lock(const std::string& mode, Answer answer) = 0;
    // secret: a pipe's end from which it is read, by who judges it alone.
    virtual void unlock(const std::string& mode, UniqueFd secret, Answer answer) = 0;
    // An emergency call, whatever else is. How it goes is told to Panel::call_changed.
    virtual void call(const std::string& number, Answer answer) = 0;
    virtual void hang_up(Answer answer) = 0;
};

class Panel final : public Person {
  public:
    Panel(event::EventLoop& loop, Screen& screen, Displays& displays, Doer& doer);
    Panel(const Panel&) = delete;
    Panel& operator=(const Panel&) = delete;

    void set_table(Table table);
    const Table& table() const noexcept { return table_; }
    // Nobody does what the person asks for, until another comes.
    void lost_pmosd();
    void resized();
    void call_changed(const CallState& call);
    // For tests and tools: where the person is, "mode", "chooser", "pad".
    std::string where() const;
    // Keys, buttons and fingers that went down and no mode was told of.
    std::uint64_t kept() const noexcept { return kept_; }
    // The page that covers the modes; null: none does.
    const Page* shown_page() const noexcept { return page_.page(); }
    const Page* strip_page_shown() const noexcept { return strip_.page(); }

    void key(std::uint32_t ms, std::uint32_t code, bool pressed, const char* typed) override;
    void pointer(std::uint32_t ms, double x, double y) override;
    void button(std::uint32_t ms, std::uint32_t code, bool pressed) override;
    void axis(const wlr_event_pointer_axis& event) override;
    void pointer_frame() override;
    void touch_down(std::uint32_t ms, int id, double x, double y) override;
    void touch_move(std::uint32_t ms, int id, double x, double y) override;
    void touch_up(std::uint32_t ms, int id) override;

  private:
    // Whose something is that was begun and not ended: a key or a finger that is down. What began
    // with one of them does not end with another.
    using Turn = std::uint64_t;
    struct Finger {
        Turn turn = 0;
        bool edge = false;  // it began at the lower edge, which is the panel's
        double from_y = 0;
    };
    ModeDisplay* front() const;
    const ModeRow* row(const std::string& mode) const;
    bool covered() const { return open_ || front() == nullptr; }
    void next_turn();
    void attention();
    void open_pad(const std::string& mode);
    void open_emergency();
    void dial();
    void close();
    void choose(const std::string& mode);
    void act(const Action& action);
    void type(const char* text);
    void erase();
    void enter();
    void forget_secret();
    void tell(const std::string& words);
    void refresh();
    void draw();
    const Piece* piece_at(double x, double y) const;
    void touched(const Piece* piece);
    bool in_strip(double y) const;
    void answered(const std::string& mode, std::optional<Doer::Refused> refused);

    event::EventLoop& loop_;
    Screen& screen_;
    Displays& displays_;
    Doer& doer_;
    Table table_;
    std::string front_;           // who is in front
    std::string shown_;           // and is drawn; "": a page of the panel's is
    bool open_ = true;            // a page of the panel's is, whoever is in front
    std::optional<Asked> asked_;  // the page is the pad
    std::optional<SecretBuffer> secret_;
    std::size_t secret_size_ = 0;
    std::uint64_t attempt_ = 0;  // of a secret, that is judged or typed
    std::string message_;
    CallState call_;
    Picture strip_, page_, pointer_;
    Turn turn_ = 1;
    std::map<std::uint32_t, Turn> keys_, buttons_;
    std::map<int, Finger> fingers_;
    std::uint64_t kept_ = 0;
    double x_ = 0, y_ = 0;
    event::EventSource clock_, soon_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace pmos::panel
