"""The light DIMSE clients of the bench: they must not count what a server has not done."""

import io
import sys
from collections.abc import Iterator
from typing import Any, cast

import psutil
import pytest
from pydicom import dcmread

from bench import light_storescu, receiver
from bench.association import identifier, messages
from bench.cpu import cpu_seconds
from bench.light_storescu import Prepared
from bench.receiver import Receiver
from bench.servers import Server, free_port
from bench.slices import make_series
from hounsfield.dimse.status import Status


@pytest.fixture
def listening() -> Iterator[tuple[Server, Receiver]]:
    """The bench's own receiver in the place of a server."""
    port = free_port()
    with Receiver(port) as opened:
        yield Server("it", "It", "", cast(Any, None), 0, port, "IT", 0), opened


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light_storescu, "SENT", 6)


@pytest.mark.parametrize("associations", [1, 3])
def test_each_association_sends_its_part_and_waits_for_every_answer(
    listening: tuple[Server, Receiver], associations: int
) -> None:
    server, opened = listening
    prepared = Prepared(server, associations)
    assert prepared.count == 6
    assert prepared.send() > 0
    assert opened.received == 6


def test_an_instance_that_is_refused_is_not_counted_as_sent(
    listening: tuple[Server, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "SUCCESS", Status(0xA700))
    with pytest.raises(RuntimeError, match="status A700H"):
        Prepared(listening[0], 1).send()


class Recorded:
    """PDUs that were made, read as if they came from a peer."""

    def __init__(self, sent: bytes) -> None:
        self._sent = io.BytesIO(sent)

    def read(self) -> tuple[int, memoryview]:
        head = self._sent.read(6)
        return head[0], memoryview(self._sent.read(int.from_bytes(head[2:], "big")))


def test_what_is_sent_is_the_data_set_without_its_file_meta() -> None:
    (made,) = make_series(1)
    sent = light_storescu._message(1, made, 16384)
    reader, data_set = Recorded(sent), bytearray()
    while len(pdu := reader.read()[1] if reader._sent.tell() < len(sent) else b""):
        assert len(pdu) <= 16384
        if not pdu[5] & 1:
            data_set += pdu[6:]
    _, elements = next(messages(cast(Any, Recorded(sent))))
    assert elements[0x1000].decode().strip("\0") == made.instance
    assert made.data.endswith(data_set)
    whole = dcmread(io.BytesIO(made.data))
    read = dcmread(io.BytesIO(data_set), force=True)
    assert read.SOPInstanceUID == made.instance
    assert read.keys() == whole.keys()


def test_a_query_is_encoded_in_explicit_little_endian() -> None:
    keys = dcmread(io.BytesIO(identifier(QueryRetrieveLevel="STUDY", PatientID="B1")), force=True)
    assert keys.original_encoding == (False, True)
    assert (keys.QueryRetrieveLevel, keys.PatientID) == ("STUDY", "B1")


def test_the_time_of_a_process_tree_holds_that_of_children_that_have_ended() -> None:
    own = psutil.Process()
    before, times = cpu_seconds(own.pid), own.cpu_times()
    with psutil.Popen([sys.executable, "-c", "sum(range(10_000_000))"]) as child:
        child.wait()
    after = own.cpu_times()
    spent = after.children_user + after.children_system
    spent -= times.children_user + times.children_system
    assert spent > 0
    assert cpu_seconds(own.pid) - before >= spent - 0.02
