"""TLS as PS3.15 B.12 wants it (BCP 195: RFC 8996 and RFC 9325), and whom a certificate names."""

import hashlib
import ssl
import time
from pathlib import Path
from typing import Any

import structlog

from hounsfield.archive.errors import PeerUntrusted
from hounsfield.conf.settings import DimseTlsSettings

log = structlog.get_logger()

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)
"""Of TLS 1.2 (RFC 9325 4.2); those of TLS 1.3 are all allowed, and preferred."""

FINGERPRINT = "sha256:"


LOOK_SECONDS = 1.0


class ServerTls:
    """The context of our listener, made anew once one of its files has changed.

    Files that do not fit together, as in the middle of a renewal, leave the one that is in use.
    """

    def __init__(self, settings: DimseTlsSettings) -> None:
        self._settings = settings
        self._seen = self._look()
        self._looked_at = time.monotonic()
        self._context = server_context(settings)

    def context(self) -> ssl.SSLContext:
        """The context for a connection that has just come. Used by one thread."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = server_context(self._settings)
        except (OSError, ssl.SSLError) as error:
            log.error("tls.not_renewed", reason=str(error))
        else:
            log.info("tls.renewed")

    def _look(self) -> list[tuple[int, int, int] | None]:
        settings = self._settings
        return [_state(path) for path in (settings.certificate, settings.key, settings.ca)]


def _state(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def server_context(settings: DimseTlsSettings) -> ssl.SSLContext:
    """For associations that we accept. Raises OSError, SSLError where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    restrict(context)
    if settings.ca is not None:
        context.load_verify_locations(settings.ca)
        required = settings.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context


def client_context(settings: DimseTlsSettings, certificate: str) -> ssl.SSLContext:
    """For associations that we open. A peer to which a certificate is bound is known by that,
    and any other by its host name. Raises PeerUntrusted where our own files cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    restrict(context)
    context.check_hostname = not certificate
    try:
        if settings.ca is not None:
            context.load_verify_locations(settings.ca)
        else:
            context.load_default_certs()
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        message = f"our own certificate, its key or the CA file cannot be used: {error}"
        raise PeerUntrusted(message) from error
    return context


def restrict(context: ssl.SSLContext) -> None:
    """Nothing older than TLS 1.2, forward secrecy, authenticated encryption."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def is_named_by(certificate: str, sock: ssl.SSLSocket) -> bool:
    """Whether the other side has the certificate that the AE book binds a peer to."""
    encoded = sock.getpeercert(binary_form=True)
    if encoded is None:
        return False
    if certificate.startswith(FINGERPRINT):
        return hashlib.sha256(encoded).hexdigest() == certificate.removeprefix(FINGERPRINT)
    return certificate.casefold() in {name.casefold() for name in names_in(sock.getpeercert())}


def names_in(certificate: dict[str, Any] | None) -> list[str]:
    """The common name, and the DNS names and addresses, of a certificate that was verified."""
    if not certificate:
        return []
    common = [v for part in certificate.get("subject", ()) for k, v in part if k == "commonName"]
    others = [v for k, v in certificate.get("subjectAltName", ()) if k in ("DNS", "IP Address")]
    return common + others
