"""What dcmtk sends is what dicomweb-client gets: byte for byte after the File Meta.

dcmtk writes a data set anew when it sends it, so the file on its disk is no yardstick for bytes.
The yardstick is what dcmtk's own storescp, told to keep bits as they come, takes down from the
same command.
"""

import io
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client import DICOMwebClient
from dicomweb_requests import serve
from dimse_peer import Peer, associate_rq, store_rq
from process_tree import until
from pydicom import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from hounsfield.archive.archive import Archive
from hounsfield.conf.settings import DimseSettings, Settings
from hounsfield.dimse.service import DimseService

NEVER_ON_THE_WEB = {ImplicitVRLittleEndian, ExplicitVRBigEndian}
FOLDERS = ("transfer_syntaxes", "enhanced", "us", "nm", "xa_cine", "mg", "cr_chest", "wsi", "pt")
JPEG = "1.2.840.10008.1.2.4."
PROPOSE = {
    ImplicitVRLittleEndian: "-xi",
    ExplicitVRLittleEndian: "-xe",
    ExplicitVRBigEndian: "-xb",
    DeflatedExplicitVRLittleEndian: "-xd",
    UID("1.2.840.10008.1.2.5"): "-xr",
    UID(JPEG + "50"): "-xy",
    UID(JPEG + "51"): "-xx",
    UID(JPEG + "70"): "-xs",
    UID(JPEG + "80"): "-xt",
    UID(JPEG + "81"): "-xu",
    UID(JPEG + "90"): "-xv",
    UID(JPEG + "91"): "-xw",
}
"""What makes storescu propose it."""
BY_BYTES = {UID(JPEG + "57"), UID(JPEG + "111")}
"""What dcmtk cannot send, or its receiver not take."""
NOT_NEGOTIATED = (".4.53.dcm", ".4.55.dcm")
"""Retired JPEG processes, which no association is given (CONFORMANCE.md)."""

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="needs dcmtk")


class Recorded(requests.Session):
    """Keeps the body of the last answer, as it came."""

    body = b""

    def send(self, request: requests.PreparedRequest, **options: object) -> requests.Response:
        answer = super().send(request, **options)
        self.body = answer.content
        return answer


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    """dcmtk's receiver, which takes every syntax and writes down the bits as they come."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = ["storescp", "+xa", "+B", "-od", str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: answers(port), 30)
            yield port
        finally:
            process.kill()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A listener on any free port."""
    return settings.model_copy(update={"dimse": DimseSettings(port=0)})


@pytest.fixture
def port(archive: Archive) -> Iterator[int]:
    """Where modalities send to."""
    service = DimseService(archive)
    service.start()
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    try:
        yield service.port
    finally:
        service.stop(grace_seconds=5)
        thread.join(10)


def test_what_dcmtk_sends_dicomweb_client_gets(
    port: int, archive: Archive, shared_data: Path, tmp_path: Path
) -> None:
    session, received = Recorded(), tmp_path / "received"
    received.mkdir()
    seen: dict[UID, int] = {}
    with serve(archive) as url, storescp(received) as peer:
        client = DICOMwebClient(url, session=session)
        for number, original in enumerate(samples(shared_data)):
            path = renamed(original, tmp_path / f"{number}.dcm")
            sent = hand_over(path, port, peer, received)
            syntax = pydicom.dcmread(io.BytesIO(sent), specific_tags=[]).file_meta.TransferSyntaxUID
            names = pydicom.dcmread(path, stop_before_pixels=True)
            answer = client.retrieve_instance(
                names.StudyInstanceUID, names.SeriesInstanceUID, names.SOPInstanceUID
            )
            if syntax in NEVER_ON_THE_WEB:
                assert answer.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
                same_values(pydicom.dcmread(io.BytesIO(sent)), answer)
            else:
                assert answer.file_meta.TransferSyntaxUID == syntax
                assert data_set_of(only_part(session.body)) == data_set_of(sent), original.name
            seen[syntax] = seen.get(syntax, 0) + 1
    print({syntax.name: count for syntax, count in seen.items()})
    assert seen.keys() >= NEVER_ON_THE_WEB
    assert seen.keys() >= PROPOSE.keys() | BY_BYTES


def samples(shared_data: Path) -> list[Path]:
    """Files with UIDs of their own (two have none) and with whole pixels (one has not)."""
    paths = [path for folder in FOLDERS for path in sorted((shared_data / folder).iterdir())]
    unfit = ("HTJ2K", "emri_small_jpeg_2k_lossless_too_short")
    fit = [path for path in paths if not path.name.startswith(unfit)]
    return [path for path in fit if not path.name.endswith(NOT_NEGOTIATED)]


def renamed(path: Path, copy: Path) -> Path:
    """A copy under a SOP Instance UID of its own: some samples are one image in many syntaxes."""
    data = path.read_bytes()
    header = pydicom.dcmread(path, stop_before_pixels=True)
    uid = str(header.SOPInstanceUID)
    if header.file_meta.TransferSyntaxUID != DeflatedExplicitVRLittleEndian:
        digits = "".join(random.choices("123456789", k=len(uid) - 5))
        data = data.replace(uid.encode(), f"2.25.{digits}".encode())
    copy.write_bytes(data)
    return copy


def hand_over(path: Path, port: int, peer: int, received: Path) -> bytes:
    """Send to us and to dcmtk's receiver alike; the file that tells what was sent."""
    syntax = pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    if syntax in BY_BYTES:
        send_bytes(port, path.read_bytes())
        return path.read_bytes()
    command = ["storescu", "-R", PROPOSE[syntax]]
    before = set(received.iterdir())
    for title, where in (("HOUNSFIELD", port), ("ANY", peer)):
        arguments = [*command, "-v", "-aec", title, "127.0.0.1", str(where), str(path)]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert "Received Store Response (Success)" in said, said
    (taken,) = set(received.iterdir()) - before
    return taken.read_bytes()


def send_bytes(port: int, data: bytes) -> None:
    """What dcmtk does not know goes over the wire as it stands in its file."""
    meta = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).file_meta
    sop_class = meta.MediaStorageSOPClassUID
    with Peer(port) as peer:
        peer.associate(associate_rq([(3, sop_class, [meta.TransferSyntaxUID])]))
        peer.command(3, store_rq(meta.MediaStorageSOPInstanceUID, sop_class))
        peer.data(3, data_set_of(data))
        assert peer.status() == 0
        peer.release()


def data_set_of(file: bytes) -> bytes:
    """What follows the File Meta, whose group length comes first (PS3.10 7.1)."""
    assert file[128:140] == b"DICM\x02\0\0\0UL\x04\0"
    return file[144 + int.from_bytes(file[140:144], "little") :]


def only_part(body: bytes) -> bytes:
    """The one part of a multipart body, by its boundary alone."""
    boundary = body[: body.index(b"\r\n", 2)].strip()
    head = body.index(b"\r\n\r\n") + 4
    return body[head : body.rindex(b"\r\n" + boundary + b"--")]


def same_values(sent: Dataset, received: Dataset) -> None:
    """Value for value, pixels included; group lengths are retired and not carried over."""
    for element in sent:
        if element.tag.element and element.tag != 0x7FE00010:
            assert received[element.tag].value == element.value, element
    assert {e.tag for e in received} == {e.tag for e in sent if e.tag.element}
    assert np.array_equal(received.pixel_array, sent.pixel_array)
