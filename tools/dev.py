"""`./dev VERB`: everything that a developer does with a checkout.

demo    set up, start everything, send a study, wait for the AI result, stay up until Ctrl-C
test    set up and run lint, types, unit, integration, front-end and browser tests
lint    ruff, mypy and the floors' contract
conformance  write the table of resources in CONFORMANCE.md from the routes
bench   measure speed; `--peer orthanc` runs Debian's Orthanc beside it
start   start the server in the background      logs    follow what it says
down    stop it                                 shell   a shell in its environment
help    this text
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import environment, running, testing

VERBS = {
    "demo": running.demo,
    "test": testing.test,
    "lint": testing.lint,
    "conformance": testing.conformance,
    "bench": running.bench,
    "start": running.start,
    "logs": running.logs,
    "down": running.down,
    "shell": running.shell,
}


def main(arguments: list[str]) -> int:
    """Run a verb; the exit status of what it ran."""
    verb, *rest = arguments or ["help"]
    if verb in {"help", "-h", "--help"}:
        print(__doc__)
        return 0
    if verb not in VERBS:
        print(f"./dev {verb}: no such verb\n\n{__doc__}", file=sys.stderr)
        return 2
    environment.make_python()
    try:
        return VERBS[verb](rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
