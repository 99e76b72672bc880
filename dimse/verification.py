"""Verification service class as SCP: C-ECHO (PS3.4 A, PS3.7 9.1.5)."""

from hounsfield.dimse.command import Request
from hounsfield.dimse.negotiation import AcceptedContext
from hounsfield.dimse.sop_classes import VERIFICATION
from hounsfield.dimse.status import SOP_CLASS_NOT_SUPPORTED, SUCCESS, Status


class Echo:
    """One C-ECHO."""

    def __init__(self, request: Request, context: AcceptedContext) -> None:
        self._fits = request.sop_class_uid == context.abstract_syntax == VERIFICATION

    def write(self, fragment: memoryview) -> None:
        """A C-ECHO has no data set; let pass what comes all the same."""

    def finish(self) -> Status:
        """We are here."""
        if not self._fits:
            return Status(SOP_CLASS_NOT_SUPPORTED, "not the SOP class of this context")
        return SUCCESS

    def abort(self) -> None:
        """There is nothing to leave behind."""
