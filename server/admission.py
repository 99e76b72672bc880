"""Who may talk to this server at all: decided from a request's head, before any of our code.

A server on a loopback address is reached by every page that its user opens. What keeps those
pages out: a Host that is not one of our names is a rebound one; an Origin that is not ours is
somebody else's page; and Fetch Metadata says so for the requests that carry no Origin (another
port of this machine counts as the same *site*, so ``same-site`` is a stranger too). Programs
that are no browsers send none of these headers but Host.
"""

from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import Scope

from hounsfield.conf.settings import HttpSettings
from hounsfield.dicomweb.problems import BadRequest, Headers, RequestError

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
CLOSE: Headers = [(b"connection", b"close")]
OURS = {None, b"same-origin", b"none"}
READ = {"GET", "HEAD"}
LOOKED_AT = frozenset(
    {
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"sec-fetch-dest",
        b"content-length",
        b"transfer-encoding",
    }
)

Head = dict[bytes, bytes]


class Misdirected(RequestError):
    """The name in the request is not one of this server's (RFC 9110 15.5.20)."""

    status = HTTPStatus.MISDIRECTED_REQUEST


class Stranger(RequestError):
    """A page of another origin made this request."""

    status = HTTPStatus.FORBIDDEN


class Admission:
    """The rules, for the names under which this server may be reached."""

    def __init__(self, names: Iterable[str], trusted_origins: Iterable[str] = ()) -> None:
        self._names = frozenset(name.lower().encode("idna") for name in names)
        self._trusted = frozenset(origin.lower().encode() for origin in trusted_origins)

    @classmethod
    def of(cls, settings: HttpSettings) -> "Admission":
        """The configured names, and the address that we listen on."""
        host = settings.host
        literal = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return cls((*settings.allowed_hosts, literal), settings.trusted_origins)

    def check(self, scope: Scope, *, invited: bool = False) -> Head:
        """What was looked at of the head. Raises RequestError with what to answer.

        A page of another origin may be ``invited`` (``cors``): then only the name is checked.
        """
        head = read_head(scope)
        host = head.get(b"host", b"").lower()
        if _name(host) not in self._names:
            raise Misdirected(
                "This server is not known under the name in the request. If the name is right, "
                "add it to HOUNSFIELD_HTTP__ALLOWED_HOSTS.",
                CLOSE,
            )
        if invited:
            return head
        origin = head.get(b"origin", b"").lower()
        if b"origin" in head and origin not in self._trusted and not _is_origin_of(origin, host):
            raise Stranger("A page of another origin may not use this server.", CLOSE)
        if head.get(b"sec-fetch-site") not in OURS and not _is_followed_link(scope, head):
            raise Stranger("A page of another site may not use this server.", CLOSE)
        return head


def read_head(scope: Scope) -> Head:
    """The header fields that decide. Raises BadRequest where one of them came twice."""
    head: Head = {}
    for name, value in scope["headers"]:
        if name in LOOKED_AT:
            if name in head:
                raise BadRequest(f"the header field {name.decode()} came twice", CLOSE)
            head[name] = value
    return head


def _name(host: bytes) -> bytes:
    """The host without its port."""
    name, colon, port = host.rpartition(b":")
    return name if colon and port.isdigit() else host


def _is_origin_of(origin: bytes, host: bytes) -> bool:
    """Whether a page of this origin was served by this host. Both leave out a default port.

    The scheme may differ: behind a proxy that ends TLS the page is https and we are http.
    """
    scheme, _, authority = origin.partition(b"://")
    return scheme in {b"http", b"https"} and authority == host


def _is_followed_link(scope: Scope, head: Head) -> bool:
    """A link on another page that opens one of ours in a tab: that page sees nothing of it."""
    return (
        scope["type"] == "http"
        and scope["method"] in READ
        and head.get(b"sec-fetch-mode") == b"navigate"
        and head.get(b"sec-fetch-dest") == b"document"
    )
