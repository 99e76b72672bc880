"""What an association asks of a service class: one request, from command set to answer."""

from typing import Protocol

from hounsfield.dimse.command import Request
from hounsfield.dimse.status import UNRECOGNIZED_OPERATION, Status


class Operation(Protocol):
    """A request being performed. Nothing that :meth:`write` meets may end the association:
    what is wrong with a data set is said by the status, once all of it has come."""

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes of the data set; they are valid during this call alone."""

    def finish(self) -> Status:
        """All has come: perform it and say how it went."""

    def abort(self) -> None:
        """The association ended first: leave nothing behind."""


class Unrecognized:
    """An operation that nobody here performs: its data set is let pass (PS3.7 C.5, 0211H)."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def write(self, fragment: memoryview) -> None:
        """Let it pass."""

    def finish(self) -> Status:
        """Say so."""
        command = f"{self._request.command_field:04X}H"
        return Status(UNRECOGNIZED_OPERATION, f"operation {command} is not performed here")

    def abort(self) -> None:
        """There is nothing to leave behind."""
