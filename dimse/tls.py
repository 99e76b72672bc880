"""TLS as PS3.15 B.12 wants it (BCP 195: RFC 8996 and RFC 9325), and whom a certificate names."""

import hashlib
import ssl
from typing import Any

from hounsfield.archive.errors import PeerUntrusted
from hounsfield.conf.settings import DimseTlsSettings

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
)
"""Of TLS 1.2 (RFC 9325 4.2); those of TLS 1.3 are all allowed, and preferred."""

FINGERPRINT = "sha256:"


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
