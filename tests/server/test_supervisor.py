"""The process tree: it starts in order, keeps itself alive, ends cleanly, comes up again."""

import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from factories import series
from process_tree import Tree, until
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE

from hounsfield.server.demo.client import Client

MIB = 1024 * 1024
IDLE_BYTES = 700 * MIB

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data folder of the tree that most tests look at."""
    folder = Path(tempfile.mkdtemp(prefix="hf-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def tree(folder: Path) -> Iterator[Tree]:
    tree = Tree(folder)
    yield tree.await_ready()
    tree.destroy()


@pytest.fixture
def another() -> Iterator[Callable[..., Tree]]:
    """Starts trees that do not outlive the test."""
    trees: list[Tree] = []

    def start(folder: Path, **environment: str) -> Tree:
        trees.append(Tree(folder, **environment))
        return trees[-1]

    yield start
    for tree in trees:
        tree.destroy()


def test_it_says_each_stage_in_order_and_then_serves(tree: Tree) -> None:
    beginnings = ["Hounsfield ", "PostgreSQL 18.", "Web ready", "DIMSE ready", "Inference ready"]
    said = iter(tree.lines)
    assert all(any(line.startswith(part) for line in said) for part in beginnings), tree.lines
    assert tree.status_of("/healthz") == 200
    assert tree.status_of("/readyz") == 200
    assert tree.takes_dimse()
    assert len(tree.children("web")) == 2


def test_the_idle_tree_is_small(tree: Tree) -> None:
    postgres = {p.pid for p in tree.postmaster().children(recursive=True)} | {tree.postmaster().pid}
    ours = [process for process in tree.processes() if process.pid not in postgres]
    full = [process.memory_full_info() for process in ours]
    resident = sum(info.rss for info in full)
    shared_out = sum(info.pss for info in full) if hasattr(full[0], "pss") else resident
    print(f"{len(ours)} processes: PSS {shared_out / MIB:.0f} MiB, RSS {resident / MIB:.0f} MiB")
    assert len(ours) >= 5
    assert resident < IDLE_BYTES
    assert shared_out < IDLE_BYTES


@pytest.mark.parametrize(("kind", "name"), [("web", "Web"), ("dimse", "DIMSE"), ("worker", "Wor")])
def test_a_child_that_is_killed_is_started_again(tree: Tree, kind: str, name: str) -> None:
    before = tree.children(kind)
    before[0].kill()
    tree.await_line(name)
    until(lambda: len(tree.children(kind)) == len(before))
    assert before[0].pid not in {process.pid for process in tree.children(kind)}
    until(lambda: tree.status_of("/readyz") == 200)
    until(tree.takes_dimse)


def test_a_database_that_is_killed_is_started_again(tree: Tree) -> None:
    tree.postmaster().kill()
    tree.await_line("PostgreSQL ready")
    until(lambda: tree.status_of("/readyz") == 200)


def test_a_second_tree_on_the_folder_is_refused(
    tree: Tree, folder: Path, another: Callable[..., Tree]
) -> None:
    said = another(folder).await_refusal()
    assert f"(process {tree.process.pid}) already serves {folder}" in said
    until(lambda: tree.status_of("/readyz") == 200)


@pytest.mark.parametrize("setting", ["HOUNSFIELD_HTTP__PORT", "HOUNSFIELD_DIMSE__PORT"])
def test_a_port_in_use_is_said(short_dir: Path, another: Callable[..., Tree], setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = another(short_dir, **{setting: port}).await_refusal()
    assert f"Port {port} on 127.0.0.1 is in use" in said
    assert setting in said
    assert not (short_dir / "pg").exists(), "nothing was made for a start that cannot be"


def test_http_at_an_address_that_others_reach_is_refused_with_the_reason(
    short_dir: Path, another: Callable[..., Tree]
) -> None:
    said = another(short_dir, HOUNSFIELD_HTTP__HOST="0.0.0.0").await_refusal()
    assert "HOUNSFIELD_HTTP__HOST" in said
    assert "no authentication is configured" in said


def test_a_certificate_that_cannot_be_used_is_said(
    short_dir: Path, another: Callable[..., Tree]
) -> None:
    nothing = str(short_dir / "none.pem")
    names = ("CERTIFICATE", "KEY", "CA")
    files = {f"HOUNSFIELD_DIMSE__TLS__{name}": nothing for name in names}
    said = another(short_dir, **files).await_refusal()
    assert "HOUNSFIELD_DIMSE__TLS cannot be used" in said


def test_sigterm_ends_all_of_it_within_ten_seconds(tree: Tree) -> None:
    everything = tree.processes()
    with socket.create_connection(("127.0.0.1", tree.dimse_port)):
        assert tree.end(signal.SIGTERM) < 10
    assert tree.process.returncode == 0
    _gone, alive = psutil.wait_procs(everything, timeout=1)
    assert alive == []


def test_after_kill_9_of_everything_the_next_start_has_all_that_was_acknowledged(
    short_dir: Path, another: Callable[..., Tree]
) -> None:
    first = another(short_dir).await_ready()
    acknowledged: list[Dataset] = []
    sender = threading.Thread(target=send_until_cut, args=(first.dimse_port, acknowledged))
    sender.start()
    until(lambda: len(acknowledged) >= 20)
    first.kill()
    sender.join(30)
    second = another(short_dir).await_ready()
    client = Client("127.0.0.1", second.http_port)
    for sent in acknowledged:
        uids = sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID
        assert client.get_instance(*uids) == sent
    assert second.end(signal.SIGINT) < 10
    assert second.process.returncode == 0


def send_until_cut(port: int, acknowledged: list[Dataset]) -> None:
    """Store one instance after another until the association is gone."""
    slices = series(500)
    ae = AE()
    ae.dimse_timeout = 5
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title="HOUNSFIELD")
    for dataset in slices:
        if not association.is_established:
            return
        answer = association.send_c_store(dataset)
        if answer.get("Status") == 0x0000:
            acknowledged.append(dataset)


def test_kill_9_of_the_supervisor_leaves_nothing_behind(
    short_dir: Path, another: Callable[..., Tree]
) -> None:
    tree = another(short_dir).await_ready()
    everything = tree.processes()
    os.kill(tree.process.pid, signal.SIGKILL)
    began = time.monotonic()
    _gone, alive = psutil.wait_procs(everything[1:], timeout=15)
    assert alive == []
    assert time.monotonic() - began < 12
