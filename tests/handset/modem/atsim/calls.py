"""The modem's calls, both ways, with the states of +CLCC (3GPP 27.007, 7.18)."""

import dataclasses
import itertools
import re

from refusal import Refused

ACTIVE, HELD, DIALLING, ALERTING, INCOMING, WAITING = range(6)
TOLD = {ALERTING: "alerting", ACTIVE: "answered"}
RING_SECONDS, ALERT_SECONDS = 3, 0.5
# 3GPP 22.101, 10.1.1: always, and without a SIM.
EMERGENCY = {"112", "911"}
EMERGENCY_WITHOUT_SIM = EMERGENCY | {"000", "08", "110", "118", "119", "999"}


@dataclasses.dataclass(eq=False)
class Call:
    number: str
    state: int
    incoming: int

    def kind(self):
        return 145 if self.number.startswith("+") else 129


class Calls:
    """later(seconds, what) calls what() after that time."""

    def __init__(self, event, log, later):
        self.event = event
        self.log = log
        self.later = later
        self.calls = {}  # index: call
        self.answer_after = 3  # seconds from the dialling on; None: not by itself

    def power_on(self):
        self.calls.clear()

    def add(self, call):
        self.calls[next(i for i in itertools.count(1) if i not in self.calls)] = call

    def alive(self, call, *states):
        return call in self.calls.values() and call.state in states

    def of_state(self, *states):
        return [(index, call) for index, call in self.calls.items() if call.state in states]

    # What the other side does.

    def ring(self, number):
        busy = bool(self.of_state(ACTIVE, HELD))
        call = Call(number, WAITING if busy else INCOMING, incoming=1)
        self.add(call)
        if busy:
            self.event(f'+CCWA: "{number}",{call.kind()},1')
        else:
            self.ring_once(call)

    def ring_once(self, call):
        if self.alive(call, INCOMING):
            self.event("RING")
            self.event(f'+CLIP: "{call.number}",{call.kind()}')
            self.later(RING_SECONDS, lambda: self.ring_once(call))

    def becomes(self, call, before, after):
        if self.alive(call, before):
            call.state = after
            self.log(f"{TOLD[after]} {call.number}")

    def answered(self):
        """The other side picks up what was dialled."""
        for _, call in self.of_state(DIALLING, ALERTING):
            self.becomes(call, call.state, ACTIVE)

    def ended(self, result="NO CARRIER"):
        """The other side ends all calls, or refuses them."""
        if self.calls:
            self.calls.clear()
            self.event(result)

    # Commands.

    def dial(self, number):
        call = Call(number, DIALLING, incoming=0)
        self.add(call)
        self.log(f"dial {number}")
        self.later(ALERT_SECONDS, lambda: self.becomes(call, DIALLING, ALERTING))
        if self.answer_after is not None:
            self.later(self.answer_after, lambda: self.becomes(call, ALERTING, ACTIVE))

    def at_answer(self, _):
        ringing = self.of_state(INCOMING)
        if not ringing:
            raise Refused("NO CARRIER")
        ringing[0][1].state = ACTIVE
        self.log(f"accepted {ringing[0][1].number}")

    def drop(self, chosen):
        for index, call in chosen:
            del self.calls[index]
            self.log(f"hung up {call.number}")

    def at_hang_up(self, _):
        """All but those held or waiting, as 27.007 wants it of +CHUP."""
        self.drop(self.of_state(ACTIVE, DIALLING, ALERTING, INCOMING))

    def at_hold(self, match):
        action, index = match[1], match[2]
        if index:
            if int(index) not in self.calls:
                raise Refused("ERROR")
            return self.drop([(int(index), self.calls[int(index)])])
        active, others = self.of_state(ACTIVE), self.of_state(HELD, WAITING)
        if action == "0":
            return self.drop(self.of_state(WAITING) or others)
        if action == "1":
            self.drop(active)
        else:
            for _, call in active:
                call.state = HELD
        for _, call in others[:1]:
            call.state = ACTIVE
        return None

    def at_list(self, _):
        return "\r\n".join(
            f'+CLCC: {index},{call.incoming},{call.state},0,0,"{call.number}",{call.kind()}'
            for index, call in self.calls.items())

    def at_tone(self, match):
        if not self.of_state(ACTIVE):
            raise Refused("ERROR")
        self.log(f"dtmf {match[1]}")

    COMMANDS = [
        (re.compile(pattern), action)
        for pattern, action in [
            (r"A", at_answer),
            (r"H\d?|\+CHUP", at_hang_up),
            (r"\+CHLD=([012])(\d?)", at_hold),
            (r"\+CLCC", at_list),
            (r'\+VTS="?([0-9*#A-D])"?', at_tone),
        ]
    ]
