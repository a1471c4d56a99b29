#!/usr/bin/env python3
"""What runs after clone3 must not reach a heap, a lock or the C library's state.

Fails when an archive given on the command line needs a symbol that none of them defines and that
is not on the list of leaf functions below.
"""
import subprocess
import sys

# Leaf functions: they touch the memory they are given and nothing else.
ALLOWED = {"memchr", "memcmp", "memcpy", "memmove", "memset", "strchr", "strcmp", "strlen",
           "strncmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_", "__memcpy_chk", "__memset_chk",
           "gnu_dev_makedev"}


def symbols(archive):
    defined, undefined = set(), set()
    text = subprocess.run(["nm", archive], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 2 or len(fields[-2]) != 1:
            continue
        (undefined if fields[-2] == "U" else defined).add(fields[-1])
    return defined, undefined


def main(archives):
    defined, undefined = set(), set()
    for archive in archives:
        d, u = symbols(archive)
        defined |= d
        undefined |= u
    if not defined:
        sys.exit("no symbols read: is nm looking at the right files?")
    forbidden = sorted(undefined - defined - ALLOWED)
    for name in forbidden:
        print(f"reaches outside: {name}")
    sys.exit(1 if forbidden else 0)


main(sys.argv[1:])
