"""``hounsfield index``: the attributes to search for, on the command line."""

from collections.abc import Callable

from hounsfield.archive import index_attributes
from hounsfield.archive.errors import InvalidQuery
from hounsfield.archive.index_attributes import IndexAttribute
from hounsfield.archive.matching import name_of
from hounsfield.archive.search import Level
from hounsfield.conf.settings import Settings
from hounsfield.dicomweb.queries import parse_path
from hounsfield.server.administering import open_archive

Say = Callable[[str], None]


def add(
    settings: Settings, say: Say, attribute: str, level: str, vr: str | None, creator: str
) -> None:
    """Index an attribute."""
    with open_archive(settings) as archive:
        path, of = parse_path(attribute), _level(level)
        say(_line(index_attributes.add(archive, path, of, vr=vr, private_creator=creator)))


def show(settings: Settings, say: Say) -> None:
    """Every attribute, a line each."""
    with open_archive(settings) as archive:
        for attribute in index_attributes.read(archive):
            say(_line(attribute))


def remove(settings: Settings, say: Say, attribute: str, level: str) -> None:
    """Take an attribute out of the index."""
    with open_archive(settings) as archive:
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
