"""A client of our own HTTP interface, as any program could write it: nothing from inside."""

import contextlib
import http.client
import io
import time
from collections.abc import Iterator
from typing import Any

import orjson
from pydicom import dcmread
from pydicom.dataset import Dataset
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SECONDS = 30.0
RECONNECT_SECONDS = 0.5


class ServerError(RuntimeError):
    """The server answered something else than was asked for."""


class Client:
    """HTTP and the live WebSocket of one server."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.base = f"http://{host}:{port}"

    def get(self, path: str, accept: str = "application/json") -> bytes:
        """The body of a 200 answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != http.client.OK:
            raise ServerError(f"{self.base}{path} answered {answer.status}")
        return body

    def get_json(self, path: str) -> Any:
        """A JSON answer, read."""
        return orjson.loads(self.get(path))

    def get_instance(self, study: str, series: str, instance: str) -> Dataset:
        """One instance by WADO-RS, as a single part (PS3.18 10.4)."""
        path = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
        return dcmread(io.BytesIO(self.get(path, "application/dicom")))

    def is_up(self) -> bool:
        """Whether a Hounsfield answers here, with its database behind it."""
        try:
            self.get("/readyz")
            return "ae_title" in self.get_json("/api/status")
        except (OSError, ServerError, http.client.HTTPException, orjson.JSONDecodeError):
            return False

    def events(self, since: int, deadline: float) -> Iterator[dict[str, Any]]:
        """Events after ``since`` as they come; a lost connection is taken up where it broke.

        Ends at ``deadline`` (of the monotonic clock).
        """
        while time.monotonic() < deadline:
            with contextlib.suppress(ConnectionClosed, OSError):
                url = f"ws://{self.host}:{self.port}/api/live?since={since}"
                with connect(url, proxy=None) as live:
                    for event in _messages(live, deadline):
                        since = event["sequence"]
                        yield event
            time.sleep(min(RECONNECT_SECONDS, max(0.0, deadline - time.monotonic())))


def _messages(live: ClientConnection, deadline: float) -> Iterator[dict[str, Any]]:
    """Events, without the greeting and the pings."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            message = orjson.loads(live.recv(timeout=left))
        except TimeoutError:
            return
        if message["type"] not in {"hello", "reset", "ping"}:
            yield message
