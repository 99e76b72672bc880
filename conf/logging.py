"""Logs of every process: one line an event, for people or as JSON, and nobody's name in them.

Two things keep patients out (reliability: no PHI in logs): fields that carry a patient's
attributes are blanked, and of an exception that is not our own only its type and where it was
raised are written, because libraries quote the value that they choked on.
"""

import logging
import sys
import traceback
import warnings
from collections.abc import Iterator

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

BLANKED = frozenset(
    {
        "accession_number",
        "dataset",
        "other_patient_ids",
        "patient_address",
        "patient_age",
        "patient_birth_date",
        "patient_id",
        "patient_name",
        "patient_sex",
        "referring_physician_name",
        "study_description",
        "value",
    }
)
QUIET = {
    "alembic": "WARNING",
    "asyncio": "WARNING",
    "procrastinate": "WARNING",
    "pydicom": "ERROR",
    "pynetdicom": "CRITICAL",
    "uvicorn": "WARNING",
}
OURS = "hounsfield."


def configure_logging(level: str, as_json: bool, process: str) -> None:
    """Set up structlog and the standard library's logging in this process, on stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
        blank_patients,
        structlog.processors.ExceptionRenderer(render_exception),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(as_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom|highdicom)(\..*)?")


def blank_patients(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the values of fields that name a patient."""
    for key in BLANKED & event.keys():
        event[key] = "-"
    return event


def render_exception(exc_info: ExcInfo) -> str:
    """Types and places of an exception and its causes, with the messages of our own errors."""
    error: BaseException | None = exc_info[1]
    return "\n".join(line for link in _chain(error) for line in _lines(link))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _lines(error: BaseException) -> Iterator[str]:
    yield _title(error)
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def _title(error: BaseException) -> str:
    kind = type(error)
    state = getattr(error, "sqlstate", None) or getattr(
        getattr(error, "orig", None), "sqlstate", None
    )
    if kind.__module__.startswith(OURS):
        return f"{kind.__name__}: {error}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{kind.__name__}: {error.strerror} (errno {error.errno})"
    return f"{kind.__module__}.{kind.__name__}" + (f" (SQLSTATE {state})" if state else "")


def _named(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    return add


def _renderer(as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
