// policy: questions in words, to questions. Asks no host.
//
// Two ways to ask. By a topic and its words, as a script does:
//   syscall NAME | path PATH ACCESS | device CLASS RIGHT | connect ADDRESS:PORT[/PROTOCOL] |
//   capability NAME | hears MODE
// Or in English, where every word must be one of these, in any order:
//   a name of a mode              who is asked; none: every mode. Two, with a verb of the last row:
//                                 whether anything flows from the one to the other
//   a path, ADDRESS:PORT, CAP_X   what is asked about
//   a class of devices or another word for it: screen, touch, microphone, phone, gps, torch ...
//   a system call                 where its name is a word of every day too: "syscall read"
//   verbs                         read, write, execute and others like them, for paths
//                                 reach, send, tell; hear, see, read: between two modes
//   words that say nothing        may, can, why, is, the, to, in, allowed, refused, ...
#pragma once

#include <span>
#include <string>
#include <vector>

#include "policy/question.h"

namespace pmos::policy {

struct Asked {
    Question question;
    std::vector<std::string> modes;  // named in the question; empty: all
};

// `modes`: the names that there are. A word that is not understood is an error that says which,
// and what was near.
Result<Asked> parse_question(std::span<const std::string> words,
                             std::span<const std::string> modes);

}  // namespace pmos::policy
