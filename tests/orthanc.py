"""Debian's Orthanc, a PACS that knows nothing of us, with what docs/sidecar.md has for it."""

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

PROGRAM = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
START_SECONDS = 60.0

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "sidecar.md"


class Orthanc:
    """One Orthanc on free ports, whose only modality is us."""

    def __init__(self, folder: Path, our_port: int) -> None:
        self.folder = folder
        self.dimse_port, http_port = _free_ports(2)
        folder.mkdir()
        script = folder / "to-hounsfield.lua"
        script.write_text(_of_document("lua"))
        configuration = json.loads(f"{{{_of_document('json')}}}") | {
            "Name": "PACS",
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": http_port,
            "DicomPort": self.dimse_port,
            "LuaScripts": [str(script)],
            "StableAge": 1,
        }
        configuration["DicomModalities"]["hounsfield"] |= {"Host": "127.0.0.1", "Port": our_port}
        path = folder / "orthanc.json"
        path.write_text(json.dumps(configuration))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([str(PROGRAM), str(path)], stdout=log, stderr=log)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", timeout=60)

    def await_ready(self) -> "Orthanc":
        """Wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                self.get("/system")
            except httpx.TransportError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.1)
            else:
                return self

    def get(self, path: str) -> Any:
        """What its REST API answers."""
        return self._http.get(path).raise_for_status().json()

    def post(self, path: str, body: object) -> Any:
        """What its REST API answers to JSON, or to the bytes of a file."""
        content = body if isinstance(body, bytes) else json.dumps(body)
        answer = self._http.post(path, content=content)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def file(self, sop_instance_uid: str) -> bytes:
        """The file of one instance."""
        (name,) = self.find("Instance", SOPInstanceUID=sop_instance_uid)
        return self._http.get(f"/instances/{name}/file").raise_for_status().content

    def find(self, level: str, **query: str) -> list[str]:
        """Its names of what it holds."""
        found: list[str] = self.post("/tools/find", {"Level": level, "Query": query})
        return found

    def stop(self) -> None:
        """End it, by force where it does not end by itself."""
        self._http.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _free_ports(count: int) -> list[int]:
    """All held at once, so that they differ."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()


def _of_document(language: str) -> str:
    """The first block of this language, as a reader copies it."""
    found = re.search(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{DOCUMENT} has no block of {language}"
    return found.group(1)
