"""dicomweb-client, which knows nothing of us, searches, retrieves and stores over a socket."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_requests import serve
from factories import ct_slice, series
from pydicom.uid import ExplicitVRLittleEndian

from hounsfield.archive.archive import Archive


@pytest.fixture
def client(archive: Archive) -> Iterator[DICOMwebClient]:
    """A client of a real server."""
    with serve(archive) as url:
        yield DICOMwebClient(url)


def test_it_stores_searches_and_retrieves_at_every_level(client: DICOMwebClient) -> None:
    datasets = series(4)
    answer = client.store_instances(datasets)
    assert len(answer.ReferencedSOPSequence) == 4
    study, kept = datasets[0].StudyInstanceUID, datasets[0].SeriesInstanceUID
    (found,) = client.search_for_studies(search_filters={"PatientName": "doe*"})
    assert found["0020000D"]["Value"] == [study]
    assert len(client.search_for_series(study)) == 1
    assert len(client.search_for_series()) == 1
    assert len(client.search_for_instances(study, kept)) == 4
    assert len(client.search_for_instances(limit=1, get_remaining=True)) == 4
    sent = {dataset.SOPInstanceUID: dataset for dataset in datasets}
    for received in (client.retrieve_study(study), client.retrieve_series(study, kept)):
        assert {dataset.SOPInstanceUID: dataset for dataset in received} == sent
    streamed = list(client.iter_series(study, kept))
    assert len(streamed) == 4


def test_it_stores_into_a_study_and_is_told_what_failed(client: DICOMwebClient) -> None:
    dataset = ct_slice()
    client.store_instances([dataset], study_instance_uid=dataset.StudyInstanceUID)
    answer = client.store_instances(
        [dataset, ct_slice()], study_instance_uid=dataset.StudyInstanceUID
    )
    assert len(answer.ReferencedSOPSequence) == 1
    (failed,) = answer.FailedSOPSequence
    assert failed.FailureReason == 0xA900
    with pytest.raises(Exception, match="409"):
        client.store_instances([ct_slice()], study_instance_uid=dataset.StudyInstanceUID)


def test_its_metadata_make_the_data_set_again(client: DICOMwebClient) -> None:
    datasets = series(3)
    client.store_instances(datasets)
    study = datasets[0].StudyInstanceUID
    for members in client.retrieve_study_metadata(study):
        again = pydicom.Dataset.from_json(members, bulk_data_uri_handler=lambda *_: b"")
        sent = next(d for d in datasets if d.SOPInstanceUID == again.SOPInstanceUID)
        assert {e.tag: e.value for e in again if e.tag.group < 0x7FE0} == {
            e.tag: e.value for e in sent if e.tag.group < 0x7FE0
        }


def test_it_retrieves_frames_bulk_data_and_pictures(client: DICOMwebClient) -> None:
    pixels = np.arange(3 * 256, dtype="<u2")
    dataset = ct_slice(NumberOfFrames=3, PixelData=pixels.tobytes())
    client.store_instances([dataset])
    names = (dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID)
    frames = client.retrieve_instance_frames(*names, frame_numbers=[3, 1])
    assert [bytes(frame) for frame in frames] == [pixels[512:].tobytes(), pixels[:256].tobytes()]
    explicit = client.retrieve_instance_frames(
        *names, [2], media_types=(("application/octet-stream", "1.2.840.10008.1.2.1"),)
    )
    assert bytes(explicit[0]) == pixels[256:512].tobytes()
    (members,) = client.search_for_instances(search_filters={"SOPInstanceUID": names[2]})
    assert members["00280008"]["Value"] == [3]
    uri = client.retrieve_instance_metadata(*names)["7FE00010"]["BulkDataURI"]
    assert bytes(client.retrieve_bulkdata(uri)[0]) == pixels.tobytes()
    assert bytes(client.retrieve_bulkdata(uri, byte_range=(2, 5))[0]) == pixels.tobytes()[2:6]
    jpeg = client.retrieve_instance_rendered(*names, media_types=("image/jpeg",))
    assert jpeg[:2] == b"\xff\xd8"
    png = client.retrieve_instance_frames_rendered(*names, [2], media_types=("image/png",))
    assert png[:4] == b"\x89PNG"


def test_it_iterates_pages_and_deletes_from_the_instance_up(client: DICOMwebClient) -> None:
    datasets = series(3)
    client.store_instances(datasets)
    study, kept = datasets[0].StudyInstanceUID, datasets[0].SeriesInstanceUID
    uids = {dataset.SOPInstanceUID for dataset in datasets}
    assert {found.SOPInstanceUID for found in client.iter_study(study)} == uids
    assert len(client.retrieve_series_metadata(study, kept)) == 3
    first, last = client.search_for_instances(limit=1), client.search_for_instances(offset=2)
    assert len(first) == len(last) == 1
    (found,) = client.search_for_studies(fields=["StudyDescription"], fuzzymatching=True)
    assert found["00081030"]["Value"] == ["Chest"]
    names = (study, kept, datasets[0].SOPInstanceUID)
    assert [*client.iter_instance_frames(*names, [1])] == [datasets[0].PixelData]
    uri = client.retrieve_instance_metadata(*names)["7FE00010"]["BulkDataURI"]
    assert [*client.iter_bulkdata(uri)] == [datasets[0].PixelData]
    # A series has several pictures; this client hands the multipart on as it came.
    assert b"\xff\xd8\xff" in client.retrieve_series_rendered(study, kept)
    client.delete_instance(*names)
    assert len(client.search_for_instances(study, kept)) == 2
    client.delete_series(study, kept)
    assert client.search_for_studies() == []
    client.store_instances(datasets)
    client.delete_study(study)
    with pytest.raises(Exception, match="410"):
        client.retrieve_study(study)


def test_every_sample_comes_back_as_it_was_sent(client: DICOMwebClient, shared_data: Path) -> None:
    """Byte for byte where the web carries the transfer syntax, else value for value."""
    never = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.2"}
    compared = 0
    url = client.base_url
    for path in sorted((shared_data / "transfer_syntaxes").iterdir()):
        data = path.read_bytes()
        body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--B--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=B'
        answer = httpx.post(f"{url}/studies", content=body, headers={"content-type": kind})
        if answer.status_code != 200:
            continue  # no UIDs of its own, or another syntax of the same slice
        sent = pydicom.dcmread(path)
        names = (sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
        received = client.retrieve_instance(*names)
        compared += 1
        sent = pydicom.dcmread(path)
        if sent.file_meta.TransferSyntaxUID in never:
            assert received.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
            assert np.array_equal(received.pixel_array, sent.pixel_array)
            continue
        assert received.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        # Elements that nobody has looked at are still the bytes that were read.
        assert received.keys() == sent.keys()
        for tag in sent.keys():  # noqa: SIM118 - iterating a Dataset would decode it
            assert received.get_item(tag) == sent.get_item(tag), path.name
    assert compared >= 8
