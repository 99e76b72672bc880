"""What a command needs that administers a server which runs: its settings and its database."""

from collections.abc import Iterator
from contextlib import contextmanager

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError
from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.server.startup import await_database, database_url, with_database


@contextmanager
def open_archive(settings: Settings) -> Iterator[Archive]:
    """The archive of a server that runs; what goes wrong is said in a sentence."""
    await_database(database_url(settings), give_up=lambda: True)
    archive = Archive(with_database(settings))
    try:
        yield archive
    except HounsfieldError as error:
        raise CannotStart(str(error)) from None
    finally:
        archive.close()
