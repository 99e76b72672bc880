"""The example configuration names every setting, with the value it has anyway."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from hounsfield.conf.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / "conf" / "hounsfield.example.toml"


def test_the_example_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOUNSFIELD_CONFIG", str(EXAMPLE))
    from_example = Settings()
    monkeypatch.setenv("HOUNSFIELD_CONFIG", str(tmp_path / "none.toml"))
    assert from_example == Settings()


def test_the_example_names_every_setting() -> None:
    # What has no default value stands there as a comment.
    text = re.sub(r"^# (\w+ = )", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    named = tomllib.loads(text)
    for name, value in Settings():
        assert name in named
        if isinstance(value, BaseModel):
            assert set(named[name]) == set(type(value).model_fields), name
