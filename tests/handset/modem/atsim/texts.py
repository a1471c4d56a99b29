"""The modem's texts: one memory ("ME"), PDU mode. They outlive a reset."""

import re

import pdu
from refusal import Prompt, Refused

UNREAD, READ, UNSENT, SENT, ALL = 0, 1, 2, 3, 4
CAPACITY = 50
BAD_PDU, NO_SUCH, FULL = (f"+CMS ERROR: {n}" for n in (304, 321, 322))


class Texts:
    def __init__(self, event, log, may_send):
        self.event = event
        self.log = log
        self.may_send = may_send
        self.memory = {}  # index: [status, pdu]
        self.reference = 0
        self.announced = False

    def power_on(self):
        self.announced = False  # until +CNMI

    def store(self, status, text):
        try:
            pdu.length_of(text)
        except ValueError:
            raise Refused(BAD_PDU) from None
        free = [i for i in range(1, CAPACITY + 1) if i not in self.memory]
        if not free:
            raise Refused(FULL)
        self.memory[free[0]] = [status, text]
        return free[0]

    def deliver(self, text):
        """A PDU comes from the network."""
        try:
            index = self.store(UNREAD, text)
        except Refused as refused:
            return self.log(f"sms dropped: {refused}")
        if self.announced:
            self.event(f'+CMTI: "ME",{index}')

    def sent(self, text):
        """A PDU goes to the network; its reference there."""
        self.may_send()
        self.log(f"sms pdu {text}")
        try:
            number, words = pdu.submitted(text)
        except (ValueError, IndexError):
            raise Refused(BAD_PDU) from None
        self.log(f"sms out {number} {words}")
        self.reference = self.reference % 255 + 1
        return self.reference

    def at(self, index):
        if int(index) not in self.memory:
            raise Refused(NO_SUCH)
        return self.memory[int(index)]

    # Commands.

    def at_storage(self, match):
        used = len(self.memory)
        if match[0].endswith("?"):
            return "+CPMS: " + ",".join([f'"ME",{used},{CAPACITY}'] * 3)
        return "+CPMS: " + ",".join([f"{used},{CAPACITY}"] * 3)

    def at_announce(self, match):
        self.announced = match[1] == "1"

    def at_submit(self, match):
        """+CMGS, +CMGW: the PDU comes after a prompt, and what is done with it."""
        if match[1] == "S":
            raise Prompt(lambda text: f"+CMGS: {self.sent(text)}")
        raise Prompt(lambda text: f"+CMGW: {self.store(UNSENT, text)}")

    def at_list(self, match):
        wanted = int(match[1] or UNREAD)
        found = []
        for index, entry in self.memory.items():
            status, text = entry
            if wanted in (ALL, status):
                found.append(f"+CMGL: {index},{status},,{pdu.length_of(text)}\r\n{text}")
                entry[0] = READ if status == UNREAD else status
        return "\r\n".join(found)

    def at_read(self, match):
        entry = self.at(match[1])
        status, text = entry
        entry[0] = READ if status == UNREAD else status
        return f"+CMGR: {status},,{pdu.length_of(text)}\r\n{text}"

    def at_delete(self, match):
        self.at(match[1])
        del self.memory[int(match[1])]

    def at_send_stored(self, match):
        entry = self.at(match[1])
        reference = self.sent(entry[1])
        entry[0] = SENT
        return f"+CMSS: {reference}"

    COMMANDS = [
        (re.compile(pattern), action)
        for pattern, action in [
            (r"\+CPMS(?:\?|=[^?].*)", at_storage),
            (r"\+CNMI=\d,(\d).*", at_announce),
            (r"\+CMG([SW])=\d.*", at_submit),
            (r"\+CMGL(?:=(\d))?", at_list),
            (r"\+CMGR=(\d+)", at_read),
            (r"\+CMGD=(\d+).*", at_delete),
            (r"\+CMSS=(\d+).*", at_send_stored),
        ]
    ]
