"""TLS: who is let in, with what, and that nobody who is slow keeps others waiting (PS3.15 B.12)."""

import shutil
import socket
import ssl
import struct
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Authority, Identity
from dimse_peer import CT, EXPLICIT, IMPLICIT, VERIFICATION, Peer, associate_rq
from factories import encode, series
from pydantic import ValidationError
from scp import running
from senders import made
from sqlalchemy import text

from hounsfield.archive import peers
from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import PeerAborted, PeerFailed, PeerRejected, PeerUntrusted
from hounsfield.archive.peers import Peer as Entry
from hounsfield.conf.settings import DatabaseSettings, DimseSettings, DimseTlsSettings, Settings
from hounsfield.dimse.associate import ProposedContext
from hounsfield.dimse.command import C_ECHO_RQ, C_STORE_RQ
from hounsfield.dimse.requestor import Destination, Requestor
from hounsfield.dimse.requests import encode_request
from hounsfield.dimse.service import DimseService

CONTEXTS = (
    ProposedContext(1, VERIFICATION, (IMPLICIT,)),
    ProposedContext(3, CT, (EXPLICIT,)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Identity:
    return Authority(folder, "other").issue("stranger", "IP:127.0.0.1")


@pytest.fixture(scope="module")
def ct1(authority: Authority) -> Identity:
    return authority.issue("ct1")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Identity:
    return authority.issue("hounsfield", "IP:127.0.0.1")


def tls_of(identity: Identity | None, authority: Authority, **more: object) -> DimseTlsSettings:
    files = {"certificate": identity.certificate, "key": identity.key} if identity else {}
    ca = authority.own.certificate
    return DimseTlsSettings(ca=ca, **files, **({"port": 0} | more))  # type: ignore[arg-type]


@pytest.fixture
def dimse_settings(server: Identity, authority: Authority) -> DimseSettings:
    return DimseSettings(port=0, handshake_seconds=2, tls=tls_of(server, authority))


@pytest.fixture
def tls_port(service: DimseService) -> int:
    return service.tls_port


def as_client(identity: Identity | None, authority: Authority) -> Settings:
    dimse = DimseSettings(connect_seconds=20, tls=tls_of(identity, authority))
    return Settings(dimse=dimse, database=DatabaseSettings())


def echo(
    settings: Settings, port: int, calling: str = "CT1", *, tls: bool = True, certificate: str = ""
) -> int:
    peer = Destination("HOUNSFIELD", "127.0.0.1", port, tls, certificate)
    with Requestor(peer, settings, CONTEXTS, calling_ae_title=calling) as requestor:
        context = requestor.context_for(VERIFICATION)
        assert context is not None
        requestor.send(context, encode_request(C_ECHO_RQ, 1, VERIFICATION))
        return requestor.receive()[1].status.code


def test_a_caller_with_a_certificate_of_the_ca_echoes_and_stores(
    tls_port: int, port: int, ct1: Identity, authority: Authority, archive: Archive
) -> None:
    settings = as_client(ct1, authority)
    assert echo(settings, tls_port) == 0
    assert echo(settings, port, tls=False) == 0
    instance = made(rows=900, columns=900)
    with Requestor(
        Destination("HOUNSFIELD", "127.0.0.1", tls_port, tls=True), settings, CONTEXTS
    ) as requestor:
        context = requestor.context_for(CT)
        assert context is not None
        for _ in range(2):
            command = encode_request(
                C_STORE_RQ, 2, CT, sop_instance_uid=instance.sop, has_data_set=True, priority=0
            )
            requestor.send(context, command, [instance.data_set])
            assert requestor.receive()[1].status.code == 0
    with archive.database.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM instance")) == 1


def test_who_has_no_certificate_or_one_of_somebody_else_does_not_get_in(
    tls_port: int, authority: Authority, stranger: Identity, ct1: Identity
) -> None:
    for nobody in (None, stranger):
        with pytest.raises((PeerUntrusted, PeerAborted), match=r"TLS|closed the connection"):
            echo(as_client(nobody, authority), tls_port)
    with pytest.raises(PeerFailed, match="closed the connection"):
        echo(as_client(ct1, authority), tls_port, tls=False)


def test_we_do_not_talk_to_a_server_that_is_not_who_it_should_be(
    tls_port: int, port: int, ct1: Identity, server: Identity, authority: Authority, folder: Path
) -> None:
    settings = as_client(ct1, authority)
    other = Authority(folder, "third")
    with pytest.raises(PeerUntrusted, match=r"certificate of HOUNSFIELD .* is not accepted"):
        echo(as_client(ct1, other), tls_port)
    with pytest.raises(PeerUntrusted, match="another certificate than"):
        echo(settings, tls_port, certificate="somebody")
    with pytest.raises(PeerUntrusted, match="another certificate than"):
        echo(settings, tls_port, certificate=ct1.fingerprint)
    for right in ("hounsfield", "HOUNSFIELD", server.fingerprint):
        assert echo(settings, tls_port, certificate=right) == 0
    with pytest.raises(PeerUntrusted, match="does not speak TLS"):
        echo(settings, port)


def test_a_peer_is_held_to_the_certificate_that_it_is_bound_to(
    tls_port: int, port: int, ct1: Identity, authority: Authority, archive: Archive
) -> None:
    ct2 = authority.issue("ct2", "DNS:ct2.example")
    peers.add(archive, Entry("CT1", certificate=ct1.fingerprint, may_store=True))
    peers.add(archive, Entry("CT2", certificate="CT2.example", may_store=True))
    time.sleep(1.2)
    first, second = as_client(ct1, authority), as_client(ct2, authority)
    assert echo(first, tls_port, "CT1") == 0
    assert echo(second, tls_port, "CT2") == 0
    for settings, calling in ((first, "CT2"), (second, "CT1")):
        with pytest.raises(PeerRejected) as rejected:
            echo(settings, tls_port, calling)
        assert rejected.value.codes == (1, 1, 3)
    with pytest.raises(PeerRejected):
        echo(first, port, "CT1", tls=False)


def test_a_renewed_certificate_is_used_without_a_restart(
    tls_port: int, ct1: Identity, server: Identity, authority: Authority
) -> None:
    settings = as_client(ct1, authority)
    before = server.fingerprint
    assert echo(settings, tls_port, certificate=before) == 0
    key, certificate = server.key.read_bytes(), server.certificate.read_bytes()
    renewed = authority.issue("renewed", "IP:127.0.0.1")
    try:
        server.key.write_bytes(renewed.key.read_bytes())
        time.sleep(1.2)
        assert echo(settings, tls_port, certificate=before) == 0, "half renewed: as before"
        server.certificate.write_bytes(renewed.certificate.read_bytes())
        time.sleep(1.2)
        assert echo(settings, tls_port, certificate=renewed.fingerprint) == 0
    finally:
        server.key.write_bytes(key)
        server.certificate.write_bytes(certificate)


def secured(port: int, ct1: Identity, authority: Authority, **versions: object) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(authority.own.certificate))
    context.load_cert_chain(ct1.certificate, ct1.key)
    for name, value in versions.items():
        if name == "ciphers":
            context.set_ciphers(str(value))
        else:
            setattr(context, name, value)
    sock = socket.create_connection(("127.0.0.1", port), 10)
    return context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_only_tls_1_2_and_1_3_with_forward_secrecy_are_spoken(
    tls_port: int, ct1: Identity, authority: Authority
) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with secured(tls_port, ct1, authority, maximum_version=version) as sock:
            assert sock.version() == version.name.replace("_", ".")
    twelve = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"(?i)handshake|alert|eof|reset"):
        secured(tls_port, ct1, authority, maximum_version=twelve, ciphers="AES128-SHA")
    with pytest.warns(DeprecationWarning), pytest.raises((OSError, ValueError)):
        secured(
            tls_port,
            ct1,
            authority,
            minimum_version=ssl.TLSVersion.TLSv1_1,
            maximum_version=ssl.TLSVersion.TLSv1_1,
            ciphers="DEFAULT:@SECLEVEL=0",
        )


def slow_clients(port: int) -> list[socket.socket]:
    """Connections that say nothing, the beginning of a TLS hello, or something else."""
    outgoing = ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    beginning = outgoing.read(20)
    sockets = []
    for said in (b"", beginning, beginning[:1], b"GET / HTTP/1.0\r\n\r\n") * 3:
        sockets.append(socket.create_connection(("127.0.0.1", port), 20))
        sockets[-1].sendall(said)
    return sockets


def test_clients_that_say_nothing_or_little_are_gone_after_artim(
    tls_port: int, ct1: Identity, authority: Authority
) -> None:
    for sock in (*slow_clients(tls_port), secured(tls_port, ct1, authority)):
        with sock, suppress(ConnectionResetError):
            while sock.recv(1024):
                pass


def test_clients_that_are_gone_before_they_are_heard_do_no_harm(
    tls_port: int, ct1: Identity, authority: Authority
) -> None:
    at_once = struct.pack("ii", 1, 0)  # close with a reset
    for said in (b"", b"\x16", b"\x16\x03\x01") * 20:
        sock = socket.create_connection(("127.0.0.1", tls_port), 20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        sock.sendall(said)
        sock.close()
    assert echo(as_client(ct1, authority), tls_port) == 0


class TestPatient:
    """With an ARTIM that is longer than anybody here waits."""

    @pytest.fixture
    def dimse_settings(self, server: Identity, authority: Authority) -> DimseSettings:
        return DimseSettings(port=0, handshake_seconds=60, tls=tls_of(server, authority))

    def test_a_slow_client_keeps_nobody_waiting(
        self, tls_port: int, port: int, ct1: Identity, authority: Authority
    ) -> None:
        slow = slow_clients(tls_port)
        with secured(tls_port, ct1, authority):
            assert echo(as_client(ct1, authority), tls_port) == 0
            assert echo(as_client(ct1, authority), port, tls=False) == 0
        for sock in slow:
            sock.close()


def test_an_association_request_in_many_small_records_is_heard(
    tls_port: int, ct1: Identity, authority: Authority
) -> None:
    with secured(tls_port, ct1, authority) as sock:
        request = associate_rq()
        for n in range(0, len(request), 7):
            sock.send(request[n : n + 7])
        peer = Peer.__new__(Peer)
        peer.socket = sock
        assert peer.read()[0] == 2
        assert peer.echo() == 0
        peer.release()


def dcmtk(tool: str, port: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [tool, "-v", "-aec", "HOUNSFIELD", *map(str, arguments)]
    where = ["127.0.0.1", str(port)]
    if tool == "storescu":
        command = [*command[:-1], *where, command[-1]]
    else:
        command += where
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


needs_dcmtk = pytest.mark.skipif(shutil.which("echoscu") is None, reason="needs dcmtk")


@needs_dcmtk
@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_dcmtk_echoes_and_stores_under_each_of_its_bcp_195_profiles(
    tls_port: int,
    ct1: Identity,
    authority: Authority,
    archive: Archive,
    tmp_path: Path,
    profile: str,
) -> None:
    security = ["+tls", ct1.key, ct1.certificate, "+cf", authority.own.certificate, profile]
    done = dcmtk("echoscu", tls_port, *security)
    assert done.returncode == 0, done.stderr
    (tmp_path / "slice.dcm").write_bytes(encode(series(1)[0]))
    done = dcmtk("storescu", tls_port, *security, tmp_path / "slice.dcm")
    assert done.returncode == 0, done.stderr
    with archive.database.transaction() as connection:
        assert connection.scalar(text("SELECT count(*) FROM instance")) == 1


@needs_dcmtk
def test_dcmtk_without_a_certificate_is_refused(tls_port: int, authority: Authority) -> None:
    assert dcmtk("echoscu", tls_port, "+tla", "+cf", authority.own.certificate).returncode != 0


class TestWithoutTheirs:
    """With ``require_client_certificate = false``."""

    @pytest.fixture
    def dimse_settings(self, server: Identity, authority: Authority) -> DimseSettings:
        tls = tls_of(server, authority, require_client_certificate=False)
        return DimseSettings(port=0, handshake_seconds=2, tls=tls)

    @needs_dcmtk
    def test_a_caller_needs_none_but_one_that_is_bound_to_its_own(
        self, tls_port: int, authority: Authority, archive: Archive, ct1: Identity
    ) -> None:
        anonymous = ["+tla", "+cf", authority.own.certificate, "-aet", "CT1"]
        assert dcmtk("echoscu", tls_port, *anonymous).returncode == 0
        peers.add(archive, Entry("CT1", certificate="ct1", may_store=True))
        time.sleep(1.2)
        assert dcmtk("echoscu", tls_port, *anonymous).returncode != 0
        assert echo(as_client(ct1, authority), tls_port) == 0


@needs_dcmtk
def test_we_echo_dcmtk_with_tls_and_say_what_it_wants(
    server: Identity, ct1: Identity, authority: Authority
) -> None:
    settings = as_client(ct1, authority)
    security = ["+tls", server.key, server.certificate, "+cf", authority.own.certificate]

    def answers(port: int) -> bool:
        with suppress(PeerFailed):
            return echo(settings, port) == 0
        return False

    with running(lambda port: ["storescp", "--ignore", *security, port], answers) as port:
        with pytest.raises((PeerUntrusted, PeerAborted), match=r"TLS|closed"):
            echo(as_client(None, authority), port)
        with pytest.raises(PeerAborted, match=r"expect TLS|closed"):
            echo(settings, port, tls=False)


def test_tls_that_is_half_configured_is_refused(server: Identity) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        DimseTlsSettings(certificate=server.certificate)
    with pytest.raises(ValidationError, match="require_client_certificate = false"):
        DimseTlsSettings(certificate=server.certificate, key=server.key)
