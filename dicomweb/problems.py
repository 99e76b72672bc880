"""What goes wrong, as HTTP says it: one table from our errors to status codes (PS3.18 8.5).

Bodies are problem documents (RFC 9457). Errors of the request itself, which only HTTP knows,
are :class:`RequestError`; everything else comes from ``archive.errors``.
"""

from http import HTTPStatus

import orjson

from hounsfield.archive.errors import (
    CannotAnalyse,
    CannotUnderstand,
    Committed,
    DataSetMismatch,
    Gone,
    HounsfieldError,
    InvalidPeer,
    InvalidQuery,
    NotFound,
    ObjectDamaged,
    OutOfResources,
    PeerFailed,
    SOPClassNotSupported,
    TooLarge,
    TransferSyntaxNotSupported,
    Unavailable,
)

RETRY_AFTER_SECONDS = 5

Headers = list[tuple[bytes, bytes]]


class RequestError(Exception):
    """A request that cannot be answered as it stands. The message is for its sender."""

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or []


class BadRequest(RequestError):
    """The request breaks its grammar."""


class RequestTimeout(RequestError):
    """The body did not come."""

    status = HTTPStatus.REQUEST_TIMEOUT


class MethodNotAllowed(RequestError):
    """The resource has no such method."""

    status = HTTPStatus.METHOD_NOT_ALLOWED


class NotAcceptable(RequestError):
    """Nothing that the client accepts can be made of this resource."""

    status = HTTPStatus.NOT_ACCEPTABLE


class UnsupportedMediaType(RequestError):
    """The body is of a kind that cannot be read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class BodyTooLarge(RequestError):
    """The body is over the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RangeNotSatisfiable(RequestError):
    """The range lies outside the resource."""

    status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE


class CannotRender(RequestError):
    """The stored pixels cannot be decoded or shown."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


STATUS: dict[type[HounsfieldError], HTTPStatus] = {
    InvalidQuery: HTTPStatus.BAD_REQUEST,
    InvalidPeer: HTTPStatus.BAD_REQUEST,
    CannotUnderstand: HTTPStatus.UNPROCESSABLE_ENTITY,
    CannotAnalyse: HTTPStatus.UNPROCESSABLE_ENTITY,
    Committed: HTTPStatus.CONFLICT,
    DataSetMismatch: HTTPStatus.CONFLICT,
    SOPClassNotSupported: HTTPStatus.CONFLICT,
    TransferSyntaxNotSupported: HTTPStatus.NOT_ACCEPTABLE,
    NotFound: HTTPStatus.NOT_FOUND,
    Gone: HTTPStatus.GONE,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ObjectDamaged: HTTPStatus.INTERNAL_SERVER_ERROR,
    OutOfResources: HTTPStatus.SERVICE_UNAVAILABLE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    PeerFailed: HTTPStatus.BAD_GATEWAY,
}


def status_of(error: Exception) -> HTTPStatus:
    """The status for an error; 500 for one that nobody raised on purpose."""
    if isinstance(error, RequestError):
        return error.status
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(error: Exception) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the problem document for an error.

    What an unexpected error says is for the log alone: it may name a patient.
    """
    status = status_of(error)
    known = isinstance(error, RequestError | HounsfieldError)
    detail = str(error) if known else "an unexpected error; the log says more"
    body = orjson.dumps(
        {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    )
    headers: Headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    if isinstance(error, RequestError):
        headers += error.headers
    return status.value, headers, body
