"""What the control FIFO understands, one event a line:

    sms NUMBER TEXT      a text comes (in parts, seconds apart, if it is long)
    sms-pdu HEX          the same as the network has it, well formed or not
    ring NUMBER          a call comes
    answer               the other side picks up what was dialled
    answer-after N       it does so N seconds after the dialling (never: not by itself)
    hangup               the other side ends all calls
    busy                 it refuses them
    signal N             0..31, 99 for unknown
    network N            registration: 0 off, 1 home, 2 searching, 3 denied, 5 roaming
    no-sim on|off        no SIM is in it
    pin PIN              the SIM wants that (off: none), from now on
    reset [SECONDS]      silence, then as after power on; texts are kept
    late SECONDS         every answer comes that much later
    nonsense on|off      every answer is rubbish
"""

import pdu

PART_SECONDS = 3  # a network sends the next part when it knows that the last one has come


def sms(modem, value):
    number, _, text = value.partition(" ")
    first, *others = pdu.deliver(number, text)
    modem.texts.deliver(first)
    for count, part in enumerate(others, 1):
        modem.later(count * PART_SECONDS, lambda part=part: modem.texts.deliver(part))


def answer_after(modem, value):
    modem.calls.answer_after = None if value == "never" else float(value)


def pin(modem, value):
    def change():
        modem.pin = None if value == "off" else value
        modem.locked = modem.pin is not None

    modem.changed(change)


def switch(name, by_on):
    def change(modem, value):
        if value not in ("on", "off"):
            raise ValueError(value)
        modem.changed(lambda: setattr(modem, name, by_on == (value == "on")))

    return change


VERBS = {
    "sms": sms,
    "sms-pdu": lambda modem, value: modem.texts.deliver(value),
    "ring": lambda modem, value: modem.calls.ring(value),
    "answer": lambda modem, _: modem.calls.answered(),
    "answer-after": answer_after,
    "hangup": lambda modem, _: modem.calls.ended(),
    "busy": lambda modem, _: modem.calls.ended("BUSY"),
    "signal": lambda modem, value: setattr(modem, "signal", int(value)),
    "network": lambda modem, value: modem.changed(lambda: setattr(modem, "network", int(value))),
    "no-sim": switch("sim", by_on=False),
    "pin": pin,
    "reset": lambda modem, value: modem.reset(float(value or 5)),
    "late": lambda modem, value: setattr(modem, "late", float(value)),
    "nonsense": switch("nonsense", by_on=True),
}


def control(modem, line):
    verb, _, value = line.strip().partition(" ")
    modem.log(f"control {line}")
    try:
        VERBS[verb](modem, value)
    except (KeyError, ValueError) as error:
        modem.log(f"control: not understood: {error!r}")
