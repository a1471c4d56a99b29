// daemon: what is asked of a fingerprint reader. Knows nothing of D-Bus; decides nothing.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/daemon/loop.h"

namespace pmos::daemon {

// Prints are kept under names of users; each mode has one of its own. Every request is answered
// once, when the reader is released; a while after its end where that takes long.
class FingerReader {
  public:
    virtual ~FingerReader() = default;
    // Asks it to end; it still answers, in a later turn of the loop. May be called at any time.
    using Cancel = std::function<void()>;
    // What the person is to know: permille of the way, and words.
    using Tell = std::function<void(std::uint32_t permille, std::string_view what)>;

    // False: it is another finger than those enrolled for the user.
    virtual Cancel verify(const std::string& user, Tell tell, Answer<bool> answer) = 0;
    // anew: what is enrolled for the user already is not his, and goes first.
    virtual Cancel enroll(const std::string& user, const std::string& finger, bool anew, Tell tell,
                          Done done) = 0;
    virtual void list(const std::string& user, Answer<std::vector<std::string>> answer) = 0;
    // No error where there is none. Waits for what of ours has the reader.
    virtual void remove(const std::string& user, Done done) = 0;
};

}  // namespace pmos::daemon
