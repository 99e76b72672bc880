"""What fails, as this application answers it: always a problem document, never a traceback."""

from http import HTTPStatus

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hounsfield.archive.errors import HounsfieldError, Unavailable
from hounsfield.db.engine import is_connection_loss
from hounsfield.dicomweb.problems import BadRequest, Headers, RequestError, problem
from hounsfield.inference.requests import NotNow

log = structlog.get_logger()


class Conflict(RequestError):
    """Not in the state in which the resource is."""

    status = HTTPStatus.CONFLICT


class Refused(RequestError):
    """A status that the framework chose."""

    def __init__(self, error: HTTPException) -> None:
        named = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        super().__init__(error.detail, named)
        self.status = HTTPStatus(error.status_code)


def handle_failures(app: FastAPI) -> None:
    """Answer every kind of failure."""
    app.add_exception_handler(HounsfieldError, _ours)
    app.add_exception_handler(RequestError, _ours)
    app.add_exception_handler(NotNow, _not_now)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(Exception, _ours)


def answer(error: Exception) -> Response:
    """The problem document for an error."""
    status, headers, body = problem(error)
    response = Response(body, status)
    response.raw_headers[:] = _unique(headers)
    return response


async def _ours(_request: Request, error: Exception) -> Response:
    return answer(error)


async def _not_now(_request: Request, error: Exception) -> Response:
    return answer(Conflict(str(error)))


async def _framework(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    return answer(Refused(error))


async def _invalid(_request: Request, error: Exception) -> Response:
    """Which parameter, and what it must be; never what it was: that may name a patient."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    said = [f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors()]
    return answer(BadRequest("; ".join(said)))


async def _database(_request: Request, error: Exception) -> Response:
    lost = isinstance(error, NoConnectionFree) or (
        isinstance(error, DBAPIError) and is_connection_loss(error)
    )
    if not lost:
        log.error("http.failed", exc_info=error)
        return answer(error)
    log.warning("http.database_lost")
    return answer(Unavailable("the database does not answer"))


def _unique(headers: Headers) -> Headers:
    return list(dict(headers).items())
