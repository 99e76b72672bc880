"""One resource of the service as a plain ASGI endpoint: its methods, its request, its errors."""

import re
from collections.abc import Awaitable, Callable
from functools import cached_property
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from hounsfield.archive.errors import HounsfieldError
from hounsfield.dicomweb.answers import END, Answer, AnyAnswer, while_client_stays
from hounsfield.dicomweb.media_types import require_accept
from hounsfield.dicomweb.problems import BadRequest, MethodNotAllowed, RequestError, problem

log = structlog.get_logger()

UID = re.compile(r"[0-9.]{1,64}")
DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORITY = re.compile(r"[A-Za-z0-9.\-_:\[\]]{1,255}")


class DicomWebRequest(Request):
    """A request that knows how deep below the service's root its resource lies."""

    depth = 0

    @cached_property
    def service(self) -> str:
        """URL of the service as the client reached it, without a slash at its end."""
        prefix = self.scope["path"].rsplit("/", self.depth)[0]
        scheme = self.scope["scheme"]
        return f"{scheme}://{self._authority(scheme)}{prefix}"

    def _authority(self, scheme: str) -> str:
        """The Host header, with its port.

        dicomweb-client leaves the port out. Where it has reached us by our own address, and not
        by a name that a proxy answers to, the port of that address is the one that is missing.
        """
        host = self.headers.get("host", "")
        address, port = self.scope.get("server") or ("localhost", None)
        suffix = f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else ""
        if not AUTHORITY.fullmatch(host):
            return address + suffix
        return host + suffix if host in {address, f"[{address}]", "localhost"} else host

    def uid(self, name: str) -> str:
        """A UID of the path (PS3.5 9.1). Raises BadRequest for anything else."""
        value: str = self.path_params[name]
        if not UID.fullmatch(value):
            raise BadRequest(f"{value[:80]!r} is not a UID")
        return value

    def uids(self) -> tuple[str, str | None, str | None]:
        """Study, series and instance of the path, as far as it goes down."""
        names = self.path_params
        return (
            self.uid("study"),
            self.uid("series") if "series" in names else None,
            self.uid("instance") if "instance" in names else None,
        )


Handler = Callable[[DicomWebRequest], Awaitable[AnyAnswer]]


class Resource:
    """Handlers by method. Each kind of error becomes a problem document, none a traceback."""

    def __init__(
        self, depth: int, strict_accept: bool = False, watched: bool = False, **handlers: Handler
    ) -> None:
        """``watched``: a client that leaves before the answer is there ends the making of it."""
        self._depth = depth
        self._strict_accept = strict_accept
        self._watched = watched
        self._handlers = handlers
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        self.methods = tuple(dict.fromkeys([*self._handlers, "OPTIONS"]))
        self._allow = [(b"allow", ", ".join(self.methods).encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        request = DicomWebRequest(scope, receive)
        request.depth = self._depth
        try:
            answer = await self._answer(request)
            await answer(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            if not isinstance(error, RequestError | HounsfieldError):
                log.exception("dicomweb.failed", method=scope["method"])
            if started:
                raise
            await _send_problem(error, scope, send)

    async def _answer(self, request: DicomWebRequest) -> AnyAnswer:
        handler = self._handlers.get(request.method)
        if handler is not None:
            if self._strict_accept and request.method in {"GET", "HEAD"}:
                require_accept(request)
            if not self._watched:
                return await handler(request)
            async with while_client_stays(request.receive):
                return await handler(request)
        if request.method == "OPTIONS":
            return Answer((), self._allow, HTTPStatus.NO_CONTENT)
        raise MethodNotAllowed(f"{request.method} is not a method of this resource", self._allow)


async def _send_problem(error: Exception, scope: Scope, send: Send) -> None:
    status, headers, body = problem(error)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if scope["method"] == "HEAD":
        await send(END)
    else:
        await send({"type": "http.response.body", "body": body, "more_body": False})
