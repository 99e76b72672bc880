"""A process of the tree without a supervisor: one container, one machine among several."""

from collections.abc import Callable

from hounsfield.conf.settings import Settings
from hounsfield.db import schema
from hounsfield.server.children.start import run
from hounsfield.server.startup import (
    await_database,
    bind,
    require_loopback,
    require_usable_tls,
    with_database,
)


def run_alone(kind: str, settings: Settings, say: Callable[[str], None]) -> None:
    """Wait for the database, bring its schema up to date, and serve until a signal."""
    require_loopback(settings)
    listener = None
    if kind == "web":
        listener = bind(settings.http.host, settings.http.port, "HOUNSFIELD_HTTP__PORT")
    elif kind == "dimse":
        require_usable_tls(settings)
        bind(settings.dimse.host, settings.dimse.port, "HOUNSFIELD_DIMSE__PORT").close()
    settings = with_database(settings)
    url = settings.database.url
    server = await_database(url.get_secret_value() if url else "")
    schema.upgrade(url.get_secret_value() if url else "")
    say(f"PostgreSQL {server} ready")
    where = {
        "web": f"http://{settings.http.host}:{settings.http.port}/",
        "dimse": f"{settings.dimse.ae_title} on {settings.dimse.host}, port {settings.dimse.port}",
        "worker": "waiting for jobs",
    }
    run(kind, settings, lambda: say(f"{kind} ready: {where[kind]}"), listener)
