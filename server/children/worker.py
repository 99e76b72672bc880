"""One inference worker: takes jobs from the queue; a model runs in a child of its own."""

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import Settings
from hounsfield.inference.worker import run_worker
from hounsfield.server.children.control import Ready


def run(settings: Settings, ready: Ready) -> None:
    """Work until a signal; a job that is cut off goes back to the queue."""
    archive = Archive(settings)
    ready()
    try:
        run_worker(archive)
    finally:
        archive.close()
