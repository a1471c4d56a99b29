#!/usr/bin/env python3
# boot: own
# memory: 512M
# kdf: shipped
# timeout: 1200
# turn: 1
"""What is in the phone's whole memory while a mode is open and after it was locked: its volume's
key, whole, by halves and expanded, its PIN, and what it wrote. The memory is dumped and searched
from outside."""

import ended
import evict
import suspend
import world
from handset import note

world.begin()
for part in (*evict.PARTS, *suspend.PARTS, *ended.PARTS):
    note(part.__name__)
    part()
