// modem: the emergency call that somebody waits for, where the next pmos-modem finds it.
#pragma once

#include <string>

namespace pmos::modem {

class Wish {
  public:
    // file: on a file system that goes with the boot, in a directory that is ours alone. "":
    // nothing is kept.
    explicit Wish(std::string file) : file_(std::move(file)) {}

    // Again with each attempt: by that its age is known.
    void keep(const std::string& number) const;
    void drop() const;
    // The number, where a pmos-modem has ended less than a minute ago in the midst of it; else "".
    std::string left() const;

  private:
    std::string file_;
};

}  // namespace pmos::modem
