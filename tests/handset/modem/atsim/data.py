"""Data connections of a modem of one port: while one is up the line carries its bytes, and neither answers
nor events."""

import re

from refusal import Refused

ERROR = "ERROR"


class Data:
    """need_network() refuses where there is none."""

    def __init__(self, log, need_network):
        self.log = log
        self.need_network = need_network
        self.power_on()

    def power_on(self):
        self.contexts = {1: "internet"}
        self.connected = None  # the access point

    def ended(self):
        if self.connected is not None:
            self.log(f"disconnected from {self.connected}")
        self.connected = None

    # Commands.

    def at_contexts(self, _):
        return "\r\n".join(f'+CGDCONT: {cid},"IP","{name}","0.0.0.0",0,0'
                           for cid, name in sorted(self.contexts.items()))

    def at_context(self, match):
        self.contexts[int(match[1])] = match[2].lower()

    def at_active(self, match):
        if match[1] == "0":
            self.ended()

    def at_dial(self, match):
        self.need_network()
        name = self.contexts.get(int(match[1] or 1))
        if name is None:
            raise Refused(ERROR)
        self.connected = name
        self.log(f"connected to {name}")
        # The one final result that is not OK.
        raise Refused("CONNECT 115200")

    COMMANDS = [
        (re.compile(pattern), action)
        for pattern, action in [
            (r"\+CGDCONT\?", at_contexts),
            (r'\+CGDCONT=(\d+),"IP(?:V4V6)?","([^"]*)".*', at_context),
            (r"\+CGACT=([01])(?:,\d+)?", at_active),
            (r"D\*99(?:\*{3}(\d+))?#", at_dial),
        ]
    ]
