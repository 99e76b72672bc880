"""What can end an analysis, besides a result (they hang in the tree of archive/errors.py)."""

from typing import Literal

from hounsfield.archive.errors import CannotAnalyse, HounsfieldError, Permanent, Retriable

Cause = Literal["crash", "memory", "time", "garbage"]


class BundleRefused(Permanent):
    """A bundle that may not be loaded: wrong digest, a pickle, a target off the allow-list."""


class MissingSlices(CannotAnalyse):
    """The stack has holes; slices that are still on their way could fill them."""


class ChildFailed(Retriable):
    """The child process ended without a result; ``cause`` says which way."""

    def __init__(self, message: str, cause: Cause) -> None:
        super().__init__(message)
        self.cause: Cause = cause


class Cancelled(HounsfieldError):
    """Somebody asked for the analysis to end, and it has ended."""
