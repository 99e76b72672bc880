"""The child process: one model on one series, then it ends.

Started as ``python -m hounsfield.inference.child <bytes of memory>``. It confines itself,
imports what every model needs, reads its request from stdin and answers on stdout (see
messages.py). What libraries print goes to stderr, which the parent keeps as a log.
"""

import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hounsfield.archive.errors import CannotAnalyse, NotFound
from hounsfield.inference.confine import confine, end_with
from hounsfield.inference.errors import BundleRefused
from hounsfield.inference.messages import SEG_FILE, SR_FILE, ChildRequest, Kind, Message
from hounsfield.inference.registry import Registry
from hounsfield.inference.uids import ResultNames
from hounsfield.inference.volume import read_series

HEAVY = ("hounsfield.inference.bundle_run", "hounsfield.inference.seg", "hounsfield.inference.sr")
OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc", "bad alloc")
Say = Callable[[Kind, dict[str, Any]], None]


class Progress:
    """Per cent of the whole, from shares of its stages; says a number only once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._last = -1

    def stage(self, name: str, first: int, last: int) -> Callable[[float], None]:
        """A reporter for one stage that leads from one per cent to another."""

        def report(share: float) -> None:
            percent = round(first + (last - first) * share)
            if percent > self._last:
                self._last = percent
                self._say("progress", {"percent": percent, "stage": name})

        report(0.0)
        return report


def main() -> None:
    """Answer one request. The exit code is 0 whenever a last message was said."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(kind: Kind, data: dict[str, Any]) -> None:
        answers.write(Message(kind, data).encode())

    print("confined:", *confine(int(sys.argv[1])), sep="\n  ", file=sys.stderr)  # noqa: T201
    ahead = threading.Thread(target=_import_ahead, daemon=True)
    ahead.start()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    request = ChildRequest.decode(line)
    end_with(sys.stdin.buffer)
    try:
        say("result", analyse(request, ahead, Progress(say)))
    except (CannotAnalyse, NotFound) as error:
        say("refused", {"reason": error.message})
    except BundleRefused as error:
        say("refused", {"reason": f"The model '{request.model}' is refused: {error.message}."})
    except Exception as error:  # the last word before this process ends
        traceback.print_exc()
        say(*_verdict(error))


def analyse(request: ChildRequest, imports: threading.Thread, progress: Progress) -> dict[str, Any]:
    """Read, run, write; what the parent needs to know of the result."""
    bundle = Registry(Path(folder) for folder in request.bundle_folders).bundle(request.model)
    source = read_series(
        request.instance_paths, bundle.needs, progress.stage("Reading images", 1, 20)
    )
    loading = progress.stage("Loading the model", 20, 30)
    imports.join()
    from hounsfield.inference.bundle_run import run_bundle  # noqa: PLC0415 (torch: 3 s)
    from hounsfield.inference.results import write_results  # noqa: PLC0415

    loading(1.0)
    labels = run_bundle(bundle, source, progress.stage("Segmenting", 30, 85))
    names = ResultNames.from_json(request.results)
    files = (request.path(SEG_FILE), request.path(SR_FILE))
    return write_results(
        bundle, names, source, labels, files, progress.stage("Writing results", 85, 99)
    )


def _import_ahead() -> None:
    """Three seconds of imports, while the images are read; a failure shows where it is used."""
    for module in HEAVY:
        try:
            importlib.import_module(module)
        except Exception:
            return


def _verdict(error: Exception) -> tuple[Kind, dict[str, Any]]:
    text = str(error)
    if isinstance(error, MemoryError) or any(word in text for word in OUT_OF_MEMORY):
        return "memory", {}
    return "crash", {"reason": f"{type(error).__name__}: {text[:300]}"}


if __name__ == "__main__":
    main()
