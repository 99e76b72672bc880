"""dcmtk's findscu, getscu and movescu, with its own receivers as destinations of a C-MOVE."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories import ct_slice, encode, new_uid, series
from pydicom import dcmread
from pydicom.dataset import Dataset

from hounsfield.archive.archive import Archive
from hounsfield.archive.ingest import store_bytes
from hounsfield.archive.types import Source
from hounsfield.db.repositories.peers import Peer, add_peer

pytestmark = pytest.mark.skipif(shutil.which("movescu") is None, reason="needs dcmtk")

COUNT = 6
CONFIGURATION = Path("/etc/dcmtk/storescp.cfg")


@pytest.fixture
def stored(archive: Archive) -> list[Dataset]:
    """A series, and a study of another patient."""
    slices = series(COUNT)
    other = ct_slice(PatientID="P-9", PatientName="Other^One")
    for dataset in (*slices, other):
        store_bytes(archive, Source("IMPORT"), encode(dataset))
    return slices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a tool writes what it receives."""
    made = tmp_path / "received"
    made.mkdir()
    return made


def run(*command: object) -> str:
    """Run a tool that succeeds; its output."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(tool: str, port: int, *options: object, **keys: str) -> list[object]:
    """The command line of a query or retrieve."""
    named = [part for keyword, value in keys.items() for part in ("-k", f"{keyword}={value}")]
    return [tool, "-v", "-aec", "HOUNSFIELD", *options, *named, "127.0.0.1", port]


def values(output: str, keyword: str) -> list[str]:
    """What findscu printed for an attribute in its answers."""
    answers = output.split("Find Response: ")[1:]
    lines = [line for answer in answers for line in answer.splitlines() if keyword in line]
    return [line.partition("[")[2].partition("]")[0].strip(" \0") for line in lines]


@pytest.mark.parametrize("model", ["-P", "-S"])
def test_findscu_walks_down_from_study_to_image(
    stored: list[Dataset], port: int, model: str
) -> None:
    patient = {"PatientID": "P-1"}
    studies = run(
        *asked(
            "findscu",
            port,
            model,
            QueryRetrieveLevel="STUDY",
            StudyInstanceUID="",
            StudyDate="20240101-20241231",
            NumberOfStudyRelatedInstances="",
            **patient,
        )
    )
    (study,) = values(studies, "StudyInstanceUID")
    assert study == stored[0].StudyInstanceUID
    assert values(studies, "NumberOfStudyRelatedInstances") == [str(COUNT)]
    found = run(
        *asked(
            "findscu",
            port,
            model,
            QueryRetrieveLevel="SERIES",
            StudyInstanceUID=study,
            SeriesInstanceUID="",
            Modality="",
            **patient,
        )
    )
    (series_uid,) = values(found, "SeriesInstanceUID")
    images = run(
        *asked(
            "findscu",
            port,
            model,
            QueryRetrieveLevel="IMAGE",
            StudyInstanceUID=study,
            SeriesInstanceUID=series_uid,
            SOPInstanceUID="",
            **patient,
        )
    )
    assert set(values(images, "SOPInstanceUID")) == {d.SOPInstanceUID for d in stored}


def test_findscu_of_a_patient_and_one_that_cancels(stored: list[Dataset], port: int) -> None:
    found = run(
        *asked("findscu", port, "-P", QueryRetrieveLevel="PATIENT", PatientID="", PatientName="")
    )
    assert sorted(values(found, "PatientID")) == ["P-1", "P-9"]
    canceled = run(
        *asked("findscu", port, "-S", "--cancel", "1", QueryRetrieveLevel="STUDY", PatientID="")
    )
    assert "Sending Cancel Request" in canceled or "cancel" in canceled.lower()


@pytest.mark.parametrize("options", [[], ["+xi"], ["+xe"], ["-pdu", "4096"]])
def test_getscu_gets_a_study_whatever_it_prefers(
    stored: list[Dataset], port: int, folder: Path, options: list[str]
) -> None:
    run(
        *asked(
            "getscu",
            port,
            "-S",
            *options,
            "-od",
            folder,
            QueryRetrieveLevel="STUDY",
            StudyInstanceUID=stored[0].StudyInstanceUID,
        )
    )
    got = {d.SOPInstanceUID: d for d in map(dcmread, folder.iterdir())}
    assert got.keys() == {d.SOPInstanceUID for d in stored}
    for dataset in stored:
        assert got[dataset.SOPInstanceUID].PixelData == dataset.PixelData


@contextmanager
def receiver(archive: Archive, command: list[object], ae_title: str) -> Iterator[None]:
    """A receiver of dcmtk that listens, in the AE book under its AE title."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with archive.database.transaction() as connection:
        add_peer(connection, Peer(ae_title, "127.0.0.1", port, may_receive=True))
    with subprocess.Popen([*map(str, command), str(port)], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("tool", "options"), [("storescp", []), ("storescp", ["+xi"]), ("dcmrecv", [])]
)
def test_movescu_moves_a_study_to_a_receiver_of_dcmtk(
    archive: Archive,
    stored: list[Dataset],
    port: int,
    folder: Path,
    tool: str,
    options: list[str],
) -> None:
    if tool == "dcmrecv":
        if not CONFIGURATION.is_file():
            pytest.skip("dcmrecv takes nothing without the configuration that dcmtk brings along")
        options = ["-xf", str(CONFIGURATION), "Default"]
    command: list[object] = [tool, "-aet", "RECEIVER", *options, "-od", folder]
    if tool == "storescp":
        command.append("--fork")
    with receiver(archive, command, "RECEIVER"):
        run(
            *asked(
                "movescu",
                port,
                "-S",
                "-aem",
                "RECEIVER",
                QueryRetrieveLevel="STUDY",
                StudyInstanceUID=stored[0].StudyInstanceUID,
            )
        )
    got = {d.SOPInstanceUID: d for d in map(dcmread, folder.iterdir())}
    assert got.keys() == {d.SOPInstanceUID for d in stored}
    for dataset in stored:
        assert got[dataset.SOPInstanceUID].PixelData == dataset.PixelData


def test_movescu_receives_what_it_asked_for_itself(
    archive: Archive, stored: list[Dataset], port: int, folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own = probe.getsockname()[1]
    with archive.database.transaction() as connection:
        add_peer(connection, Peer("MOVESCU", "127.0.0.1", own, may_move=True, may_receive=True))
    run(
        *asked(
            "movescu",
            port,
            "-S",
            "-aet",
            "MOVESCU",
            "-aem",
            "MOVESCU",
            "--port",
            own,
            "-od",
            folder,
            QueryRetrieveLevel="SERIES",
            StudyInstanceUID=stored[0].StudyInstanceUID,
            SeriesInstanceUID=stored[0].SeriesInstanceUID,
        ),
    )
    assert len(list(folder.iterdir())) == COUNT


def test_movescu_to_nobody_fails_and_says_so(stored: list[Dataset], port: int) -> None:
    command = asked(
        "movescu",
        port,
        "-S",
        "-aem",
        "NOBODY",
        QueryRetrieveLevel="STUDY",
        StudyInstanceUID=new_uid(),
    )
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "MoveDestinationUnknown" in done.stdout + done.stderr
