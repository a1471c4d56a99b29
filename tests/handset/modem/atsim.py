#!/usr/bin/python3
"""An AT modem (3GPP 27.007, 27.005) at one end of a serial line, good enough for ModemManager.

Texts go in and out in PDU mode, calls both ways. Every command and every event is a line in the
log. The control FIFO takes one event a line: "sms PDU", "ring NUMBER", "hangup", "signal 0..31".
Never part of a real phone."""

import argparse
import os
import re
import select
import termios
import tty

OK, ERROR = "OK", "ERROR"

# Exact commands with one fixed answer (None: the answer is only OK).
FIXED = {
    "": None,
    "I": "pmos handset modem\r\nrevision 1",
    "+CGMI": "pmos",
    "+CGMM": "handset modem",
    "+CGMR": "1",
    "+CGSN": "490154203237518",
    "+GMI": "pmos",
    "+GMM": "handset modem",
    "+GMR": "1",
    "+GSN": "490154203237518",
    "+GCAP": "+GCAP: +CGSM",
    "+CLAC": "+CGMI\r\n+CGMM\r\n+CGSN",
    "+CIMI": "001010123456789",
    "+CPIN?": "+CPIN: READY",
    '+CLCK="SC",2': "+CLCK: 0",
    "+CNUM": '+CNUM: "","+15551234",145',
    "+CFUN=?": "+CFUN: (0,1,4),(0)",
    "+CBC": "+CBC: 0,90",
    "+WS46=?": "+WS46: (12,22,25,28,29,30,31)",
    "+WS46?": "+WS46: 25",
    "+COPS=?": '+COPS: (2,"TestNet","TestNet","00101",7),,(0-4),(0-2)',
    "+CGATT?": "+CGATT: 1",
    "+CGACT?": "+CGACT: 1,0",
    "+CGDCONT?": '+CGDCONT: 1,"IP","internet","0.0.0.0",0,0',
    "+CGDCONT=?": '+CGDCONT: (1-16),"IP",,,(0-2),(0-4)\r\n+CGDCONT: (1-16),"IPV6",,,(0-2),(0-4)',
    "+CMGF=?": "+CMGF: (0,1)",
    "+CMGF?": "+CMGF: 0",
    "+CSMS=?": "+CSMS: (0,1)",
    "+CSMS?": "+CSMS: 0,1,1,1",
    "+CSMS=0": "+CSMS: 1,1,1",
    "+CSMS=1": "+CSMS: 1,1,1",
    "+CNMI=?": "+CNMI: (0-2),(0-3),(0-3),(0-2),(0,1)",
    "+CMGL=?": "+CMGL: (0-4)",
    "+CMGW=?": None,
    "+CPMS=?": '+CPMS: ("SM","ME","MT"),("SM","ME","MT"),("SM","ME","MT")',
    "+CSCA?": '+CSCA: "+15550000",145',
    "+CSCS=?": '+CSCS: ("IRA","GSM","UCS2")',
    "+CSCS?": '+CSCS: "GSM"',
    "+CIND=?": '+CIND: ("battchg",(0-5)),("signal",(0-5)),("service",(0-1)),("call",(0-1)),'
    '("roam",(0-1)),("smsfull",(0-1))',
    "+CIND?": "+CIND: 5,4,1,0,0,0",
    "+CMER=?": "+CMER: (0-3),(0),(0),(0-1),(0)",
    "+CHLD=?": "+CHLD: (0,1,2,3,1x,2x)",
    "+VTS=?": "+VTS: (0-9,*,#,A-D)",
    "+CLIP?": "+CLIP: 1,1",
    "+CPBS=?": '+CPBS: ("SM")',
    "+CRC=?": "+CRC: (0,1)",
    "+CUSD=?": "+CUSD: (0-2)",
    "+CCWA=?": "+CCWA: (0,1)",
    "+SIMSTATE?": "+SIMSTATE: 1",
}

# SIM files by number (3GPP 31.102): ICCID, IMSI, AD, SPN, ...
SIM_FILES = {
    "12258": "980110325476981032F4",
    "28589": "00000002",
    "28486": "00546573744E6574FFFFFFFFFFFFFFFFFF",
    "28421": "FFFFFFFF",
    "12037": "656E",
    "28613": "FF",
    "28439": "0000000000",
}

# Settings that a driver makes and that change nothing here.
ACCEPTED = re.compile(
    r"[EQVXZ&]|\+(CMEE|CREG|CGREG|CEREG|COPS|CFUN|CMGF|CNMI|CSCS|CSCA|CPIN|CMER|CIND|CLIP|CRC|CSSN"
    r"|CCWA|COLP|CGDCONT|CGACT|CGATT|CGEREP|CTZU|CTZR|CRSM|CLCK|CPBS|CUSD|WS46|VTS|CVHU|CSDH"
    r"|CGEQREQ|CGAUTH|CCLK|CSIM|CMOD|IPR|IFC|ICF|CSTA|CBST|CMUT|CLVL)\b",
)


class Modem:
    def __init__(self, write, log):
        self.write = write
        self.log = log
        self.signal = 20
        self.radio = 1
        self.operator_format = 0
        self.registration_reports = {"CREG": 2, "CGREG": 2, "CEREG": 2}
        self.calls = []  # dicts: incoming, state (27.007 +CLCC), number
        self.messages = {}  # index: (status, pdu)
        self.pdu_for = None  # the command that waits for a PDU

    def reply(self, text=None, final=OK):
        if text:
            self.write(f"\r\n{text}\r\n")
        self.write(f"\r\n{final}\r\n")

    def event(self, text):
        self.write(f"\r\n{text}\r\n")

    # Commands whose answer depends on the modem's state.

    def at_signal(self, _):
        self.reply(f"+CSQ: {self.signal},99")

    def at_registration(self, match):
        kind = match[1]
        self.reply(f'+{kind}: {self.registration_reports[kind]},1,"0001","00000001",7')

    def at_set_registration(self, match):
        self.registration_reports[match[1]] = int(match[2])
        self.reply()

    def at_radio(self, match):
        if match[1]:
            self.radio = int(match[1])
            return self.reply()
        return self.reply(f"+CFUN: {self.radio}")

    def at_operator(self, match):
        if match[1]:
            self.operator_format = int(match[1])
            return self.reply()
        name = '"00101"' if self.operator_format == 2 else '"TestNet"'
        return self.reply(f"+COPS: 0,{self.operator_format},{name},7")

    def at_sim_file(self, match):
        command, number = match[1], match[2]
        data = SIM_FILES.get(number)
        if data is None:
            return self.reply("+CRSM: 106,130")
        if command == "192":
            size = len(data) // 2
            return self.reply(f'+CRSM: 144,0,"0000{size:04X}{int(number):04X}040000000102"')
        return self.reply(f'+CRSM: 144,0,"{data}"')

    def at_dial(self, match):
        self.calls.append({"incoming": 0, "state": 3, "number": match[1]})
        self.log(f"dial {match[1]}")
        self.reply()

    def at_answer(self, _):
        for call in self.calls:
            call["state"] = 0
        self.reply()

    def at_hang_up(self, _):
        self.calls.clear()
        self.log("hung up")
        self.reply()

    def at_calls(self, _):
        lines = [
            f'+CLCC: {index},{call["incoming"]},{call["state"]},0,0,"{call["number"]}",129'
            for index, call in enumerate(self.calls, 1)
        ]
        for call in self.calls:
            if not call["incoming"] and call["state"] == 3:
                call["state"] = 0  # the other side picks up between two looks
        self.reply("\r\n".join(lines))

    def at_storage(self, match):
        used = len(self.messages)
        if match[0].endswith("?"):
            return self.reply("+CPMS: " + ",".join([f'"ME",{used},50'] * 3))
        return self.reply("+CPMS: " + ",".join([f"{used},50"] * 3))

    def at_pdu(self, match):
        self.pdu_for = match[1]
        self.write("\r\n> ")

    @staticmethod
    def pdu_length(pdu):
        """The length that 27.005 wants: without the service centre's address before it."""
        return len(pdu) // 2 - 1 - int(pdu[:2], 16)

    def at_list(self, _):
        lines = [
            f"+CMGL: {index},{status},,{self.pdu_length(pdu)}\r\n{pdu}"
            for index, (status, pdu) in self.messages.items()
        ]
        self.reply("\r\n".join(lines))

    def at_read(self, match):
        if int(match[1]) not in self.messages:
            return self.reply(final="+CMS ERROR: 321")
        status, pdu = self.messages[int(match[1])]
        return self.reply(f"+CMGR: {status},,{self.pdu_length(pdu)}\r\n{pdu}")

    def at_delete(self, match):
        self.messages.pop(int(match[1]), None)
        self.reply()

    def at_send_stored(self, match):
        if int(match[1]) not in self.messages:
            return self.reply(final="+CMS ERROR: 321")
        self.log(f"sms out {self.messages[int(match[1])][1]}")
        return self.reply("+CMSS: 7")

    COMMANDS = [
        (re.compile(pattern + r"$"), action)
        for pattern, action in [
            (r"\+CSQ", at_signal),
            (r"\+(CE?G?REG)\?", at_registration),
            (r"\+(CE?G?REG)=(\d)", at_set_registration),
            (r"\+CFUN(?:\?|=(\d).*)", at_radio),
            (r"\+COPS(?:\?|=3,(\d))", at_operator),
            (r"\+CRSM=(\d+),(\d+).*", at_sim_file),
            (r"D([^;]*);?", at_dial),
            (r"A", at_answer),
            (r"(?:H\d?|\+CHUP|\+CHLD=[0-9].*)", at_hang_up),
            (r"\+CLCC", at_calls),
            (r"\+CPMS(?:\?|=[^?].*)", at_storage),
            (r"\+CMG([SW])=\d.*", at_pdu),
            (r"\+CMGL(?:=\d)?", at_list),
            (r"\+CMGR=(\d+)", at_read),
            (r"\+CMGD=(\d+).*", at_delete),
            (r"\+CMSS=(\d+).*", at_send_stored),
        ]
    ]

    def command(self, text):
        self.log(f"AT{text}")
        upper = text.upper()
        if upper in FIXED:
            return self.reply(FIXED[upper])
        if re.fullmatch(r"\+CE?G?REG=\?", upper):
            return self.reply(f"{upper[:-2]}: (0-2)")
        for pattern, action in self.COMMANDS:
            if match := pattern.match(text if upper.startswith("D") else upper):
                return action(self, match)
        return self.reply(final=OK if ACCEPTED.match(upper) else ERROR)

    def pdu(self, text):
        command, self.pdu_for = self.pdu_for, None
        if command == "S":
            self.log(f"sms out {text}")
            return self.reply("+CMGS: 5")
        return self.reply(f"+CMGW: {self.store(2, text)}")

    def store(self, status, pdu):
        index = max(self.messages, default=0) + 1
        self.messages[index] = (status, pdu)
        return index

    def control(self, line):
        verb, _, value = line.partition(" ")
        self.log(f"control {line}")
        if verb == "sms":
            self.event(f'+CMTI: "ME",{self.store(0, value)}')
        elif verb == "ring":
            self.calls.append({"incoming": 1, "state": 4, "number": value})
            self.event("RING")
            self.event(f'+CLIP: "{value}",129')
        elif verb == "hangup":
            self.calls.clear()
            self.event("NO CARRIER")
        elif verb == "signal":
            self.signal = int(value)


class Line:
    """Cuts the bytes of a serial line into commands and PDUs."""

    def __init__(self, modem):
        self.modem = modem
        self.buffer = b""

    def take(self, data):
        self.buffer += data
        while self._one():
            pass

    def _one(self):
        if self.modem.pdu_for:
            match = re.search(rb"[\x1a\x1b]", self.buffer)  # Ctrl-Z ends a PDU, Esc drops it
        else:
            match = re.search(rb"[\r\n]", self.buffer)
        if not match:
            return False
        text = self.buffer[: match.start()].decode(errors="replace").strip()
        self.buffer = self.buffer[match.end() :]
        if self.modem.pdu_for:
            if match[0] == b"\x1a":
                self.modem.pdu(text)
            else:
                self.modem.pdu_for = None
                self.modem.reply()
        elif text[:2].upper() == "AT":
            self._commands(text[2:])
        return True

    def _commands(self, text):
        # "A;B" is two commands with one final result; here only the last answers.
        if text[:1].upper() != "D" and ";" in text[:-1]:
            *quiet, text = text.split(";")
            for command in quiet:
                self.modem.log(f"AT{command}")
        self.modem.command(text)


def open_line(path):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(fd)
    settings = termios.tcgetattr(fd)
    settings[2] = (settings[2] | termios.CLOCAL | termios.CREAD) & ~termios.CRTSCTS
    settings[4] = settings[5] = termios.B115200
    termios.tcsetattr(fd, termios.TCSANOW, settings)
    return fd


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("line", help="the tty to answer on")
    parser.add_argument("--log", required=True)
    parser.add_argument("--control", required=True, help="a FIFO, made when it is missing")
    args = parser.parse_args()

    if not os.path.exists(args.control):
        os.mkfifo(args.control, 0o600)
    control = os.open(args.control, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    line = open_line(args.line)
    with open(args.log, "a", buffering=1, encoding="ascii", errors="replace") as log:
        modem = Modem(lambda text: os.write(line, text.encode()), lambda text: print(text, file=log))
        cutter = Line(modem)
        while True:
            readable, _, _ = select.select([line, control], [], [])
            if control in readable:
                for text in os.read(control, 65536).decode().splitlines():
                    modem.control(text)
            if line in readable:
                cutter.take(os.read(line, 4096))


if __name__ == "__main__":
    main()
