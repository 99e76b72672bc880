"""The two servers of a run: ours as shipped, and Debian's Orthanc tuned as its makers advise.

The peer's tuning: TCP_NODELAY against a delayed acknowledgement that costs it 42 ms an
instance, and no disk access in searches. Both sync every store to disk, which is asserted.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psycopg

START_SECONDS = 180
STOP_SECONDS = 120
RECEIVER_AE_TITLE = "RECEIVER"
PLUGINS = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """A running server: where it answers, and its process."""

    name: str
    title: str
    root: str
    process: "subprocess.Popen[bytes]"
    http_port: int
    dimse_port: int
    ae_title: str
    receiver_port: int
    """Where it finds the receiver, which it knows as a destination of C-MOVE."""
    studies: int = 0
    """How many studies of 100 instances it holds to search among."""
    retrieved_study: str = ""
    """The study that C-MOVE and C-GET ask for, once it is stored."""

    def stop(self) -> None:
        """End it, by force where it does not end by itself."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def start_hounsfield(folder: Path) -> Server:
    """`hounsfield serve` on the embedded PostgreSQL, as shipped."""
    http_port, dimse_port, receiver_port = free_port(), free_port(), free_port()
    env = {
        **os.environ,
        "HOUNSFIELD_DATA_DIR": str(folder / "hounsfield"),
        "HOUNSFIELD_HTTP__PORT": str(http_port),
        "HOUNSFIELD_DIMSE__PORT": str(dimse_port),
    }
    program = Path(sys.executable).with_name("hounsfield")
    with (folder / "hounsfield.log").open("wb") as log:
        process = subprocess.Popen([program, "serve"], env=env, stdout=log, stderr=log)
    _wait(f"http://127.0.0.1:{http_port}/readyz", process)
    _add_receiver(http_port, receiver_port)
    return Server(
        "hounsfield",
        "Hounsfield",
        "/dicom-web",
        process,
        http_port,
        dimse_port,
        "HOUNSFIELD",
        receiver_port,
    )


def _add_receiver(http_port: int, receiver_port: int) -> None:
    """To the AE book."""
    peer = {
        "ae_title": RECEIVER_AE_TITLE,
        "host": "127.0.0.1",
        "port": receiver_port,
        "may_receive": True,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{http_port}/api/peers",
        json.dumps(peer).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request):
        pass


def assert_durable(database_url: str) -> None:
    """Refuse to measure a database that does not wait for its disk."""
    with psycopg.connect(database_url) as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            row = connection.execute(f"SHOW {name}".encode()).fetchone()
            if row is None or row[0] != "on":
                raise SystemExit(f"not measured: PostgreSQL runs with {name} {row}")


def start_orthanc(folder: Path) -> Server:
    """Debian's Orthanc with its DICOMweb plugin on SQLite."""
    http_port, dimse_port, receiver_port = free_port(), free_port(), free_port()
    configuration = {
        "Name": "bench",
        "StorageDirectory": str(folder / "orthanc"),
        "IndexDirectory": str(folder / "orthanc"),
        "Plugins": [PLUGINS],
        "HttpPort": http_port,
        "DicomPort": dimse_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"receiver": [RECEIVER_AE_TITLE, "127.0.0.1", receiver_port]},
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "SyncStorageArea": True,
        "StorageAccessOnFind": "Never",
        "KeepAlive": True,
        "TcpNoDelay": True,
        "StableAge": 60,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen(
            ["Orthanc", str(path)],
            env={**os.environ, "TCP_NODELAY": "1"},
            stdout=log,
            stderr=log,
        )
    _wait(f"http://127.0.0.1:{http_port}/system", process)
    title = "Orthanc 1.10.1, tuned"
    return Server(
        "orthanc", title, "/dicom-web", process, http_port, dimse_port, "ORTHANC", receiver_port
    )


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the server of {url} ended at once")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    process.terminate()
    raise SystemExit(f"{url} does not answer")
