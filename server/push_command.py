"""``hounsfield push``: a study or series to a peer, followed until it has ended."""

import time
from collections.abc import Callable

from hounsfield.archive import pushes
from hounsfield.archive.pushes import Progress
from hounsfield.conf.settings import Settings
from hounsfield.server.administering import open_archive

Say = Callable[[str], None]

LOOK_SECONDS = 0.5


def push(
    settings: Settings,
    say: Say,
    ae_title: str,
    study: str,
    series: str | None,
    *,
    commit: bool | None,
    wait: bool,
) -> bool:
    """Queue it, and say how far it is as it changes; whether it went well, as far as is known."""
    with open_archive(settings) as archive:
        progress = pushes.create(archive, ae_title, study, series, commit=commit)
        say(f"Push {progress.push.id} to {ae_title} is queued; it goes on without this command.")
        last = ""
        while wait:
            line = _line(progress)
            if line != last:
                say(line)
                last = line
            if progress.push.has_ended:
                break
            time.sleep(LOOK_SECONDS)
            progress = pushes.find(archive, progress.push.id)
        for entry in progress.failed:
            say(f"  {entry.sop_instance_uid}: {entry.reason}")
        return progress.push.state not in ("failed", "canceled")


def _line(progress: Progress) -> str:
    counts = progress.counts
    parts = [
        f"{counts[state]} {state}"
        for state in ("queued", "sent", "committed", "failed")
        if counts.get(state)
    ]
    reason = f" ({progress.push.reason})" if progress.push.reason else ""
    return f"{progress.push.state}{reason}: {', '.join(parts) or 'not begun'}"
