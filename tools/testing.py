"""`./dev lint` and `./dev test`: the same checks on a laptop and in CI."""

import subprocess
import time

from tools import environment
from tools.steps import say

TWO_AT_ONCE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
CODE = [*environment.ROOMS, "tests", "bench", "tools", "docs"]


def lint(arguments: list[str]) -> int:
    """Style, types and floors; every check runs, the first failure's status is returned."""
    environment.make_links()
    packages = [word for room in environment.ROOMS for word in ("-p", f"hounsfield.{room}")]
    return _all(
        ("ruff", [_program("ruff"), "check", *CODE]),
        ("formatting", [_program("ruff"), "format", "--check", *CODE]),
        ("types", [_program("mypy"), *packages]),
        ("types beside the rooms", [_program("mypy"), "bench", "tools", "docs/examples"]),
        ("floors", [_program("lint-imports"), "--no-cache"]),
    )


def test(arguments: list[str]) -> int:
    """Everything; with arguments, pytest alone with those."""
    if arguments:
        return _pytest(*arguments)
    environment.need_tools("storescu", "dciodvfy", "chromium")
    environment.make_viewer()
    front_end = [environment.npm(), "--prefix", str(environment.VIEWER), "run"]
    pytest = [str(environment.PYTHON), "-m", "pytest"]
    return _all(
        ("lint", None),
        ("front end: lint", [*front_end, "lint"]),
        ("front end: types", [*front_end, "typecheck"]),
        ("front end: tests", [*front_end, "test"]),
        # Two at once, a file at a time: most of them wait for processes, clocks and disks.
        ("unit and integration", [*pytest, "--ignore=tests/browser", *TWO_AT_ONCE]),
        # Apart: Playwright keeps an event loop of its own running until its process ends.
        ("browser", [*pytest, "tests/browser"]),
    )


def conformance(arguments: list[str]) -> int:
    """Write the table of resources in CONFORMANCE.md from the routes."""
    environment.make_links()
    command = [str(environment.PYTHON), "-m", "tools.conformance", *arguments]
    return subprocess.run(command, cwd=environment.ROOT, check=False).returncode


def _program(name: str) -> str:
    return str(environment.BIN / name)


def _pytest(*arguments: str) -> int:
    return _run([str(environment.PYTHON), "-m", "pytest", *arguments])


def _all(*checks: tuple[str, list[str] | None]) -> int:
    failed = []
    for title, command in checks:
        started = time.monotonic()
        say(f"── {title}")
        status = lint([]) if command is None else _run(command)
        say(
            f"── {title}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s"
        )
        if status != 0:
            failed.append((title, status))
    if failed:
        say(f"Failed: {', '.join(title for title, _ in failed)}")
        return failed[0][1]
    return 0


def _run(command: list[str]) -> int:
    return subprocess.call(command, cwd=environment.ROOT)
