"""We ask a PACS, dcmtk's dcmqrscp, what it has, and fetch it: C-FIND, C-GET, C-MOVE to us."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct_slice, encode, new_uid, series
from pydicom import Dataset, dcmread
from scp import running
from sqlalchemy import text

from hounsfield.archive import peers
from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import InvalidPeer, InvalidQuery, PeerFailed, PeerRefused
from hounsfield.archive.peers import Peer
from hounsfield.archive.retrieve import find_instances_sync
from hounsfield.archive.search import Level
from hounsfield.dimse.probe import destination_of, echo
from hounsfield.dimse.pulling import Pull, Puller, Wanted, Way, storage_contexts
from hounsfield.dimse.querying import FIND_CONTEXT, find
from hounsfield.dimse.requestor import Requestor
from hounsfield.dimse.service import DimseService

pytestmark = pytest.mark.skipif(shutil.which("dcmqrscp") is None, reason="needs dcmtk")

CONFIGURATION = """
NetworkTCPPort = {port}
MaxPDUSize = 65536
MaxAssociations = 8
HostTable BEGIN
us = (HOUNSFIELD, 127.0.0.1, {our_port})
HostTable END
AETable BEGIN
PACS {folder} RW (200, 1024mb) ANY
AETable END
"""

Found = list[dict[str, dict[str, object]]]


@pytest.fixture
def slices() -> list[Dataset]:
    """Two series of one study, and another study."""
    study = new_uid()
    both = [*series(3, StudyInstanceUID=study), *series(2, StudyInstanceUID=study, Modality="MR")]
    return [*both, ct_slice(PatientName="Müller^Eva", PatientID="P-2")]


@pytest.fixture
def pacs(
    tmp_path: Path, service: DimseService, archive: Archive, slices: list[Dataset]
) -> Iterator[Peer]:
    """dcmqrscp with the slices in it, which knows where our listener is; our book has it."""
    folder, sent = tmp_path / "pacs", tmp_path / "sent"
    folder.mkdir()
    sent.mkdir()
    for n, dataset in enumerate(slices):
        (sent / f"{n}.dcm").write_bytes(encode(dataset))
    configuration = tmp_path / "dcmqrscp.cfg"

    def command(port: int) -> list[object]:
        values = {"port": port, "our_port": service.port, "folder": folder}
        configuration.write_text(CONFIGURATION.format(**values))
        return ["dcmqrscp", "+xs", "-c", configuration]

    def peer_at(port: int) -> Peer:
        return Peer("PACS", "127.0.0.1", port, addresses=("127.0.0.1",), may_store=True)

    with running(command, lambda port: echo(archive.settings, peer_at(port)).answered) as port:
        store = ["storescu", "-aec", "PACS", "127.0.0.1", str(port), "+sd", str(sent)]
        subprocess.run(store, check=True, timeout=60)
        yield peers.add(archive, peer_at(port))


def query(archive: Archive, peer: Peer, level: Level, most: int = 100, **keys: str) -> Found:
    with Requestor(destination_of(peer), archive.settings, [FIND_CONTEXT]) as requestor:
        return list(find(requestor, level, keys, most))


def one(found: dict[str, dict[str, object]], tag: str) -> object:
    values = found[tag].get("Value", [None])
    assert isinstance(values, list)
    return values[0]


def stored(archive: Archive) -> list[str]:
    with archive.database.transaction() as connection:
        return list(connection.scalars(text("SELECT sop_instance_uid FROM instance ORDER BY 1")))


def pull(archive: Archive, peer: Peer, wanted: Wanted, way: Way | None = None) -> list[Pull]:
    return list(Puller(archive, peer, wanted, way).run())


def test_a_pacs_is_asked_on_each_level(pacs: Peer, archive: Archive, slices: list[Dataset]) -> None:
    study = str(slices[0].StudyInstanceUID)
    assert len(query(archive, pacs, Level.STUDY)) == 2
    (found,) = query(archive, pacs, Level.STUDY, PatientName="Müll*")
    assert one(found, "00100010") == {"Alphabetic": "Müller^Eva"}
    assert one(found, "00100020") == "P-2"
    both = query(archive, pacs, Level.SERIES, StudyInstanceUID=study)
    assert {one(each, "00080060") for each in both} == {"CT", "MR"}
    in_series = str(slices[0].SeriesInstanceUID)
    keys = {"StudyInstanceUID": study, "SeriesInstanceUID": in_series}
    images = query(archive, pacs, Level.INSTANCE, **keys)
    assert {one(each, "00080018") for each in images} == {
        str(each.SOPInstanceUID) for each in slices[:3]
    }
    assert query(archive, pacs, Level.STUDY, PatientID="NOBODY") == []
    assert len(query(archive, pacs, Level.INSTANCE, 1, **keys)) == 1, "the rest is canceled"


def test_a_query_that_makes_no_sense_is_not_sent(archive: Archive, pacs: Peer) -> None:
    for level, keys, words in (
        (Level.SERIES, {}, "needs a StudyInstanceUID"),
        (Level.STUDY, {"NoSuch": "x"}, "no keyword"),
        (Level.STUDY, {"StudyDate": "gestern für alle"}, "no value"),
        (Level.STUDY, {"ReferencedStudySequence": "x"}, "sequence"),
    ):
        with pytest.raises(InvalidQuery, match=words):
            query(archive, pacs, level, **keys)


@pytest.mark.parametrize("way", ["get", "move", None])
def test_a_study_is_fetched_with_its_progress(
    pacs: Peer, archive: Archive, slices: list[Dataset], way: Way | None
) -> None:
    wanted = Wanted(str(slices[0].StudyInstanceUID))
    *before, last = pull(archive, pacs, wanted, way)
    assert last == Pull(way or "get", True, 5, last.remaining, 0)
    assert before
    assert not any(each.done for each in before)
    assert stored(archive) == sorted(str(each.SOPInstanceUID) for each in slices[:5])
    with archive.database.transaction() as connection:
        sources = connection.scalars(
            text("SELECT DISTINCT source->>'calling_ae_title' FROM instance")
        )
        assert list(sources) == ["PACS"]
    again = pull(archive, pacs, wanted, way)[-1]
    assert (again.completed, again.failed, again.problem) == (5, 0, "")


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_series_or_an_instance_is_fetched_alone(
    pacs: Peer, archive: Archive, slices: list[Dataset], way: Way
) -> None:
    study, in_series = str(slices[0].StudyInstanceUID), str(slices[3].SeriesInstanceUID)
    sop = str(slices[3].SOPInstanceUID)
    assert pull(archive, pacs, Wanted(study, in_series, sop), way)[-1].completed == 1
    assert stored(archive) == [sop]
    assert pull(archive, pacs, Wanted(study, in_series), way)[-1].completed == 2
    assert len(stored(archive)) == 2


def test_what_is_compressed_comes_as_it_is(pacs: Peer, archive: Archive, shared_data: Path) -> None:
    (path,) = (shared_data / "transfer_syntaxes").glob("CTImage*.4.70.dcm")
    command = ["storescu", "-xs", "-aec", "PACS", "127.0.0.1", str(pacs.port), str(path)]
    subprocess.run(command, check=True, timeout=60)
    dataset = dcmread(path)
    done = pull(archive, pacs, Wanted(str(dataset.StudyInstanceUID)), "get")[-1]
    assert (done.completed, done.problem) == (1, "")
    (kept,) = find_instances_sync(archive, None, None, str(dataset.SOPInstanceUID))
    assert kept.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID


def test_a_fetch_that_cannot_be_says_why(
    pacs: Peer, archive: Archive, slices: list[Dataset]
) -> None:
    wanted = Wanted(str(slices[0].StudyInstanceUID))
    silent = Peer("PACS", pacs.host, pacs.port)
    with pytest.raises(InvalidPeer, match="let it store first"):
        pull(archive, silent, wanted, "move")
    settings = archive.settings
    renamed = settings.dimse.model_copy(update={"ae_title": "STRANGER"})
    archive.settings = settings.model_copy(update={"dimse": renamed})
    unknown = pull(archive, pacs, wanted, "move")[-1]
    assert "does not know STRANGER as a place to send to" in unknown.problem
    archive.settings = settings
    nothing = pull(archive, pacs, Wanted(new_uid()), "get")[-1]
    assert (nothing.completed, nothing.failed) == (0, 0)
    with pytest.raises(PeerFailed, match="cannot be reached"):
        pull(archive, Peer("PACS", pacs.host, 1), wanted)


def test_a_fetch_that_is_left_early_ends_the_association_and_keeps_what_came(
    pacs: Peer, archive: Archive, slices: list[Dataset]
) -> None:
    running = Puller(archive, pacs, Wanted(str(slices[0].StudyInstanceUID)), "get").run()
    next(running)
    running.close()
    assert len(stored(archive)) < 5
    assert echo(archive.settings, pacs).answered


def test_a_peer_that_retrieves_nothing_is_said(archive: Archive, tmp_path: Path) -> None:
    def peer_at(port: int) -> Peer:
        return Peer("SCP", "127.0.0.1", port, may_store=True)

    with running(
        lambda port: ["storescp", "-aet", "SCP", "-od", tmp_path, port],
        lambda port: echo(archive.settings, peer_at(port)).answered,
    ) as port:
        for way, words in (("get", "does not accept C-GET"), (None, "neither C-GET nor C-MOVE")):
            with pytest.raises(PeerRefused, match=words):
                pull(archive, peer_at(port), Wanted("1.2"), way)  # type: ignore[arg-type]


def test_contexts_are_never_more_than_fit() -> None:
    for count in (1, 3, 4, 62, 63, 125):
        contexts = storage_contexts([f"1.2.{n}" for n in range(count)])
        numbers = [each.context_id for each in contexts]
        assert len(contexts) <= 125
        assert numbers == list(range(7, 7 + 2 * len(contexts), 2))
        assert numbers[-1] <= 255
