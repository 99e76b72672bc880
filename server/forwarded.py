"""What a reverse proxy says of the request it passes on (RFC 7239, and X-Forwarded-*).

Believed from the configured proxies alone: whoever else writes these fields could choose the
host that our URLs name, or hide who he is. The name that a proxy was reached under still has to
be one of ours.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator

from starlette.types import Scope

from hounsfield.server.admission import DEFAULT_PORTS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SECURE = {"http": "https", "ws": "wss", "https": "https", "wss": "wss"}
PLAIN = {"http": "http", "ws": "ws", "https": "http", "wss": "ws"}
PAIR = re.compile(r'(\w+)=(?:"([^"\\]*)"|([^\s;,"]*))')
PORT = re.compile(r":([0-9]{1,5})$")
MAX_HOPS = 20
Hop = dict[str, str]


class Forwarded:
    """Puts the client's own view of a request in place of the proxy's."""

    def __init__(self, proxies: Iterable[Network]) -> None:
        self._networks = tuple(proxies)

    def apply(self, scope: Scope) -> Scope:
        """The scope as it would be without the proxies; as it is where none is trusted."""
        if not self._networks or scope["type"] not in {"http", "websocket"}:
            return scope
        address = (scope.get("client") or ("", 0))[0]
        if not self._is_ours(address):
            return scope
        told: Hop = {}
        for hop in reversed(_hops(scope)[-MAX_HOPS:]):
            told = hop
            if not self._is_ours(hop.get("for", "")):
                break
        return _rewritten(scope, told)

    def _is_ours(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _hops(scope: Scope) -> list[Hop]:
    """One entry for each proxy, the nearest last. ``Forwarded`` is believed before the others."""
    fields: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            text = value.decode("latin-1")
            fields[name] = f"{fields[name]},{text}" if name in fields else text
    if b"forwarded" in fields:
        return [dict(_pairs(element)) for element in fields[b"forwarded"].split(",")]
    lists = {
        name: [one.strip() for one in fields.get(b"x-forwarded-" + name.encode(), "").split(",")]
        for name in ("for", "proto", "host")
    }
    count = len(lists["for"])
    return [
        {
            name: value
            for name, values in lists.items()
            if (value := _address(values[max(index - count, -len(values))], name))
        }
        for index in range(count)
    ]


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    for name, quoted, token in PAIR.findall(element):
        yield name.lower(), _address(quoted or token, name.lower())


def _address(value: str, name: str) -> str:
    """The address alone where a port stands behind it: ``192.0.2.1:47011``, ``[2001:db8::1]``."""
    if name != "for":
        return value
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0] if value.count(":") == 1 else value


def _rewritten(scope: Scope, told: Hop) -> Scope:
    changed = dict(scope)
    scheme = {"https": SECURE, "http": PLAIN}.get(told.get("proto", "").lower())
    if scheme is not None:
        changed["scheme"] = scheme[scope.get("scheme", "http")]
    if host := told.get("host", ""):
        kept = [pair for pair in scope["headers"] if pair[0] != b"host"]
        changed["headers"] = [*kept, (b"host", host.encode("latin-1"))]
        name, _, port = (
            host.rpartition(":") if host[-1:].isdigit() and ":" in host else (host, "", "")
        )
        usual = DEFAULT_PORTS.get(changed["scheme"], 80)
        changed["server"] = (name, int(port) if port.isdigit() and len(port) < 6 else usual)
    if client := told.get("for", ""):
        changed["client"] = (client, 0)
    return changed
