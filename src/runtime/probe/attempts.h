// probe: one attempt from its line to its outcome. Runs inside a mode, under its confinement: no
// C library, no heap.
//
//   judge NR [A0..A4]        would the mode's filter let this call in? It is never carried out
//   call NR [A0..A5]         carried out, with numbers as arguments
//   read PATH                value: bytes read (64 at most), or names in a directory
//   write PATH               opened for writing, or made and removed where it is not there; in a
//                            directory a file is made and removed
//   execute PATH             loaded and killed before its first instruction; in a directory, or
//                            where it is not there, a file is made and removed
//   lock PATH                an exclusive flock(2)
//   hold PATH                the same, kept until pmos-try ends
//   open PATH                for reading and writing: a device
//   socket FAMILY TYPE PROTOCOL
//   connect FAMILY TYPE PROTOCOL HEX    HEX: the bytes of a struct sockaddr; does not wait
//   remount PATH             takes read-only and noexec from the mount at PATH
//   key-add NAME             value: a key's serial number, open to all, until pmos-try ends
//   key-read SERIAL          value: bytes in that key
//   capability N             value: 1 where the bounding set has it
//
// Numbers are decimal or 0x hexadecimal, a PATH or NAME is the rest of the line.
#pragma once

namespace pmos::probe {

struct Outcome {
    long value = 0;          // or -errno
    const char* stage = "";  // what failed, one word: "open", "create", "execute"
    bool understood = true;  // false: no such attempt
};

// line ends with a NUL and may be written to.
Outcome attempt(char* line) noexcept;
// To be done by the process that stays, and not by one that ends with the attempt.
bool is_lasting(const char* line) noexcept;
// The kernel kills a program that it has loaded here, for want of address space.
bool loads_a_program(const char* line) noexcept;

}  // namespace pmos::probe
