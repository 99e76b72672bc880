"""The models of this process: the register, read once, and each bundle checked once.

The child that runs a model checks its bytes again; here they are only named.
"""

from collections.abc import Iterable
from functools import cache

from hounsfield.archive.errors import CannotAnalyse, NotFound
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.errors import BundleRefused
from hounsfield.inference.registry import Registry


@cache
def registry() -> Registry:
    """The register of this installation."""
    return Registry()


@cache
def _checked(name: str) -> Bundle | str:
    """The model, or why it cannot run here."""
    try:
        return registry().bundle(name)
    except (BundleRefused, NotFound) as error:
        return error.message


def model(name: str) -> Bundle:
    """The model under this name. Raises CannotAnalyse with the reason why it cannot run here."""
    found = _checked(name)
    if isinstance(found, str):
        raise CannotAnalyse(
            f"The model {name} cannot run on this installation: {found.rstrip('.')}."
        )
    return found


def can_run(name: str) -> bool:
    """True where the model is installed here, and is the registered one."""
    return isinstance(_checked(name), Bundle)


def check_models(names: Iterable[str]) -> None:
    """Check them now, and not while a person waits for the first series."""
    for name in names:
        _checked(name)


def title_of(name: str) -> str:
    """What people call the model; its name where it is not installed here."""
    found = _checked(name) if name else ""
    return found.title if isinstance(found, Bundle) else name
