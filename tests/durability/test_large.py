"""Two gigabytes in and out by every protocol, in processes that stay small."""

import hashlib
import http.client
import itertools
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dicomweb_requests import BOUNDARY, FRAME_ACCEPT, MOUNT, STORE_HEADERS
from dimse_peer import DATA, EXPLICIT, Peer, associate_rq, pdu, pdv, store_rq
from factories import ct_slice
from process_tree import Tree
from senders import Instance, c_store_one, made, wado

MIB = 1024 * 1024
GROWTH = 256 * MIB
FRAMES = 2049
"""Of one MiB each: the last begins behind the 31st bit."""
SIZE = FRAMES * MIB
NEEDED = 3 * SIZE
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
BASE = hashlib.shake_256(b"a frame").digest(MIB)

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="measures processes of Linux and macOS"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def frame(number: int) -> bytes:
    """Frame ``number``, from 1: like no other."""
    return number.to_bytes(8, "little") + BASE[8:]


class Huge:
    """A multi-frame instance of more than 2 GiB that is never in memory."""

    def __init__(self) -> None:
        head = made(
            ct_slice(
                SOPClassUID=ENHANCED_CT,
                Rows=1024,
                Columns=1024,
                BitsAllocated=8,
                BitsStored=8,
                HighBit=7,
                NumberOfFrames=FRAMES,
                PixelData=b"",
            )
        )
        end = b"\xe0\x7f\x10\x00OB\0\0" + bytes(4)
        assert head.data_set.endswith(end)
        announced = end[:8] + SIZE.to_bytes(4, "little")
        self.instance: Instance = head
        self.data_set_head = head.data_set[: -len(end)] + announced
        self.file_head = head.file[: -len(end)] + announced

    def frames(self) -> Iterator[bytes]:
        return (frame(number) for number in range(1, FRAMES + 1))


class Memory:
    """The largest growth of some processes while a block runs."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self._processes = processes
        self._before = {p.pid: (p.memory_info().rss, p.memory_full_info().uss) for p in processes}
        self.rss = self.uss = 0

    @contextmanager
    def watched(self, what: str) -> Iterator[None]:
        over = threading.Event()
        self.rss = self.uss = 0

        def watch() -> None:
            for tick in itertools.count():
                if over.wait(0.05):
                    return
                for process in self._processes:
                    rss, uss = self._before[process.pid]
                    self.rss = max(self.rss, process.memory_info().rss - rss)
                    if tick % 20 == 0:  # it walks the page tables, which holds the process up
                        self.uss = max(self.uss, process.memory_full_info().uss - uss)

        thread = threading.Thread(target=watch)
        thread.start()
        began = time.monotonic()
        try:
            yield
        finally:
            over.set()
            thread.join()
            seconds = time.monotonic() - began
            print(f"{what}: {seconds:.1f} s, RSS +{self.rss // MIB}, USS +{self.uss // MIB} MiB")
        assert self.rss < GROWTH, what


@pytest.fixture
def tree(short_dir: Path, start: Callable[..., Tree]) -> Tree:
    free = shutil.disk_usage(short_dir).free
    if free < NEEDED:
        pytest.skip(f"needs {NEEDED // MIB} MiB of disk, {free // MIB} are free")
    return start(short_dir / "data")


def test_two_gigabytes_go_in_and_out_by_every_protocol_in_small_processes(tree: Tree) -> None:
    small = made()
    assert c_store_one(tree.dimse_port, small) == 0
    for _ in range(8):  # both web processes are warm
        assert wado(tree.http_port, small).status == 200
    dimse, web = Memory(tree.children("dimse")), Memory(tree.children("web"))
    by_dimse, by_web = Huge(), Huge()
    with dimse.watched("C-STORE"):
        assert send(tree.dimse_port, by_dimse) == 0
    with web.watched("STOW-RS"):
        assert post(tree.http_port, by_web) == 200
    for huge in (by_dimse, by_web):
        with web.watched("WADO-RS instance"):
            read_instance(tree.http_port, huge, exact=huge is by_web)
    with web.watched("WADO-RS frames"):
        read_frames(tree.http_port, by_dimse, [FRAMES, *range(1, FRAMES, 2), FRAMES - 1])
    with web.watched("bulk data, a range behind 2 GiB"):
        read_range(tree.http_port, by_web, 2**31 - MIB - 5, 2**31 + 5)
    with web.watched("bulk data, whole"):
        read_range(tree.http_port, by_dimse, 0, SIZE)


def send(port: int, huge: Huge) -> int:
    """C-STORE; the status."""
    with Peer(port) as peer:
        peer.socket.settimeout(300)
        peer.associate(associate_rq([(3, ENHANCED_CT, [EXPLICIT])]))
        peer.command(3, store_rq(huge.instance.sop, ENHANCED_CT))
        peer.data(3, huge.data_set_head, last=False)
        step = MIB // 8
        for data in huge.frames():
            pieces = (data[offset : offset + step] for offset in range(0, MIB, step))
            peer.send(b"".join(pdu(DATA, pdv(3, 0, piece)) for piece in pieces))
        peer.data(3, b"")
        return peer.status()


def post(port: int, huge: Huge) -> int:
    """STOW-RS; the status."""
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + huge.file_head
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield head
        yield from huge.frames()
        yield tail

    length = str(len(head) + SIZE + len(tail))
    with asking(port, "POST", "/studies", body(), STORE_HEADERS | {"content-length": length}) as a:
        return a.status


def read_instance(port: int, huge: Huge, *, exact: bool) -> None:
    """WADO-RS, byte for byte: the whole file, or what follows the File Meta made on arrival."""
    path = huge.instance.path.removeprefix(MOUNT)
    with asking(port, "GET", path, headers={"accept": "application/dicom"}) as answer:
        length = int(answer.headers["content-length"])
        head = answer.read(length - SIZE)
        assert head == huge.file_head if exact else head.endswith(huge.data_set_head)
        for data in huge.frames():
            assert answer.read(MIB) == data
        assert answer.read() == b""


def read_frames(port: int, huge: Huge, numbers: list[int]) -> None:
    """Frames in this order, each whole."""
    path = huge.instance.path.removeprefix(MOUNT) + f"/frames/{','.join(map(str, numbers))}"
    with asking(port, "GET", path, headers={"accept": FRAME_ACCEPT}) as answer:
        assert answer.status == 200
        for number in numbers:
            skip_head(answer)
            assert answer.read(MIB) == frame(number), number
        assert answer.read().rstrip().endswith(b"--")


def skip_head(answer: http.client.HTTPResponse) -> None:
    """Read up to the first byte of the next part."""
    while not (line := answer.readline()).startswith(b"--"):
        assert line == b"\r\n"
    while answer.readline().strip():
        pass


def read_range(port: int, huge: Huge, start: int, end: int) -> None:
    """Bytes of the pixel data, by the address that the metadata give."""
    path = huge.instance.path.removeprefix(MOUNT) + "/bulkdata/7FE00010"
    wanted = {"accept": "application/octet-stream", "range": f"bytes={start}-{end - 1}"}
    with asking(port, "GET", path, headers=wanted) as answer:
        assert answer.status == 206
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
        while start < end:
            number, offset = divmod(start, MIB)
            expected = frame(number + 1)[offset : offset + end - start]
            assert answer.read(len(expected)) == expected
            start += len(expected)
        assert answer.read() == b""


@contextmanager
def asking(
    port: int,
    method: str,
    path: str,
    body: Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request(method, MOUNT + path, body, headers or {})
        yield connection.getresponse()
    finally:
        connection.close()
