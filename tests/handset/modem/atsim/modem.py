"""The modem: its radio and SIM, and which command is answered by whom."""

import re

import answers
from calls import EMERGENCY, EMERGENCY_WITHOUT_SIM, Calls
from data import Data
from refusal import Prompt, Refused
from texts import Texts

OK, ERROR = "OK", "ERROR"
NO_SIM, LOCKED, WRONG_PIN, NO_NETWORK = (f"+CME ERROR: {n}" for n in (10, 11, 16, 30))
AS_TEXT_ERROR = {NO_SIM: "+CMS ERROR: 310", LOCKED: "+CMS ERROR: 311",
                 NO_NETWORK: "+CMS ERROR: 331"}
HOME, ROAMING = 1, 5
BETWEEN_QUOTES = r'(?=(?:[^"]*"[^"]*")*[^"]*$)'


class Modem:
    """write(text) is the line; later(seconds, what) calls what() after that time."""

    def __init__(self, write, log, later):
        self.write = write
        self.log = log
        self.later = later
        self.signal = 20
        self.network = HOME  # what +CREG says while radio and SIM are well
        self.sim = True
        self.pin = None
        self.silent = False
        self.nonsense = False
        self.late = 0
        self.texts = Texts(self.event, log, self.may_send)
        self.calls = Calls(self.event, log, later)
        self.data = Data(log, self.need_network)
        self.power_on()

    def power_on(self):
        self.radio = 1
        self.locked = self.pin is not None
        self.operator_format = 0
        self.reports = {"CREG": 2, "CGREG": 2, "CEREG": 2}
        self.rest = None  # of the command that waits for a PDU
        self.texts.power_on()
        self.calls.power_on()
        self.data.power_on()

    def reset(self, seconds):
        """Nothing is answered for a while, then all is as after power on."""
        self.power_on()
        self.silent = True

        def back():
            self.silent = False
            self.log("ready again")

        self.later(seconds, back)

    # What leaves by the line.

    def event(self, text):
        if not self.silent and self.data.connected is None:
            self.write(f"\r\n{text}\r\n")

    def answer(self, text):
        if self.nonsense:
            text = "\r\n\x07{]\u00a7 +C: ,,\"\r\n"
        if self.late:
            self.later(self.late, lambda: self.silent or self.write(text))
        else:
            self.write(text)

    def reply(self, text=None, final=OK):
        self.answer((f"\r\n{text}\r\n" if text else "") + f"\r\n{final}\r\n")

    # What comes by it.

    def line(self, text):
        """One line, without its "AT": "A;B" are two commands with one final result."""
        self.log(f"AT{text}")
        if self.silent:
            return
        self.data.ended()  # where a modem hears that the line was let go (DTR)
        dials = text[:1].upper() == "D"
        commands = [text] if dials else re.split(";" + BETWEEN_QUOTES, text)
        self.finish(lambda: "\r\n".join(filter(None, map(self.command, commands))))

    def pdu(self, text):
        """What was asked for by a prompt; None: the phone thought better of it."""
        rest, self.rest = self.rest, None
        if not self.silent:
            self.finish(lambda: rest(text) if text else None)

    def finish(self, what):
        try:
            self.reply(what())
        except Refused as refused:
            self.reply(final=str(refused))
        except Prompt as prompt:
            self.rest = prompt.then
            self.answer("\r\n> ")

    def command(self, text):
        upper = text.upper()
        if upper in answers.FIXED:
            return answers.FIXED[upper]
        if upper in answers.OF_THE_SIM:
            self.need_sim()
            return answers.OF_THE_SIM[upper]
        for whose, commands in ((self.data, Data.COMMANDS), (self, self.COMMANDS), (self.texts, Texts.COMMANDS),
                                (self.calls, Calls.COMMANDS)):
            for pattern, action in commands:
                if match := pattern.fullmatch(upper):
                    return action(whose, match)
        if re.match(answers.ACCEPTED, upper):
            return None
        raise Refused(ERROR)

    # SIM and network.

    def need_sim(self, unlocked=True):
        if not self.sim:
            raise Refused(NO_SIM)
        if self.locked and unlocked:
            raise Refused(LOCKED)

    def registered(self):
        """The <stat> of +CREG."""
        return self.network if self.radio == 1 and self.sim and not self.locked else 0

    def need_network(self):
        self.need_sim()
        if self.registered() not in (HOME, ROAMING):
            raise Refused(NO_NETWORK)

    def may_send(self):
        try:
            self.need_network()
        except Refused as refused:
            raise Refused(AS_TEXT_ERROR[str(refused)]) from None

    def registration(self, kind, prefix=""):
        """Its line, as an event or (with a prefix) as an answer."""
        cell = ',"0001","00000001",7' if self.reports[kind] == 2 else ""
        return f"+{kind}: {prefix}{self.registered()}{cell}"

    def changed(self, what):
        """Does it, and reports each registration when that changed it."""
        before = self.registered()
        what()
        for kind, reports in self.reports.items():
            if reports and before != self.registered():
                self.event(self.registration(kind))

    # Commands.

    def at_signal(self, _):
        return f"+CSQ: {self.signal},99"

    def at_registration(self, match):
        return self.registration(match[1], f"{self.reports[match[1]]},")

    def at_reports(self, match):
        self.reports[match[1]] = int(match[2])

    def at_radio(self, match):
        if match[1] is None:
            return f"+CFUN: {self.radio}"
        if match[2]:  # after the OK
            return self.later(0, lambda: self.reset(5))
        self.changed(lambda: setattr(self, "radio", int(match[1])))
        if self.radio != 1:
            self.calls.ended()
        return None

    def at_operator(self, match):
        if match[1]:
            self.operator_format = int(match[1])
            return None
        if self.registered() not in (HOME, ROAMING):
            return "+COPS: 0"
        name = '"00101"' if self.operator_format == 2 else '"TestNet"'
        return f"+COPS: 0,{self.operator_format},{name},7"

    def at_pin(self, match):
        self.need_sim(unlocked=False)
        if match[0].endswith("?"):
            return "+CPIN: SIM PIN" if self.locked else "+CPIN: READY"
        if match[1] != self.pin:
            raise Refused(WRONG_PIN)
        return self.changed(lambda: setattr(self, "locked", False))

    def at_pin_wanted(self, _):
        self.need_sim(unlocked=False)
        return f"+CLCK: {int(self.pin is not None)}"

    def at_tries(self, _):
        self.need_sim(unlocked=False)
        return '+CSIM: 4,"63C3"'

    def at_sim_file(self, match):
        self.need_sim()
        command, number = match[1], match[2]
        data = answers.SIM_FILES.get(number)
        if data is None:
            return "+CRSM: 106,130"
        if command == "192":
            size = len(data) // 2
            return f'+CRSM: 144,0,"0000{size:04X}{int(number):04X}040000000102"'
        return f'+CRSM: 144,0,"{data}"'

    def at_dial(self, match):
        """An emergency call needs no SIM and no network of one's own, but the radio."""
        number = match[1]
        if number not in (EMERGENCY if self.sim else EMERGENCY_WITHOUT_SIM):
            self.need_network()
        if self.radio != 1:
            raise Refused(NO_NETWORK)
        self.calls.dial(number)

    COMMANDS = [
        (re.compile(pattern), action)
        for pattern, action in [
            (r"\+CSQ", at_signal),
            (r"\+(CE?G?REG)\?", at_registration),
            (r"\+(CE?G?REG)=(\d)", at_reports),
            (r"\+CFUN(?:\?|=(\d)(,1)?.*)", at_radio),
            (r"\+COPS(?:\?|=3,(\d))", at_operator),
            (r'\+CPIN(?:\?|="?(\d+)"?)', at_pin),
            (r'\+CLCK="SC",2.*', at_pin_wanted),
            (r'\+CSIM=10,"00(?:20|2C)00[0-9A-F]{2}00"', at_tries),
            (r"\+CRSM=(\d+),(\d+).*", at_sim_file),
            (r"D([0-9*#+A-D]+)I?;?", at_dial),
        ]
    ]
