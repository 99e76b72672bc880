"""C-STORE: what is acknowledged is in the archive, and every refusal says why."""

import itertools
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from dimse_peer import (
    CT,
    DATA,
    EXPLICIT,
    IMPLICIT,
    Peer,
    associate_rq,
    pdu,
    pdv,
    store_rq,
)
from factories import ct_slice, new_uid
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID
from pynetdicom import AE
from sqlalchemy import text
from structlog.testing import capture_logs

from hounsfield.archive.archive import Archive
from hounsfield.archive.retrieve import find_instances_sync, open_object
from hounsfield.conf.settings import ArchiveSettings, Settings
from hounsfield.dimse.negotiation import STORABLE_SYNTAXES
from hounsfield.dimse.service import DimseService
from hounsfield.dimse.sop_classes import STORAGE_CLASSES

MR = "1.2.840.10008.5.1.4.1.1.4"
MIB = 1024 * 1024


def data_set(dataset: Dataset, *, implicit: bool = False) -> bytes:
    """The data set alone, as it travels in a C-STORE."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, implicit
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


def store(
    port: int,
    dataset: Dataset,
    *,
    data: bytes | None = None,
    uid: str | None = None,
    sop_class: str = CT,
) -> dict[int, bytes]:
    """Send one CT and return the elements of the response."""
    with Peer(port) as peer:
        peer.associate()
        peer.command(3, store_rq(uid or dataset.SOPInstanceUID, sop_class))
        peer.data(3, data_set(dataset) if data is None else data)
        response = peer.response()
        peer.release()
        return response


def status(response: dict[int, bytes]) -> int:
    return int.from_bytes(response[0x0900], "little")


def comment(response: dict[int, bytes]) -> str:
    return response[0x0902].decode()


def stored_data_set(archive: Archive, uid: str) -> bytes:
    (instance,) = find_instances_sync(archive, None, None, uid)
    with open_object(archive, instance) as reader:
        return bytes(reader.map()[instance.dataset_offset :])


def stored(archive: Archive) -> int:
    with archive.database.transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM instance")).scalar_one())


def files(archive: Archive) -> list[Path]:
    return [p for p in (archive.settings.data_dir / "objects").rglob("*") if p.is_file()]


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[int, Archive]]:
    """A service with other settings than those of the fixtures."""
    with closing(Archive(settings)) as archive:
        service = DimseService(archive)
        service.start()
        thread = threading.Thread(target=service.serve_forever)
        thread.start()
        yield service.port, archive
        service.stop(grace_seconds=5)
        thread.join(10)


@contextmanager
def highest_memory() -> Iterator[list[int]]:
    """How much this process, server and peer together, has grown, looked at all the time."""
    process = psutil.Process()
    before, growth, over = process.memory_info().rss, [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            growth.append(process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        over.set()
        watcher.join()


def test_an_acknowledged_instance_is_the_data_set_that_was_sent(
    port: int, archive: Archive
) -> None:
    dataset = ct_slice()
    assert status(store(port, dataset)) == 0
    assert stored_data_set(archive, dataset.SOPInstanceUID) == data_set(dataset)


def test_the_archive_is_told_who_brought_it_and_over_which_association(
    port: int, archive: Archive
) -> None:
    store(port, ct_slice())
    with archive.database.transaction() as connection:
        source = connection.execute(text("SELECT source FROM instance")).scalar_one()
    assert source.pop("association_id")
    assert source == {
        "protocol": "C-STORE",
        "address": "127.0.0.1",
        "calling_ae_title": "TESTER",
        "called_ae_title": "HOUNSFIELD",
    }


def test_a_data_set_in_single_bytes_is_the_same_data_set(port: int, archive: Archive) -> None:
    dataset = ct_slice(rows=4, columns=4)
    data = data_set(dataset)
    with Peer(port) as peer:
        peer.associate()
        command = store_rq(dataset.SOPInstanceUID)
        for n in range(len(command)):
            peer.send(pdu(DATA, pdv(3, 3 if n + 1 == len(command) else 1, command[n : n + 1])))
        for n in range(len(data)):
            peer.send(pdu(DATA, pdv(3, 0, data[n : n + 1])))
        peer.data(3, b"")
        assert peer.status() == 0
    assert stored_data_set(archive, dataset.SOPInstanceUID) == data


def test_a_strangers_scu_stores_in_the_syntax_that_was_agreed(port: int, archive: Archive) -> None:
    dataset = ct_slice()
    ae = AE("STRANGER")
    ae.add_requested_context(CT, [IMPLICIT, EXPLICIT])
    association = ae.associate("127.0.0.1", port, ae_title="HOUNSFIELD")
    assert association.is_established
    assert association.accepted_contexts[0].transfer_syntax == [EXPLICIT]
    assert association.send_c_store(dataset).Status == 0
    association.release()
    (instance,) = find_instances_sync(archive, None, None, dataset.SOPInstanceUID)
    assert instance.transfer_syntax_uid == EXPLICIT


def test_the_same_again_is_a_success_and_other_content_a_warning_that_says_so(
    port: int, archive: Archive
) -> None:
    dataset = ct_slice()
    assert status(store(port, dataset)) == 0
    assert status(store(port, dataset)) == 0
    dataset.PixelData = bytes(len(dataset.PixelData))
    response = store(port, dataset)
    assert status(response) == 0xB000
    assert comment(response)
    assert stored(archive) == 1


def test_a_data_set_that_contradicts_the_command_set_is_a900_with_the_element(
    port: int, archive: Archive
) -> None:
    response = store(port, ct_slice(), uid=new_uid())
    assert status(response) == 0xA900
    assert response[0x0901] == b"\x08\x00\x18\x00"
    assert 0 < len(comment(response)) <= 64
    response = store(port, ct_slice(SOPClassUID=MR))
    assert status(response) == 0xA900
    assert response[0x0901] == b"\x08\x00\x16\x00"
    assert stored(archive) == 0
    assert files(archive) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"no data set at all, but a sentence of some length", bytes(1000), b"\x08\x00"],
    ids=["empty", "text", "zeros", "cut"],
)
def test_what_is_no_data_set_is_c000(port: int, archive: Archive, data: bytes) -> None:
    response = store(port, ct_slice(), data=data)
    assert status(response) == 0xC000
    assert comment(response)
    assert files(archive) == []


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_data_set_without_its_uids_is_refused(port: int, archive: Archive, missing: str) -> None:
    dataset = ct_slice()
    uid = dataset.SOPInstanceUID
    delattr(dataset, missing)
    assert status(store(port, dataset, uid=uid)) in (0xA900, 0xC000)
    assert stored(archive) == 0


def test_a_class_that_is_not_that_of_its_context_is_0122(port: int, archive: Archive) -> None:
    response = store(port, ct_slice(SOPClassUID=MR), sop_class=MR)
    assert status(response) == 0x0122
    assert response[0x0901] == b"\0\0\x02\0"
    assert comment(response)
    with Peer(port) as peer:
        peer.associate()
        peer.command(1, store_rq("1.2.3", "1.2.840.10008.1.1"))
        peer.data(1, b"anything")
        assert peer.status() == 0x0122
    assert stored(archive) == 0


@pytest.mark.parametrize(
    "uid", ["../../etc/passwd", "/etc/x", "..%2f..%2fx", "CON", "1.2\0.3", "1." * 33, "", "1.2;rm"]
)
def test_a_uid_that_is_none_is_refused_and_names_no_file(
    port: int, archive: Archive, uid: str
) -> None:
    dataset = ct_slice()
    with Peer(port) as peer:
        peer.associate()
        peer.command(3, store_rq(uid))
        peer.data(3, data_set(dataset))
        response = peer.response()
        assert status(response) == 0x0117
        assert comment(response)
        assert response[0x0901] == b"\0\0\0\x10"
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        hostile = ct_slice()
        with warnings.catch_warnings(action="ignore"):
            setattr(hostile, name, uid)
            data = data_set(hostile)
        assert status(store(port, dataset, data=data)) in (0xA900, 0xC000)
    assert stored(archive) == 0
    assert files(archive) == []


def test_without_space_a_store_is_a700_and_the_association_goes_on(settings: Settings) -> None:
    full = settings.model_copy(
        update={"archive": ArchiveSettings(min_free_bytes=1 << 60, max_instance_bytes=MIB)}
    )
    with serving(full) as (port, archive):
        small, large = ct_slice(), ct_slice(rows=1024, columns=1024)
        for dataset in (small, large):
            response = store(port, dataset)
            assert status(response) == 0xA700
            assert comment(response)
        assert files(archive) == []


def test_an_instance_over_the_limit_is_a700_and_nothing_of_it_is_left(settings: Settings) -> None:
    strict = settings.model_copy(update={"archive": ArchiveSettings(max_instance_bytes=MIB)})
    with serving(strict) as (port, archive):
        assert status(store(port, ct_slice(rows=1024, columns=1024))) == 0xA700
        assert status(store(port, ct_slice())) == 0
        assert len(files(archive)) == 1


def test_a_store_without_a_data_set_is_c000(port: int) -> None:
    with Peer(port) as peer:
        peer.associate()
        peer.command(3, store_rq("1.2.3", data_set_type=0x0101))
        assert peer.status() == 0xC000
        assert peer.echo() == 0


def test_eight_associations_at_once_lose_nothing(port: int, archive: Archive) -> None:
    slices = [[ct_slice() for _ in range(10)] for _ in range(8)]
    answers: list[int] = []

    def send(mine: list[Dataset]) -> None:
        with Peer(port) as peer:
            peer.associate()
            for dataset in mine:
                peer.command(3, store_rq(dataset.SOPInstanceUID))
                peer.data(3, data_set(dataset))
                answers.append(peer.status())
            peer.release()

    threads = [threading.Thread(target=send, args=(mine,)) for mine in slices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 80
    assert stored(archive) == 80


def send_large(port: int, head: Dataset, frames: int) -> None:
    """A multi-frame instance, frame by frame, that nobody here holds as a whole."""
    frame = bytes(512 * 512 * 2)
    pixel_data = b"\xe0\x7f\x10\x00OW\0\0" + (len(frame) * frames).to_bytes(4, "little")
    with Peer(port) as peer:
        peer.associate(associate_rq([(3, head.SOPClassUID, [EXPLICIT])]))
        peer.command(3, store_rq(head.SOPInstanceUID, head.SOPClassUID))
        peer.data(3, data_set(head) + pixel_data, last=False)
        piece = pdu(DATA, pdv(3, 0, frame[: 128 * 1024]))
        for _ in range(frames * 4):
            peer.send(piece)
        peer.data(3, b"")
        peer.socket.settimeout(60)
        assert peer.status() == 0


def test_four_large_multi_frames_at_once_go_through_without_the_process_growing(
    port: int, archive: Archive
) -> None:
    frames = 128
    heads = [
        ct_slice(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", Rows=512, Columns=512, NumberOfFrames=frames
        )
        for _ in range(4)
    ]
    store(port, ct_slice())
    for head in heads:
        del head.PixelData
    with highest_memory() as growth, ThreadPoolExecutor(4) as senders:
        for sent in [senders.submit(send_large, port, head, frames) for head in heads]:
            sent.result()
    assert stored(archive) == 5
    assert max(growth) < 64 * MIB


def in_syntax(dataset: Dataset, syntax: UID) -> bytes:
    """The data set as the transfer syntax has it; compressed pixels are any bytes."""
    if syntax.is_encapsulated:
        dataset.PixelData = encapsulate([b"a frame of whatever this is"])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = (
        syntax.is_little_endian,
        syntax.is_implicit_VR,
    )
    write_dataset(buffer, dataset)
    encoded = bytes(buffer.getvalue())
    if syntax.is_deflated:
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        encoded = compressor.compress(encoded) + compressor.flush()
        encoded += bytes(len(encoded) % 2)
    return encoded


def test_every_storage_class_is_stored_and_every_transfer_syntax_is_kept(
    port: int, archive: Archive
) -> None:
    """All classes and all syntaxes, each with some of the others: 128 contexts at a time."""
    syntaxes = itertools.cycle(sorted(map(UID, STORABLE_SYNTAXES)))
    classes = [*sorted(STORAGE_CLASSES), "1.3.12.2.1107.5.9.1"]
    for offset in range(0, len(classes), 128):
        offered = [
            (2 * n + 1, sop_class, [next(syntaxes)])
            for n, sop_class in enumerate(classes[offset : offset + 128])
        ]
        with Peer(port) as peer:
            peer.associate(associate_rq(offered))
            for context_id, sop_class, (syntax,) in offered:
                dataset = ct_slice(4, 4, SOPClassUID=sop_class, StudyInstanceUID="1.2.3")
                data = in_syntax(dataset, syntax)
                peer.command(context_id, store_rq(dataset.SOPInstanceUID, sop_class))
                peer.data(context_id, data)
                assert peer.status() == 0, (sop_class, syntax.name)
                (kept,) = find_instances_sync(archive, None, None, dataset.SOPInstanceUID)
                assert (kept.sop_class_uid, kept.transfer_syntax_uid) == (sop_class, syntax)
                assert stored_data_set(archive, dataset.SOPInstanceUID) == data
            peer.release()
    assert len(classes) > 170


def element(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    """An element of Explicit VR Little Endian whose length may be a lie."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    return head + (struct.pack("<xxI", length) if long else struct.pack("<H", length)) + value


UNDEFINED = 0xFFFFFFFF
SEQUENCE, ITEM = 0x00081140, b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
HOSTILE = {
    "length beyond the end": element(0x00104000, b"UN", 0x7FFFFFFE, b"x"),
    "pixel data cut": element(0x7FE00010, b"OW", 1 << 20, bytes(100)),
    "nested without end": (element(SEQUENCE, b"SQ", UNDEFINED) + ITEM) * 10_000,
    "sequence that never closes": element(SEQUENCE, b"SQ", UNDEFINED) + ITEM,
    "odd length": element(0x00102160, b"SH", 3, b"abc") + element(0x00102180, b"SH", 2, b"no"),
    "no VR": element(0x00102160, b"??", 2, b"ab"),
    "tags that go back": element(0x00080005, b"CS", 2, b"  "),
    "half a tag": b"\x10",
    "item outside of a sequence": ITEM,
}

TOLERATED = {HOSTILE[name] for name in ("odd length", "tags that go back", "half a tag")}
"""Devices send these, and what comes before them is whole: they are kept as they are."""


@pytest.mark.parametrize("tail", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_data_set_is_stored_or_refused_in_words_and_the_association_goes_on(
    port: int, archive: Archive, tail: bytes
) -> None:
    dataset = ct_slice()
    del dataset.PixelData
    with Peer(port) as peer, highest_memory() as growth, capture_logs() as said:
        peer.associate()
        peer.command(3, store_rq(dataset.SOPInstanceUID))
        peer.data(3, data_set(dataset) + tail)
        response = peer.response()
        if tail in TOLERATED:
            assert status(response) == 0
            assert stored_data_set(archive, dataset.SOPInstanceUID) == data_set(dataset) + tail
        else:
            assert status(response) == 0xC000
            assert comment(response)
            assert files(archive) == []
        assert peer.echo() == 0
        peer.release()
    assert max(growth) < 32 * MIB
    assert not [entry for entry in said if entry["log_level"] == "error"]


def test_an_association_that_ends_shortens_the_wait_of_its_series(
    port: int, archive: Archive
) -> None:
    store(port, ct_slice())

    def releases() -> int:
        with archive.database.transaction() as connection:
            query = text("SELECT count(*) FROM event_outbox WHERE type = 'released'")
            return int(connection.execute(query).scalar_one())

    assert eventually(lambda: releases() == 1)
