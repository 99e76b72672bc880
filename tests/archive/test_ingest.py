"""The one door: what is acknowledged is stored, indexed and the same bytes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from factories import ct_slice, encode, new_uid, series
from pydicom.pixels.utils import compress
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from sqlalchemy import text

from hounsfield.archive.archive import Archive
from hounsfield.archive.errors import (
    CannotUnderstand,
    DataSetMismatch,
    HounsfieldError,
    OutOfResources,
    TooLarge,
)
from hounsfield.archive.ingest import publish, receive, store_bytes
from hounsfield.archive.retrieve import find_instances_sync, open_object
from hounsfield.archive.types import Outcome, Source

SOURCE = Source("IMPORT")


def stored_bytes(archive: Archive, sop_instance_uid: str) -> bytes:
    (instance,) = find_instances_sync(archive, None, None, sop_instance_uid)
    with open_object(archive, instance) as reader:
        return bytes(reader.map())


def count(archive: Archive, table: str, where: str = "true") -> int:
    with archive.database.transaction() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}"))
        return int(found.scalar_one())


def objects_on_disk(archive: Archive) -> list[Path]:
    root = archive.settings.data_dir / "objects"
    return [path for path in root.rglob("*") if path.is_file()] if root.exists() else []


def test_a_stored_instance_is_the_bytes_that_came(archive: Archive) -> None:
    data = encode(ct_slice())
    result = store_bytes(archive, SOURCE, data)
    assert result.outcome is Outcome.STORED
    assert stored_bytes(archive, result.sop_instance_uid) == data


def test_a_bare_data_set_gets_a_file_meta_and_is_otherwise_untouched(archive: Archive) -> None:
    dataset = ct_slice()
    whole = encode(dataset)
    bare = whole[whole.index(b"\x08\x00\x05\x00") :]
    with receive(
        archive,
        Source("C-STORE", calling_ae_title="MODALITY"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
    ) as reception:
        reception.write(bare[:100])
        reception.write(memoryview(bare)[100:])
        assert reception.commit().outcome is Outcome.STORED
    kept = stored_bytes(archive, dataset.SOPInstanceUID)
    assert kept[128:132] == b"DICM"
    assert kept.endswith(bare)


def test_the_same_data_set_again_is_a_success_and_one_object(archive: Archive) -> None:
    data = encode(ct_slice())
    store_bytes(archive, SOURCE, data)
    assert store_bytes(archive, SOURCE, data).outcome is Outcome.ALREADY_STORED
    assert count(archive, "instance") == 1
    assert len(objects_on_disk(archive)) == 1


def test_a_damaged_object_is_written_anew_when_its_data_set_comes_again(archive: Archive) -> None:
    data = encode(ct_slice())
    result = store_bytes(archive, SOURCE, data)
    (damaged,) = objects_on_disk(archive)
    damaged.write_bytes(data[:-1] + b"\xee")
    assert store_bytes(archive, SOURCE, data).outcome is Outcome.ALREADY_STORED
    assert stored_bytes(archive, result.sop_instance_uid) == data
    assert len(objects_on_disk(archive)) == 1


def test_another_lossless_syntax_of_the_same_values_keeps_the_first(archive: Archive) -> None:
    dataset = ct_slice()
    first = encode(dataset)
    store_bytes(archive, SOURCE, first)
    compress(dataset, RLELossless, generate_instance_uid=False)
    assert store_bytes(archive, SOURCE, encode(dataset)).outcome is Outcome.FIRST_KEPT
    assert stored_bytes(archive, dataset.SOPInstanceUID) == first
    assert len(objects_on_disk(archive)) == 1


def test_other_pixels_in_another_lossless_syntax_are_quarantined(archive: Archive) -> None:
    dataset = ct_slice()
    store_bytes(archive, SOURCE, encode(dataset))
    dataset.PixelData = bytes(len(dataset.PixelData))
    compress(dataset, RLELossless, generate_instance_uid=False)
    assert store_bytes(archive, SOURCE, encode(dataset)).outcome is Outcome.QUARANTINED


def test_other_content_under_a_taken_uid_goes_to_quarantine_once(archive: Archive) -> None:
    dataset = ct_slice(PatientName="First")
    first = encode(dataset)
    store_bytes(archive, SOURCE, first)
    dataset.PatientName = "Second"
    second = encode(dataset)
    assert store_bytes(archive, SOURCE, second).outcome is Outcome.QUARANTINED
    assert store_bytes(archive, SOURCE, second).outcome is Outcome.QUARANTINED
    assert stored_bytes(archive, dataset.SOPInstanceUID) == first
    assert count(archive, "quarantine") == 1
    assert count(archive, "event_outbox", "type = 'quarantined'") == 1
    assert len(objects_on_disk(archive)) == 2


def test_eight_senders_of_one_uid_leave_one_row_and_no_lost_object(archive: Archive) -> None:
    dataset = ct_slice()
    versions = []
    for name in ("Alpha", "Beta"):
        dataset.PatientName = name
        versions.append(encode(dataset))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: store_bytes(archive, SOURCE, versions[n % 2]), range(8)))
    outcomes = [result.outcome for result in results]
    assert outcomes.count(Outcome.STORED) == 1
    assert outcomes.count(Outcome.ALREADY_STORED) == 3
    assert outcomes.count(Outcome.QUARANTINED) == 4
    assert count(archive, "instance") == 1
    assert stored_bytes(archive, dataset.SOPInstanceUID) in versions
    assert len(objects_on_disk(archive)) == 2


def test_concurrent_stores_of_new_studies_all_succeed(archive: Archive) -> None:
    datasets = [encode(ct_slice()) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda data: store_bytes(archive, SOURCE, data), datasets))
    assert {result.outcome for result in results} == {Outcome.STORED}
    assert count(archive, "study") == count(archive, "instance") == 40


def test_submitted_stores_are_done_once_their_futures_are(archive: Archive) -> None:
    futures = []
    for dataset in series(20):
        with receive(archive, SOURCE) as reception:
            reception.write(encode(dataset))
            futures.append(reception.submit())
    assert {future.result().outcome for future in futures} == {Outcome.STORED}
    assert count(archive, "series") == 1
    assert count(archive, "event_outbox", "type = 'stored'") == 20


def test_a_value_that_the_index_refuses_fails_its_own_instance_alone(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = series(9), ct_slice()
    receptions = []
    for dataset in [*good[:4], bad, *good[4:]]:
        reception = receive(archive, SOURCE)
        reception.write(encode(dataset))
        item = reception._prepare()
        if dataset is bad:
            item.row.attributes["patient_id"] = "a NUL: \0"
        receptions.append(item)
    futures = [archive.committer.submit(item) for item in receptions]
    errors = [future.exception() for future in futures]
    assert [isinstance(error, CannotUnderstand) for error in errors].count(True) == 1
    assert isinstance(errors[4], CannotUnderstand)
    assert count(archive, "instance") == 9
    assert len(objects_on_disk(archive)) == 9


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", [None, "../../etc/passwd", "1." + "2" * 64, "1.2\0.3", "CON"])
def test_a_bad_uid_is_refused_and_leaves_nothing(
    archive: Archive, keyword: str, value: str | None
) -> None:
    dataset = ct_slice(**{"PatientID": "before"})
    data = encode(dataset)
    if value is None:
        del dataset[keyword]
    else:
        dataset[keyword]._value = value
    with pytest.raises(HounsfieldError):
        store_bytes(archive, SOURCE, encode_as_is(dataset))
    assert objects_on_disk(archive) == []
    assert data not in [path.read_bytes() for path in objects_on_disk(archive)]


def encode_as_is(dataset: Any) -> bytes:
    """Encode without the checks of a file format, which would refuse what is wanted wrong."""
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    return encode(dataset)


def test_a_mismatch_with_the_request_is_said_and_nothing_is_stored(archive: Archive) -> None:
    with (
        receive(archive, SOURCE, study_instance_uid=new_uid()) as reception,
        pytest.raises(DataSetMismatch) as caught,
    ):
        reception.write(encode(ct_slice()))
        reception.commit()
    assert caught.value.offending_tags == (0x0020000D,)
    assert objects_on_disk(archive) == []


def test_a_reception_that_is_left_leaves_no_object(archive: Archive) -> None:
    with receive(archive, SOURCE) as reception:
        reception.write(bytes(3 * 2**20))
        assert len(objects_on_disk(archive)) == 1
    assert objects_on_disk(archive) == []


def test_a_full_disk_is_out_of_resources_and_recovers(archive: Archive) -> None:
    data = encode(ct_slice())
    archive.objects._min_free_bytes = 2**62  # type: ignore[attr-defined]
    with pytest.raises(OutOfResources, match="reserve"):
        store_bytes(archive, SOURCE, data)
    archive.objects._min_free_bytes = 0  # type: ignore[attr-defined]
    assert store_bytes(archive, SOURCE, data).outcome is Outcome.STORED


def test_an_instance_over_the_limit_is_refused_as_it_arrives(archive: Archive) -> None:
    limit = archive.settings.archive.model_copy(update={"max_instance_bytes": 2**20})
    archive.settings = archive.settings.model_copy(update={"archive": limit})
    with receive(archive, SOURCE) as reception, pytest.raises(TooLarge):
        reception.write(bytes(2**20 + 1))


def test_a_large_instance_is_received_in_constant_memory(archive: Archive) -> None:
    frames = 400
    dataset = ct_slice(rows=16, columns=16, PixelData=b"\0\0", NumberOfFrames=frames)
    dataset.Rows = dataset.Columns = 1024
    head = encode(dataset)
    size = frames * 1024 * 1024 * 2
    head = head[: head.index(b"\xe0\x7f\x10\x00OW")] + b"\xe0\x7f\x10\x00OW\0\0"
    head += size.to_bytes(4, "little")
    process = psutil.Process()
    before = process.memory_info().rss
    peak = 0
    with receive(archive, SOURCE) as reception:
        reception.write(head)
        chunk = bytes(2**20)
        for _ in range(size // 2**20):
            reception.write(chunk)
        stop = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not stop.wait(0.01):
                peak = max(peak, process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert reception.commit().outcome is Outcome.STORED
        stop.set()
        watcher.join()
    assert peak - before < 128 * 2**20


def test_results_are_published_together_or_not_at_all(archive: Archive) -> None:
    seg, sr = (encode(dataset) for dataset in series(2))

    def refuse(connection: object) -> None:
        raise OutOfResources("another worker has taken this job")

    with pytest.raises(OutOfResources):
        publish(archive, SOURCE, [seg, sr], guard=refuse)
    assert count(archive, "instance") == 0
    assert objects_on_disk(archive) == []
    publish(archive, SOURCE, [seg, sr], guard=lambda connection: None)
    assert count(archive, "instance") == 2


def test_instances_of_two_patients_in_one_study_are_flagged(archive: Archive) -> None:
    study = new_uid()
    store_bytes(archive, SOURCE, encode(ct_slice(StudyInstanceUID=study, PatientID="one")))
    store_bytes(archive, SOURCE, encode(ct_slice(StudyInstanceUID=study, PatientID="two")))
    assert count(archive, "study", "conflict IS NOT NULL") == 1


def test_implicit_and_explicit_encodings_of_the_same_values_keep_the_first(
    archive: Archive,
) -> None:
    dataset = ct_slice()
    store_bytes(archive, SOURCE, encode(dataset))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert store_bytes(archive, SOURCE, encode(dataset)).outcome is Outcome.FIRST_KEPT
