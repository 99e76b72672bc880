"""Why something does not start: one type, whose message is written for whoever started it."""


class CannotStart(RuntimeError):
    """Something is not as it must be; the message is a sentence that says what to do."""
