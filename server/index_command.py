"""``hounsfield index``: the attributes to search for, on the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from hounsfield.archive import index_attributes
from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import HounsfieldError, InvalidQuery
from hounsfield.archive.index_attributes import IndexAttribute
from hounsfield.archive.matching import name_of
from hounsfield.archive.search import Level
from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.dicomweb.queries import parse_path
from hounsfield.server.startup import await_database, database_url

Say = Callable[[str], None]


def add(
    settings: Settings, say: Say, attribute: str, level: str, vr: str | None, creator: str
) -> None:
    """Index an attribute."""
    with _archive(settings) as archive:
        path, of = parse_path(attribute), _level(level)
        say(_line(index_attributes.add(archive, path, of, vr=vr, private_creator=creator)))


def show(settings: Settings, say: Say) -> None:
    """Every attribute, a line each."""
    with _archive(settings) as archive:
        for attribute in index_attributes.read(archive):
            say(_line(attribute))


def remove(settings: Settings, say: Say, attribute: str, level: str) -> None:
    """Take an attribute out of the index."""
    with _archive(settings) as archive:
        wanted = (".".join(parse_path(attribute)), _level(level).value)
        for each in index_attributes.read(archive):
            if (each.path, each.level) == wanted:
                index_attributes.remove(archive, each.id)
                say(f"{attribute} is no longer indexed")
                return
        raise InvalidQuery(f"{attribute} is not indexed on the {level} level")


def _line(attribute: IndexAttribute) -> str:
    name = name_of(tuple(attribute.path.split(".")))
    return f"{name} ({attribute.vr}, {attribute.level}): {attribute.progress}"


def _level(name: str) -> Level:
    try:
        return Level(name)
    except ValueError:
        raise InvalidQuery("the level is study, series or instance") from None


@contextmanager
def _archive(settings: Settings) -> Iterator[Archive]:
    """The archive of a server that runs; what goes wrong is said in a sentence."""
    url = database_url(settings)
    await_database(url, give_up=lambda: True)
    database = settings.database.model_copy(update={"url": SecretStr(url)})
    archive = Archive(settings.model_copy(update={"database": database}))
    try:
        yield archive
    except HounsfieldError as error:
        raise CannotStart(str(error)) from None
    finally:
        archive.close()
