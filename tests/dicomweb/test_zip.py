"""Instances as a ZIP file (PS3.18 8.6.1.3; conformance W1, W11)."""

import asyncio
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import httpx
import pydicom
import pytest
from dicomweb_requests import store, stored_series, url_of
from factories import ct_slice, encode

from hounsfield.archive.archive import Archive

ZIP = {"accept": "application/zip"}


@pytest.mark.parametrize("parts", [2, 4, 6])
async def test_w1_a_resource_comes_as_a_zip_of_what_was_sent(
    client: httpx.AsyncClient, parts: int
) -> None:
    datasets = await stored_series(client, 3)
    url = "/".join(url_of(datasets[0]).split("/")[: parts + 1])
    response = await client.get(url, headers=ZIP)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    name = url.rpartition("/")[2]
    assert response.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        found = {info.filename: archive.read(info) for info in archive.infolist()}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    expected = datasets if parts < 6 else datasets[:1]
    assert sorted(found.values()) == sorted(encode(dataset) for dataset in expected)
    assert all(len(name) < 40 and name.isascii() and ".." not in name for name in found)
    again = await client.get(url, headers=ZIP | {"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
    assert (await client.get(url, headers=ZIP)).content == response.content


async def test_w1_a_zip_holds_the_transfer_syntax_that_is_asked_for(
    client: httpx.AsyncClient,
) -> None:
    (dataset,) = await stored_series(client, 1)
    for accept, syntax in (
        ("application/zip; transfer-syntax=1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.80"),
        ("image/png, application/zip; q=0.1", "1.2.840.10008.1.2.1"),
    ):
        response = await client.get(url_of(dataset), headers={"accept": accept})
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            (name,) = archive.namelist()
            received = pydicom.dcmread(io.BytesIO(archive.read(name)))
        assert received.file_meta.TransferSyntaxUID == syntax
        assert (received.pixel_array == dataset.pixel_array).all()
    refused = await client.get(
        url_of(dataset), headers={"accept": "application/zip; transfer-syntax=1.2.3"}
    )
    assert refused.status_code == 406
    plain = await client.get(
        url_of(dataset), headers={"accept": "application/dicom, application/zip"}
    )
    assert plain.headers["content-type"].startswith("application/dicom;")


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
async def test_w1_another_program_takes_the_zip(client: httpx.AsyncClient, tmp_path: Path) -> None:
    datasets = await stored_series(client, 2)
    other = ct_slice(StudyInstanceUID=datasets[0].StudyInstanceUID)
    await store(client, encode(other))
    response = await client.get(f"/studies/{other.StudyInstanceUID}", headers=ZIP)
    path = tmp_path / "study.zip"
    path.write_bytes(response.content)
    await asyncio.to_thread(subprocess.run, ["unzip", "-q", path, "-d", tmp_path], check=True)
    names = {str(found.relative_to(tmp_path)) for found in sorted(tmp_path.rglob("*.dcm"))}  # noqa: ASYNC240
    assert names == {f"DICOM/SE00000{s}/IM00000{n}.dcm" for s, n in ((1, 1), (1, 2), (2, 3))}


async def test_w11_an_object_is_opened_when_its_turn_comes(
    client: httpx.AsyncClient, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = await stored_series(client, 5)
    opened: list[str] = []
    real = archive.objects.open
    monkeypatch.setattr(archive.objects, "open", lambda key: opened.append(key) or real(key))
    headed = await client.head(f"/studies/{datasets[0].StudyInstanceUID}", headers=ZIP)
    assert headed.headers["content-type"] == "application/zip"
    assert (headed.content, opened) == (b"", [])
