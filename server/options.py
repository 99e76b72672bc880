"""What the commands share. Nothing is imported here that one of them may not need."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hounsfield.db.errors import CannotStart

if TYPE_CHECKING:
    from hounsfield.conf.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Overrides HOUNSFIELD_DATA_DIR.")]


def settings_of(data_dir: Path | None) -> "Settings":
    """The settings, or a sentence on what is wrong with them."""
    from pydantic import ValidationError  # noqa: PLC0415

    from hounsfield.conf.settings import get_settings  # noqa: PLC0415

    if data_dir is not None:
        os.environ["HOUNSFIELD_DATA_DIR"] = str(data_dir)
    try:
        return get_settings()
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()
        )
        raise CannotStart(f"The settings are not right: {wrong}") from None
