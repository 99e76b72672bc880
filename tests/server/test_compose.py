"""The compose file, checked without an engine: what it says exists, and it says it right."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from hounsfield.conf.settings import Settings
from hounsfield.server.cli import app

ROOT = Path(__file__).resolve().parents[2]
OURS = ("schema", "web", "dimse", "worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_each_part_is_a_service_with_a_command_that_exists(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"database", *OURS}
    for name in OURS:
        command: Any = get_command(app)
        for word in compose["services"][name]["command"]:
            command = command.commands[word]


def test_each_setting_exists_and_takes_its_value(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OURS:
        for key, value in compose["services"][name]["environment"].items():
            setting: Any = Settings
            for word in key.removeprefix("HOUNSFIELD_").lower().split("__"):
                setting = setting.model_fields[word].annotation
            monkeypatch.setenv(key, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    url = Settings().database.url
    assert url is not None
    assert url.get_secret_value().endswith("@/hounsfield?host=/var/run/postgresql")


def test_nothing_listens_beyond_loopback_and_no_secret_is_written_down(
    compose: dict[str, Any],
) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert "ports:" not in text
    assert "0.0.0.0" not in text
    assert compose["services"]["database"]["network_mode"] == "none"
    passwords = re.findall(r"PASSWORD: (.*)", text)
    assert all(password.startswith('"${HOUNSFIELD_DB_PASSWORD') for password in passwords)


def test_each_build_target_is_a_stage_of_the_dockerfile(compose: dict[str, Any]) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.M))
    for name in OURS:
        assert compose["services"][name]["build"]["target"] in stages
    for path in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M):
        assert all((ROOT / part).exists() for part in path.split())


def test_volumes_that_are_mounted_are_declared(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]
