// unpack: a directory as the root of names that others chose: whatever they say, and whatever links
// lie there, each leads to something in it. Reads no archive.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace pmos::unpack {

// Where something is made: a directory that is open, and a name in it.
struct Place {
    UniqueFd directory;
    std::string name;  // "": the root itself
};

class Tree {
  public:
    explicit Tree(BorrowedFd root) : root_(root) {}

    // Links on the way are followed as a process would whose root this is. Directories that are
    // missing on the way are made where that is asked for; Code::not_found else.
    Result<Place> locate(std::string_view path, bool make) const;
    // Whatever has the name goes; a directory stays where one is to be made.
    Result<> clear(const Place& place, bool for_directory);

    // Made since this object was: what whiteouts do not mean.
    void note(const Place& place);
    Result<> white_out(const Place& place);
    Result<> white_out_rest(const Place& directory);  // its whole contents

  private:
    using Key = std::pair<std::uint64_t, std::string>;  // the directory's inode, and the name
    Result<UniqueFd> enter(std::string_view path, bool make) const;
    // True: nothing is left there.
    Result<bool> remove(BorrowedFd directory, const std::string& name, bool keep_new);
    Result<bool> empty(BorrowedFd directory, bool keep_new);

    BorrowedFd root_;
    std::set<Key> made_;
};

}  // namespace pmos::unpack
