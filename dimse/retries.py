"""When what a peer did not take is tried again, and when not any more."""

import datetime as dt

from hounsfield.conf.settings import OutgoingSettings

FACTOR = 3.0
MOST_TRIPLINGS = 16


def wait_after(settings: OutgoingSettings, attempt: int) -> float:
    """Seconds to wait after the attempt of this number, from 0."""
    wait = settings.retry_seconds * FACTOR ** min(attempt, MOST_TRIPLINGS)
    return min(wait, settings.longest_retry_seconds)


def is_over(settings: OutgoingSettings, since: dt.datetime) -> bool:
    """Whether it has been tried for long enough."""
    age = (dt.datetime.now(dt.UTC) - since).total_seconds()
    return age > settings.give_up_seconds
