"""The way to a peer: TCP and TLS, and what stands in it, in words (PS3.8 9.1.4, PS3.15 B.12)."""

import errno
import socket
import ssl
from dataclasses import dataclass

from hounsfield.archive.errors import PeerAborted, PeerFailed, PeerUnreachable, PeerUntrusted
from hounsfield.conf.settings import DimseSettings
from hounsfield.dimse.tls import client_context, is_named_by


@dataclass(frozen=True, slots=True)
class Destination:
    """A peer that we call."""

    ae_title: str
    host: str
    port: int
    tls: bool = False
    certificate: str = ""
    """What its certificate has to be, where the AE book binds one to it."""

    def __str__(self) -> str:
        return f"{self.ae_title} ({self.host}, port {self.port})"


def connect(destination: Destination, settings: DimseSettings) -> socket.socket:
    """A connection, secured where the peer wants it. Raises PeerUnreachable, PeerUntrusted."""
    address = (destination.host, destination.port)
    try:
        sock = socket.create_connection(address, settings.connect_seconds)
    except OSError as error:
        raise _unreachable(destination, error) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not destination.tls:
        return sock
    try:
        return _secure(sock, destination, settings)
    except BaseException:
        sock.close()
        raise


def _secure(
    sock: socket.socket, destination: Destination, settings: DimseSettings
) -> ssl.SSLSocket:
    context = client_context(settings.tls, destination.certificate)
    try:
        secured = context.wrap_socket(sock, server_hostname=destination.host)
    except ssl.SSLCertVerificationError as error:
        message = f"the certificate of {destination} is not accepted: {error.verify_message}"
        raise PeerUntrusted(message) from error
    except OSError as error:
        raise failure(destination, error) from error
    if destination.certificate and not is_named_by(destination.certificate, secured):
        secured.close()
        raise PeerUntrusted(
            f"{destination} has another certificate than {destination.certificate}, which the AE "
            "book binds it to"
        )
    return secured


def failure(destination: Destination, error: Exception) -> PeerFailed:
    """What an error of the connection means."""
    match error:
        case ssl.SSLEOFError() | EOFError() | ConnectionError():
            return PeerAborted(f"{destination} closed the connection")
        case TimeoutError():
            return PeerUnreachable(f"{destination} does not answer")
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "RECORD_LAYER_FAILURE"):
            return PeerUntrusted(f"{destination} does not speak TLS there")
        case ssl.SSLError():
            reason = (error.reason or str(error)).replace("_", " ").lower()
            return PeerUntrusted(f"{destination} and we do not agree on TLS: {reason}")
        case _:
            return PeerAborted(f"the connection to {destination} was lost: {error}")


def _unreachable(destination: Destination, error: OSError) -> PeerUnreachable:
    host, port = destination.host, destination.port
    match error:
        case socket.gaierror():
            why = f"the host name {host} is not known"
        case ConnectionRefusedError():
            why = f"nothing listens on port {port} of {host}"
        case TimeoutError():
            why = f"{host} does not answer on port {port}; it is off, or a firewall is between"
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH):
            why = f"there is no way to {host}"
        case _:
            why = str(error)
    return PeerUnreachable(f"{destination.ae_title} cannot be reached: {why}")
