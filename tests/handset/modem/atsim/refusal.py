"""How a command ends when not with OK."""


class Refused(Exception):
    """The final result is this one, and not OK."""


class Prompt(Exception):
    """The command is not complete: a PDU follows, and `then` takes it and answers."""

    def __init__(self, then):
        super().__init__()
        self.then = then
