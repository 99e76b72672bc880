"""The same code on many machines: web, DIMSE and worker apart, on one external PostgreSQL.

This is the split of docker-compose.yml, as processes of this machine.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from process_tree import until

from hounsfield.db.accounts import Account, run_as
from hounsfield.server.demo.client import Client
from hounsfield.server.demo.dice import dice_with_truth
from hounsfield.server.demo.outcome import LEAST_DICE, brain_volume_ml
from hounsfield.server.demo.sender import send
from hounsfield.server.demo.study import make_demo_study

DEBIAN = Path("/usr/lib/postgresql")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def external_url() -> Iterator[str]:
    """A PostgreSQL of the system's, 15 or later, on a folder of its own; skips without one."""
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.skip("needs a PostgreSQL of the system (apt-get install postgresql)")
    binaries, account = found[-1].parent, _server_account()
    folder, port = Path(tempfile.mkdtemp(prefix="hf-")), free_port()
    if account is not None:
        os.chown(folder, account.uid, account.gid)
    options: dict[str, Any] = {"cwd": "/", "stdout": subprocess.DEVNULL, **run_as(account)}
    cluster = folder / "pg"
    initdb = [binaries / "initdb", "-D", cluster, "-U", "test", "-A", "trust"]
    subprocess.run(initdb, check=True, **options)
    with subprocess.Popen(
        [binaries / "postgres", "-D", cluster, "-k", folder, "-p", str(port)],
        stderr=subprocess.DEVNULL,
        **options,
    ) as server:
        url = f"postgresql://test@127.0.0.1:{port}/postgres"
        until(lambda: _answers(url))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE hounsfield")
        yield url.replace("/postgres", "/hounsfield")
        server.send_signal(signal.SIGINT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_three_processes_on_an_external_database_do_the_main_job(
    external_url: str, tmp_path: Path
) -> None:
    http, dimse = free_port(), free_port()
    environment = {
        **os.environ,
        "HOUNSFIELD_DATA_DIR": str(tmp_path / "data"),
        "HOUNSFIELD_DATABASE__URL": external_url,
        "HOUNSFIELD_HTTP__PORT": str(http),
        "HOUNSFIELD_DIMSE__PORT": str(dimse),
    }
    processes = [_alone(kind, environment) for kind in ("web", "dimse", "worker")]
    try:
        client = Client("127.0.0.1", http)
        study = make_demo_study(tmp_path / "study", voxel_mm=2)
        until(client.is_up, 60)
        until(lambda: _takes(dimse), 60)
        since = client.get_json("/api/status")["sequence"]
        send(study.files, "127.0.0.1", dimse, "HOUNSFIELD", lambda: None)
        job = _ended_job(client, since, study.study_instance_uid)
        assert job["label"] == "complete", job["reason"]
        seg, report = (_result(client, job, kind) for kind in ("seg", "sr"))
        assert dice_with_truth(seg, study) > LEAST_DICE - 0.05
        assert brain_volume_ml(report) == pytest.approx(study.truth_ml, rel=0.15)
        assert all(process.poll() is None for process in processes)
        began = time.monotonic()
        for process in processes:
            process.terminate()
        assert [process.wait(10) for process in processes] == [0, 0, 0]
        assert time.monotonic() - began < 10
    finally:
        for process in processes:
            process.kill()


def _alone(kind: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "hounsfield.server.cli", kind]
    return subprocess.Popen(command, env=environment)


def _ended_job(client: Client, since: int, study: str) -> dict[str, Any]:
    for event in client.events(since, time.monotonic() + 120):
        ended = event["type"] in {"complete", "failed", "skipped", "canceled"}
        if ended and event["study_instance_uid"] == study:
            job: dict[str, Any] = client.get_json(f"/api/jobs/{event['job_id']}")
            return job
    raise AssertionError("no job of the study has ended")


def _result(client: Client, job: dict[str, Any], kind: str) -> Any:
    names = job["results"][kind]
    return client.get_instance(
        job["study_instance_uid"], names["series_instance_uid"], names["sop_instance_uid"]
    )


def _takes(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _server_account() -> Account | None:
    """Who runs it where we are root: Debian's own user."""
    if os.geteuid() != 0:
        return None
    import pwd

    entry = pwd.getpwnam("postgres")
    return Account("postgres", entry.pw_uid, entry.pw_gid)
