"""Beside a PACS: Debian's Orthanc and `hounsfield serve`, set up as docs/sidecar.md says."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from dicomweb_client import DICOMwebClient
from factories import encode, new_uid, series
from orthanc import PROGRAM, Orthanc
from process_tree import Tree
from pydicom import Dataset, dcmread
from pydicom.uid import (
    Comprehensive3DSRStorage,
    CTImageStorage,
    MRImageStorage,
    SegmentationStorage,
)
from typer.testing import CliRunner, Result
from waiting import eventually

from hounsfield.conf.settings import get_settings
from hounsfield.db.repositories import jobs
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.publish import publish_result
from hounsfield.inference.registry import Registry
from hounsfield.inference.results import write_results
from hounsfield.inference.runner import AnalysisResult
from hounsfield.inference.uids import ResultNames, allocate_results
from hounsfield.inference.volume import Needs, read_series
from hounsfield.server.administering import open_archive
from hounsfield.server.cli import app

if PROGRAM is None:
    pytest.skip("needs Orthanc (Debian: orthanc)", allow_module_level=True)

pytestmark = pytest.mark.slow

PATIENCE = 60.0
NO_SUCH_INSTANCE = 0x0112


@dataclass(frozen=True)
class Neighbours:
    """Both servers, which know each other, and our web door."""

    orthanc: Orthanc
    tree: Tree

    @property
    def web(self) -> DICOMwebClient:
        """A DICOMweb client of ours."""
        return DICOMwebClient(f"http://127.0.0.1:{self.tree.http_port}/dicom-web")

    def api(self, path: str) -> Any:
        """What our JSON API answers."""
        answer = httpx.get(f"http://127.0.0.1:{self.tree.http_port}/api{path}")
        return answer.raise_for_status().json()

    def ours(self, study_instance_uid: str) -> dict[str, str]:
        """SOP classes of what we have of a study, by SOP Instance UID."""
        found = self.web.search_for_instances(study_instance_uid)
        return {each["00080018"]["Value"][0]: each["00080016"]["Value"][0] for each in found}

    def theirs(self, study_instance_uid: str) -> set[str]:
        """What Orthanc has of a study."""
        names = self.orthanc.find("Instance", StudyInstanceUID=study_instance_uid)
        tags = (self.orthanc.get(f"/instances/{name}/simplified-tags") for name in names)
        return {each["SOPInstanceUID"] for each in tags}


@pytest.fixture(scope="module")
def both() -> Iterator[Neighbours]:
    """Started once, and introduced to each other as the document says."""
    folder = Path(tempfile.mkdtemp(prefix="hs-"))
    folder.chmod(0o755)
    tree = Tree(
        folder / "hounsfield",
        HOUNSFIELD_ARCHIVE__MIN_FREE_BYTES="0",
        HOUNSFIELD_INFERENCE__ENABLED="false",
    )
    orthanc: Orthanc | None = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOUNSFIELD_DATA_DIR", str(folder / "hounsfield"))
        patch.setenv("HOUNSFIELD_OUTGOING__SEND_RESULTS_TO", '["ORTHANC"]')
        get_settings.cache_clear()
        try:
            tree.await_ready()
            orthanc = Orthanc(folder / "orthanc", tree.dimse_port).await_ready()
            where = ("--host", "127.0.0.1", "--port", str(orthanc.dimse_port))
            _hounsfield("peers", "add", "ORTHANC", *where, "--may", "all", "--may", "receive")
            yield Neighbours(orthanc, tree)
        finally:
            get_settings.cache_clear()
            if orthanc is not None:
                orthanc.stop()
            tree.destroy()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def ours(both: Neighbours) -> list[Dataset]:
    """A study that we have and Orthanc has not."""
    slices = series(3, PatientID=new_uid()[-16:], PatientName="Müller^Jörg")
    both.web.store_instances(slices)
    return slices


@pytest.fixture
def theirs(both: Neighbours) -> list[Dataset]:
    """A study that Orthanc has and we have not: its rule does not take CT."""
    slices = series(3, PatientID=new_uid()[-16:], PatientName="Dvořák^Anna")
    for each in slices:
        both.orthanc.post("/instances", encode(each))
    return slices


@pytest.fixture
def brain_mask() -> Bundle:
    """The default model; skipped where its weights are not installed."""
    registry = Registry()
    if "is not installed" in registry.refused().get("brain_mask", ""):
        pytest.skip("needs the [ai] extra and deepbet")
    return registry.bundle("brain_mask")


def publish(bundle: Bundle, slices: list[Dataset], folder: Path) -> None:
    """What a worker does once the model has answered; the answer here is what is bright."""
    paths = [folder / f"{number}.dcm" for number in range(len(slices))]
    for path, each in zip(paths, slices, strict=True):
        path.write_bytes(encode(each))
    source = read_series([str(path) for path in paths], Needs(("MR",), 2))
    labels = (source.volume.array > 100).astype(np.uint8)
    names = (str(slices[0].StudyInstanceUID), str(slices[0].SeriesInstanceUID))
    results = allocate_results()
    new = jobs.NewJob(*names, label="queued", trigger="rule", results=results)
    files = (folder / "seg.dcm", folder / "sr.dcm")
    said = write_results(bundle, ResultNames.from_json(results), source, labels, files)
    with open_archive(get_settings()) as archive:
        with archive.database.transaction() as connection:
            job = jobs.begin(connection, jobs.add(connection, new).id)
        assert job is not None
        publish_result(archive, job, AnalysisResult(*files, said["measurements"], [], 1.0))


def _hounsfield(*words: str) -> Result:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done


def _uids(datasets: list[Dataset]) -> set[str]:
    return {str(each.SOPInstanceUID) for each in datasets}


def _equal(file: bytes, dataset: Dataset) -> bool:
    return dcmread(BytesIO(file)) == dcmread(BytesIO(encode(dataset)))


def _report(orthanc: Orthanc, job: dict[str, Any]) -> dict[str, Any]:
    """What Orthanc was told about the storage commitment that it has asked for."""
    path = f"/storage-commitment/{job['StorageCommitmentTransactionUID']}"
    deadline = time.monotonic() + PATIENCE
    while (report := orthanc.get(path))["Status"] == "Pending":
        assert time.monotonic() < deadline, report
        time.sleep(0.1)
    found: dict[str, Any] = report
    return found


def test_each_finds_the_other(both: Neighbours) -> None:
    lines = _hounsfield("peers", "test", "ORTHANC").output.splitlines()
    for service in ("store", "find", "get", "move", "commit"):
        assert any(line.split()[:2] == [service, "yes:"] for line in lines), lines
    both.orthanc.post("/modalities/hounsfield/echo", {"CheckFind": True})


def test_what_comes_in_there_comes_here_and_seg_and_sr_go_back(
    both: Neighbours, brain_mask: Bundle, tmp_path: Path
) -> None:
    """Its rule forwards, both results of a model are sent and committed, and nothing goes round."""
    slices = series(24, Modality="MR", SOPClassUID=MRImageStorage, FrameOfReferenceUID=new_uid())
    study = str(slices[0].StudyInstanceUID)
    for each in slices:
        both.orthanc.post("/instances", encode(each))
    assert eventually(lambda: set(both.ours(study)) == _uids(slices), PATIENCE)
    (name,) = both.orthanc.find("Series", StudyInstanceUID=study)
    forwards = [each["Content"] for each in both.orthanc.get("/jobs?expand")]
    (forward,) = (each for each in forwards if each.get("ParentResources") == [name])
    assert _report(both.orthanc, forward)["Status"] == "Success"
    publish(brain_mask, slices, tmp_path)
    pushes = f"/pushes?study_instance_uid={study}"

    def have_ended() -> bool:
        states = [each["state"] for each in both.api(pushes)["items"]]
        assert "failed" not in states, both.api(pushes)
        return states == ["done", "done"]

    assert eventually(have_ended, PATIENCE), both.api(pushes)
    assert [each["committed"] for each in both.api(pushes)["items"]] == [1, 1]
    ours = both.ours(study)
    assert both.theirs(study) == set(ours)
    results = set(ours) - _uids(slices)
    assert {ours[uid] for uid in results} == {SegmentationStorage, Comprehensive3DSRStorage}
    for uid in results:
        there = dcmread(BytesIO(both.orthanc.file(uid)))
        assert there == both.web.retrieve_instance(study, there.SeriesInstanceUID, uid)


def test_orthanc_sends_to_us_and_has_it_committed(both: Neighbours, theirs: list[Dataset]) -> None:
    study = str(theirs[0].StudyInstanceUID)
    (name,) = both.orthanc.find("Study", StudyInstanceUID=study)
    done = both.orthanc.post(
        "/modalities/hounsfield/store", {"Resources": [name], "StorageCommitment": True}
    )
    assert (done["InstancesCount"], done["FailedInstancesCount"]) == (3, 0)
    assert set(both.ours(study)) == _uids(theirs)
    report = _report(both.orthanc, done)
    assert report["Status"] == "Success"
    assert {each["SOPInstanceUID"] for each in report["Success"]} == _uids(theirs)


def test_we_do_not_commit_to_orthanc_what_we_do_not_have(
    both: Neighbours, theirs: list[Dataset]
) -> None:
    kept, missing = theirs[0], theirs[1]
    both.web.store_instances([kept])
    asked = [[CTImageStorage, each.SOPInstanceUID] for each in (kept, missing)]
    answer = both.orthanc.post(
        "/modalities/hounsfield/storage-commitment", {"DicomInstances": asked}
    )
    report = _report(both.orthanc, {"StorageCommitmentTransactionUID": answer["ID"]})
    assert report["Status"] == "Failure"
    assert [each["SOPInstanceUID"] for each in report["Success"]] == [kept.SOPInstanceUID]
    (failed,) = report["Failures"]
    assert failed["SOPInstanceUID"] == missing.SOPInstanceUID
    assert failed["FailureReason"] == NO_SUCH_INSTANCE


def test_we_send_to_orthanc_and_have_it_committed(both: Neighbours, ours: list[Dataset]) -> None:
    study = str(ours[0].StudyInstanceUID)
    said = _hounsfield("push", "ORTHANC", "--study", study)
    assert said.output.splitlines()[-1] == "done: 3 committed"
    assert both.theirs(study) == _uids(ours)
    assert all(_equal(both.orthanc.file(each.SOPInstanceUID), each) for each in ours)


def test_orthanc_queries_and_moves_from_us(both: Neighbours, ours: list[Dataset]) -> None:
    study, patient = str(ours[0].StudyInstanceUID), str(ours[0].PatientID)
    in_series = str(ours[0].SeriesInstanceUID)
    for level, more, count in (
        ("Patient", {}, 1),
        ("Study", {"PatientName": "müller*", "StudyDate": "20240101-"}, 1),
        ("Series", {"StudyInstanceUID": study, "Modality": "CT"}, 1),
        ("Instance", {"StudyInstanceUID": study, "SeriesInstanceUID": in_series}, 3),
    ):
        wish = {"Level": level, "Query": {"PatientID": patient, **more}}
        query = both.orthanc.post("/modalities/hounsfield/query", wish)["Path"]
        assert len(both.orthanc.get(f"{query}/answers")) == count, level
    one = both.orthanc.get(f"{query}/answers/0/content?simplify")
    done = both.orthanc.post(f"{query}/answers/0/retrieve", {"TargetAet": "ORTHANC"})
    assert done["RemoteAet"] == "HOUNSFIELD"
    assert both.theirs(study) == {one["SOPInstanceUID"]}
    wish = {"Level": "Study", "Query": {"StudyInstanceUID": study}}
    query = both.orthanc.post("/modalities/hounsfield/query", wish)["Path"]
    both.orthanc.post(f"{query}/answers/0/retrieve", {"TargetAet": "ORTHANC"})
    assert both.theirs(study) == _uids(ours)
    assert all(_equal(both.orthanc.file(each.SOPInstanceUID), each) for each in ours)


@pytest.mark.parametrize("way", ["get", "move"])
def test_we_query_and_fetch_from_orthanc(both: Neighbours, theirs: list[Dataset], way: str) -> None:
    study, patient = str(theirs[0].StudyInstanceUID), str(theirs[0].PatientID)
    found = _hounsfield("query", "ORTHANC", f"PatientID={patient}", "PatientName=Dvořák*")
    (line,) = (each for each in found.output.splitlines() if each.endswith(study))
    assert "Dvořák^Anna" in line
    keys = (f"StudyInstanceUID={study}", f"SeriesInstanceUID={theirs[0].SeriesInstanceUID}")
    images = _hounsfield("query", "ORTHANC", "--level", "instance", *keys, "--json").stdout
    lines = [orjson.loads(each) for each in images.splitlines() if each.startswith("{")]
    assert {each["00080018"]["Value"][0] for each in lines} == _uids(theirs)
    _hounsfield("pull", "ORTHANC", "--study", study, "--way", way)
    assert set(both.ours(study)) == _uids(theirs)
    assert {each.SOPInstanceUID: each for each in both.web.retrieve_study(study)} == {
        each.SOPInstanceUID: each for each in theirs
    }
