"""What an association asks of a service class: one request, from command set to answer."""

from typing import Protocol

from hounsfield.dimse.command import Request
from hounsfield.dimse.status import UNRECOGNIZED_OPERATION, Status


class Operation(Protocol):
    """A request being performed. Nothing that :meth:`write` meets may end the association:
    what is wrong with a data set is said by the status, once all of it has come.

    One that answers more than once, or sends requests of its own, has an
    :class:`~hounsfield.dimse.exchange.Exchange` for it. One that has a method ``afterwards``
    is told when its final answer has been sent.
    """

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set; they are valid during this call alone."""

    def finish(self) -> Status:
        """All has come: perform it and say how it went in the end."""

    def abort(self) -> None:
        """The association ended first: leave nothing behind."""


class Refused:
    """An operation that is not performed: its data set is let pass."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def write(self, fragment: memoryview) -> None:
        """Let it pass."""

    def finish(self) -> Status:
        """Say so."""
        return self._status

    def abort(self) -> None:
        """There is nothing to leave behind."""


def unrecognized(request: Request) -> Refused:
    """An operation that nobody here performs (PS3.7 C.5, 0211H)."""
    command = f"{request.command_field:04X}H"
    return Refused(Status(UNRECOGNIZED_OPERATION, f"operation {command} is not performed here"))
