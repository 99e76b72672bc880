"""dcmtk's tools, as every hospital uses them, against the service."""

import shutil
import subprocess
from pathlib import Path

import pytest
from dimse_peer import IMPLICIT
from factories import encode, series
from pydicom import dcmread
from sqlalchemy import text

from hounsfield.archive.archive import Archive
from hounsfield.archive.retrieve import find_instances_sync, open_object

pytestmark = pytest.mark.skipif(shutil.which("storescu") is None, reason="needs dcmtk")


def run(tool: str, port: int, *arguments: object, called: str = "HOUNSFIELD") -> str:
    """Run a tool of dcmtk; its output. Raises where it fails."""
    command = [tool, "-v", "-aec", called, "127.0.0.1", str(port), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout + done.stderr


def kept(archive: Archive, uid: str) -> tuple[str, bytes]:
    """Transfer syntax and data set of what was stored."""
    (instance,) = find_instances_sync(archive, None, None, uid)
    with open_object(archive, instance) as reader:
        return instance.transfer_syntax_uid, bytes(reader.map()[instance.dataset_offset :])


def test_echoscu_is_answered(port: int) -> None:
    assert "Received Echo Response (Success)" in run("echoscu", port)


def test_echoscu_that_calls_somebody_else_is_rejected(port: int) -> None:
    with pytest.raises(AssertionError, match="Called AE Title Not Recognized"):
        run("echoscu", port, called="SOMEBODY")


@pytest.mark.parametrize("options", [[], ["-xv"], ["-xi"], ["--required"], ["-pdu", "4096"]])
def test_storescu_stores_a_series_whatever_it_proposes(
    port: int, archive: Archive, tmp_path: Path, options: list[str]
) -> None:
    slices = series(5)
    for n, dataset in enumerate(slices):
        (tmp_path / f"{n}.dcm").write_bytes(encode(dataset))
    command = ["storescu", "-v", "-aec", "HOUNSFIELD", *options, "+sd", "127.0.0.1", str(port)]
    done = subprocess.run(
        [*command, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        done.stderr.count("Received Store Response (Success)")
        + done.stdout.count("Received Store Response (Success)")
        == 5
    )
    with archive.database.transaction() as connection:
        assert connection.execute(text("SELECT count(*) FROM instance")).scalar_one() == 5


def test_storescu_one_association_an_image_is_one_series(
    port: int, archive: Archive, tmp_path: Path
) -> None:
    for n, dataset in enumerate(series(5)):
        path = tmp_path / f"{n}.dcm"
        path.write_bytes(encode(dataset))
        run("storescu", port, path)
    with archive.database.transaction() as connection:
        counted = text("SELECT count(*), count(DISTINCT series_pk) FROM instance")
        assert tuple(connection.execute(counted).one()) == (5, 1)


def test_dcmsend_stores_every_transfer_syntax_as_it_is(
    port: int, archive: Archive, shared_data: Path
) -> None:
    files = sorted((shared_data / "transfer_syntaxes").glob("CTImage*.dcm"))
    files = [
        path for path in files if ".4.53.dcm" not in path.name and ".4.55.dcm" not in path.name
    ]
    assert len(files) > 10
    for path in files:
        dataset = dcmread(path, stop_before_pixels=True)
        # The same slice in each of them: one that is stored already would hide the others.
        with archive.database.transaction() as connection:
            connection.execute(text("DELETE FROM instance"))
        run("dcmsend", port, "--decompress-never", path)
        syntax, data = kept(archive, dataset.SOPInstanceUID)
        if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            assert syntax == dataset.file_meta.TransferSyntaxUID, path.name
            assert path.read_bytes().endswith(data[-50_000:]), path.name
        else:
            assert syntax != IMPLICIT, path.name  # any other one: dcmsend converts as it likes
