"""``hounsfield import``: folders and ZIPs through a running server (reliability S-01, S-03)."""

import io
import os
import struct
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest
from factories import ct_slice, encode, series
from pydicom import Dataset
from sqlalchemy import text
from web_server import serving

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import OutOfResources
from hounsfield.conf.settings import Settings
from hounsfield.db.errors import CannotStart
from hounsfield.server.importing import sending
from hounsfield.server.importing.command import import_files
from hounsfield.server.importing.sources import Zip

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(settings: Settings, port: int, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Import from this process; the report."""
    http = settings.http.model_copy(update={"port": port})
    here = settings.model_copy(update={"http": http})

    def run(path: Path, *, again: bool = False) -> dict[str, Any]:
        capfdbinary.readouterr()
        complete = import_files(here, path, parallel=3, again=again, as_json=True)
        report: dict[str, Any] = orjson.loads(capfdbinary.readouterr().out)
        assert report["complete"] is complete
        return report

    return run


def stored(archive: Archive) -> int:
    with archive.database.transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM instance")).scalar_one())


def reasons(report: dict[str, Any], kind: str) -> dict[str, str]:
    return {item["file"]: item["reason"] for item in report[kind]}


def write(folder: Path, datasets: list[Dataset]) -> None:
    folder.mkdir(parents=True)
    for number, dataset in enumerate(datasets):
        (folder / f"{number:03}.dcm").write_bytes(encode(dataset))


def test_a_folder_is_stored_and_what_is_not_is_named_with_its_reason(
    archive: Archive, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "discs"
    write(folder / "a" / "b", series(70))
    first = (folder / "a" / "b" / "000.dcm").read_bytes()
    (folder / "copy").write_bytes(first)
    (folder / "other content").write_bytes(first.replace(b"Doe^Jane", b"Roe^Jane"))
    (folder / "cut.dcm").write_bytes(encode(ct_slice())[:500])
    (folder / "no uid.dcm").write_bytes(encode(ct_slice(SeriesInstanceUID=None)))
    (folder / "notes.txt").write_text("nothing to see")
    (folder / "DICOMDIR").write_bytes(first)
    (folder / "empty").touch()
    (folder / "link").symlink_to("/etc/hostname")
    report = run(folder)
    assert stored(archive) == 70
    assert report["stored"] == 72
    assert reasons(report, "warnings").keys() == {"other content"}
    refused = reasons(report, "refused")
    assert refused.keys() == {"cut.dcm", "no uid.dcm", "link"}
    assert "0020,000E" in refused["no uid.dcm"]
    assert reasons(report, "skipped").keys() == {"notes.txt", "DICOMDIR", "empty"}
    assert not report["complete"]


def test_a_zip_is_stored_without_being_unpacked(archive: Archive, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive_file:
        for number, dataset in enumerate(series(40)):
            archive_file.writestr(f"../../up/{number}", encode(dataset))
        archive_file.writestr("/etc/passwd", b"x" * 1000)
    report = run(path)
    assert report["complete"], report
    assert stored(archive) == report["stored"] == 40
    assert reasons(report, "skipped") == {"/etc/passwd": "not a DICOM file"}
    assert not (tmp_path / "up").exists()


def test_s03_entries_of_a_zip_that_lie_are_refused_one_by_one(
    archive: Archive, run: Run, tmp_path: Path
) -> None:
    good, forged, spoilt = series(3)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("good", encode(good))
        archive_file.writestr("bomb", bytes(32 * 1024 * 1024))
        archive_file.writestr("spoilt", encode(spoilt), zipfile.ZIP_STORED)
        archive_file.writestr("forged", encode(forged), zipfile.ZIP_STORED)
        archive_file.writestr("fill", os.urandom(400_000))
    data = bytearray(buffer.getvalue())
    data[data.index(b"P-1", data.index(b"spoilt"))] ^= 1
    entry = data.rindex(b"forged") - 46
    struct.pack_into("<I", data, entry + 24, 600)
    path = tmp_path / "hostile.zip"
    path.write_bytes(data)
    report = run(path)
    assert stored(archive) == report["stored"] == 1
    assert reasons(report, "refused").keys() == {"bomb", "spoilt", "forged"}
    assert "times its size" in reasons(report, "refused")["bomb"]


def test_s03_a_zip_of_a_million_entries_or_of_zeros_is_refused_before_it_is_read(
    tmp_path: Path,
) -> None:
    many, zeros = tmp_path / "many.zip", tmp_path / "zeros.zip"
    end_64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 10**6, 10**6, 10**8, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 10**8, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    many.write_bytes(bytes(100) + end_64 + locator + end)
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("a", bytes(20 * 1024 * 1024))
    before = psutil.Process().memory_info().rss
    for path, why in ((many, "1000000 entries"), (zeros, "times its size")):
        with pytest.raises(CannotStart, match=why):
            Zip(path)
    assert psutil.Process().memory_info().rss - before < 64 * 1024 * 1024


def test_an_import_that_was_interrupted_goes_on_where_it_was(
    archive: Archive, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    write(folder, series(100))
    send, sent = sending.Sender.send, threading.Semaphore(1)

    def once(self: sending.Sender, files: Any) -> Any:
        if not sent.acquire(blocking=False):
            raise sending.ServerGone
        return send(self, files)

    with monkeypatch.context() as patch:
        patch.setattr(sending.Sender, "send", once)
        report = run(folder)
    assert report["interrupted"]
    assert report["stored"] == stored(archive) == 32
    report = run(folder)
    assert (report["stored_before"], report["stored"]) == (32, 68)
    assert report["complete"]
    assert stored(archive) == 100
    assert run(folder)["stored"] == 100, "nothing is left over of a complete run"


def test_a_server_that_has_no_room_for_a_while_is_asked_again(
    archive: Archive, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "study", series(3))
    create, full = archive.objects.create, iter(range(3))

    def sometimes() -> Any:
        if next(full, None) is not None:
            raise OutOfResources("no space left for objects")
        return create()

    monkeypatch.setattr(archive.objects, "create", sometimes)
    monkeypatch.setattr(sending, "WAIT_SECONDS", 0.01)
    assert run(tmp_path / "study")["stored"] == stored(archive) == 3


def test_without_a_server_it_says_how_to_start_one_and_its_status_tells(
    archive: Archive, settings: Settings, tmp_path: Path
) -> None:
    write(tmp_path / "study", series(2))

    def command(port: int) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {
            "HOUNSFIELD_HTTP__PORT": str(port),
            "HOUNSFIELD_DATA_DIR": str(settings.data_dir),
        }
        words = [sys.executable, "-m", "hounsfield.server.cli", "import", str(tmp_path / "study")]
        return subprocess.run(words, env=environment, check=False, capture_output=True, text=True)

    with serving(archive) as port:
        done = command(port)
        assert done.returncode == 0, done.stderr
        assert "2 files stored" in done.stdout
    done = command(port)
    assert done.returncode == 1
    assert "hounsfield serve" in done.stderr
