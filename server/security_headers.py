"""The header fields that tell a browser what our pages and answers may do.

Patients' attributes come from strangers: should one of them ever reach a page unescaped, no
script in it runs (Content Security Policy), no answer is taken for a page (nosniff), and no
other origin can frame, load or keep a handle on any of it.
"""

from collections.abc import Iterable

from hounsfield.dicomweb.problems import Headers

OWN_SERVER = "connect-src 'self'"
DOCUMENT = (
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'; "
    "default-src 'self'; connect-src 'self'; font-src 'self' data:; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'"
)
# OHIF decodes in WebAssembly and in workers made from blobs, shows PDF as an object, and reads a
# SEG with a library that compiles its loops at run time (ndarray), which needs eval.
OHIF = (
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'self' blob:; "
    "default-src 'self'; connect-src 'self' data: blob:; font-src 'self' data:; "
    "img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:; frame-src 'self' blob:"
)
OHIF_SCRIPTS = ("'unsafe-eval'", "'wasm-unsafe-eval'", "blob:")
DATA = "default-src 'none'; frame-ancestors 'self'; sandbox"

COMMON: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


def with_scripts(policy: str, sources: Iterable[str]) -> str:
    """A document's policy with where its scripts may come from beside our own files."""
    return "; ".join((policy, " ".join(("script-src 'self'", *sources))))


def with_socket(policy: str, host: str) -> str:
    """The policy with our WebSocket by its name: not every browser takes it for ``'self'``."""
    return policy.replace(OWN_SERVER, f"{OWN_SERVER} ws://{host} wss://{host}")


def _complete(policy: str) -> Headers:
    return [*COMMON, (b"content-security-policy", policy.encode("ascii"))]


_OF_DATA = _complete(DATA)
_OF_OHIF = _complete(with_scripts(OHIF, OHIF_SCRIPTS))
_OF_THE_WEB_APP = _complete(with_scripts(DOCUMENT, ()))
_AREAS = {
    "dicom-web": _OF_DATA,
    "api": _OF_DATA,
    "healthz": _OF_DATA,
    "readyz": _OF_DATA,
    "ohif": _OF_OHIF,
}


def complete(path: str, headers: Headers) -> Headers:
    """The header fields of an answer, with those that it does not set itself."""
    area = path[1 : path.find("/", 1)] if path.find("/", 1) > 0 else path[1:]
    present = {name for name, _ in headers}
    missing = [pair for pair in _AREAS.get(area, _OF_THE_WEB_APP) if pair[0] not in present]
    return [*headers, *missing]
