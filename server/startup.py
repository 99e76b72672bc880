"""What is looked at before anything starts: addresses, ports, the database."""

import errno
import os
import socket
import time
from collections.abc import Callable

import psycopg
from pydantic import SecretStr

from hounsfield.conf.hosts import is_loopback
from hounsfield.conf.settings import Settings
from hounsfield.db.embedded import url_of
from hounsfield.db.errors import CannotStart

OLDEST_POSTGRES = 15
DATABASE_SECONDS = 30.0


def require_loopback(settings: Settings) -> None:
    """Refuse to serve HTTP where others can reach it: nobody has to say who he is yet.

    DIMSE has the AE book, and stays on loopback by itself without it (``dimse.service``).
    """
    host = settings.http.host
    if not is_loopback(host):
        raise CannotStart(
            f"HOUNSFIELD_HTTP__HOST is {host}, which other machines can reach, and no "
            "authentication is configured: this release serves HTTP on loopback addresses alone "
            "(127.0.0.1, ::1, localhost)."
        )


def require_usable_tls(settings: Settings) -> None:
    """Refuse to start with a certificate, key or CA that cannot be used."""
    if settings.dimse.tls.certificate is None:
        return
    from hounsfield.dimse.tls import server_context  # noqa: PLC0415 - seldom needed

    try:
        server_context(settings.dimse.tls)
    except OSError as error:
        raise CannotStart(
            f"The certificate, key or CA of HOUNSFIELD_DIMSE__TLS cannot be used: {error}"
        ) from None


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket that does not listen yet, or a sentence on why there is none."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise CannotStart(f"The host name {host} is not known here ({error.strerror}).") from None
    bound = socket.socket(family, socket.SOCK_STREAM)
    if os.name != "nt":  # there it would let two programs share a port
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        _require_unused(bound)
    except OSError as error:
        bound.close()
        raise CannotStart(_why_not_bound(host, port, setting, error)) from None
    return bound


def with_database(settings: Settings) -> Settings:
    """The settings with a database URL in them: the configured, or the data folder's own."""
    url = SecretStr(database_url(settings))
    database = settings.database.model_copy(update={"url": url})
    return settings.model_copy(update={"database": database})


def database_url(settings: Settings) -> str:
    """The URL of the database, with its password: never print it."""
    configured = settings.database.url
    return configured.get_secret_value() if configured is not None else url_of(settings.data_dir)


def await_database(url: str, give_up: Callable[[], bool] = lambda: False) -> str:
    """Wait until the server answers, and return its version; refuse one that is too old."""
    deadline = time.monotonic() + DATABASE_SECONDS
    while True:
        try:
            with psycopg.connect(url, connect_timeout=3) as connection:
                version = connection.info.server_version
                break
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline or give_up():
                raise CannotStart(_why_not_connected(url, error)) from None
            time.sleep(0.3)
    if version // 10000 < OLDEST_POSTGRES:
        raise CannotStart(
            f"The database server is PostgreSQL {version // 10000}; Hounsfield needs "
            f"{OLDEST_POSTGRES} or later."
        )
    return f"{version // 10000}.{version % 10000}"


def _require_unused(bound: socket.socket) -> None:
    """Two bound sockets may share a port until one listens (SO_REUSEADDR): try to connect."""
    host, port = bound.getsockname()[:2]
    with socket.socket(bound.family, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((host, port)) == 0:
            raise OSError(errno.EADDRINUSE, "in use")


def _why_not_bound(host: str, port: int, setting: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Stop it, or choose another "
            f"port with {setting}."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is kept for privileged programs; choose another with {setting}."
    return f"Cannot listen on {host}, port {port}: {error.strerror}."


def _why_not_connected(url: str, error: psycopg.OperationalError) -> str:
    parts = psycopg.conninfo.conninfo_to_dict(url)
    where = f"{parts.get('host', 'the local socket')}, database {parts.get('dbname', '')}"
    reason = str(error).strip().splitlines()[-1]
    return f"PostgreSQL at {where} does not answer: {reason}"
