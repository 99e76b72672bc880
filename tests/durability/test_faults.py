"""When something is missing, the sender is told so, nothing is left over, and it passes."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from dicomweb_requests import MOUNT
from dimse_peer import ABORT_PDU, CT, Peer, store_rq
from factories import ct_slice, new_uid
from process_tree import Tree, until
from senders import Instance, Reply, c_store, c_store_one, made, request, stow, wado

from hounsfield.db.embedded import url_of

MIB = 1024 * 1024
SPACE = 24 * MIB
SUCCESS, OUT_OF_RESOURCES, COERCED = 0x0000, 0xA700, 0xB000
FAILED, FAILURE_REASON = "00081198", "00081197"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="mounts, and stops processes"),
    pytest.mark.slow,
    pytest.mark.timeout(400),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data folder of the tree, its objects on a file system of their own where we may."""
    with tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder / "data"


@pytest.fixture(scope="module")
def tree(folder: Path) -> Iterator[Tree]:
    """One tree for all of them: after each fault it has to serve again."""
    tree = Tree(
        folder,
        HOUNSFIELD_INFERENCE__ENABLED="false",
        HOUNSFIELD_ARCHIVE__MIN_FREE_BYTES="0",
    )
    yield tree.await_ready()
    tree.destroy()


@pytest.fixture(autouse=True)
def _serves_before_and_after(tree: Tree) -> Iterator[None]:
    assert c_store_one(tree.dimse_port, made()) == SUCCESS
    yield
    after = made()
    assert c_store_one(tree.dimse_port, after) == SUCCESS
    assert wado(tree.http_port, after).body.endswith(after.data_set)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A real file system of a few megabytes in the place of ``folder``."""
    options = f"size={SPACE},mode=750"
    command = ["mount", "-t", "tmpfs", "-o", options, "hounsfield-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("needs root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / "objects").rglob("*") if path.is_file()]


def count(folder: Path, what: str) -> int:
    with psycopg.connect(url_of(folder)) as connection:
        row = connection.execute(f"SELECT count(*) FROM {what}".encode()).fetchone()
        assert row is not None
        return int(row[0])


def reasons(reply: Reply) -> list[int]:
    return [item[FAILURE_REASON]["Value"][0] for item in reply.json()[FAILED]["Value"]]


def large() -> Instance:
    """Eight megabytes: its object is written as it arrives."""
    return made(rows=2048, columns=2048, PixelData=bytes(8 * MIB))


def test_a_full_disk_is_said_leaves_nothing_and_passes(tree: Tree, folder: Path) -> None:
    with small_disk(folder / "objects"):
        rows = count(folder, "instance")
        first, second = large(), large()
        assert c_store_one(tree.dimse_port, first) == SUCCESS
        assert stow(tree.http_port, [second]).status == 200
        kept = sorted(objects(folder))
        for _ in range(3):
            refused, small = large(), made(rows=2048, columns=512)
            assert c_store_one(tree.dimse_port, refused) == OUT_OF_RESOURCES
            reply = stow(tree.http_port, [refused])
            assert reply.status == 503
            assert int(reply.headers["retry-after"]) > 0
            assert reasons(reply) == [OUT_OF_RESOURCES]
            assert wado(tree.http_port, refused).status == 404
        assert sorted(objects(folder)) == kept
        assert count(folder, "instance") == rows + 2
        assert c_store_one(tree.dimse_port, small) == SUCCESS, "small ones still have room"
        reply = stow(tree.http_port, [made(), large()])
        assert reply.status == 202, "the one that fits is stored"
        assert reasons(reply) == [OUT_OF_RESOURCES]
        kept[0].unlink()  # somebody makes room
        assert c_store_one(tree.dimse_port, refused) == SUCCESS
        assert wado(tree.http_port, refused).body.endswith(refused.data_set)


def test_a_disk_that_fills_up_at_the_last_byte_is_no_success(tree: Tree, folder: Path) -> None:
    """Small instances are written at the end, in one piece: that write fails as well."""
    with small_disk(folder / "objects"):
        (folder / "objects" / "ballast").write_bytes(bytes(SPACE - 256 * 1024))
        answers = []
        for _ in range(8):
            instance = made(rows=128, columns=512)
            status = c_store_one(tree.dimse_port, instance)
            answers.append(status)
            found = wado(tree.http_port, instance)
            assert (status, found.status) in {(SUCCESS, 200), (OUT_OF_RESOURCES, 404)}
        assert set(answers) == {SUCCESS, OUT_OF_RESOURCES}
        assert len(objects(folder)) == 1 + answers.count(SUCCESS)


def store_while(tree: Tree, fault: Callable[[], None], end: Callable[[], None]) -> None:
    """Both protocols send through a fault; what is said while it lasts is never Success."""
    before = [made() for _ in range(3)]
    assert stow(tree.http_port, before).status == 200
    fault()
    try:
        during, over_http = made(), made()
        answers: list[int] = []
        thread = threading.Thread(
            target=lambda: answers.append(c_store_one(tree.dimse_port, during))
        )
        began = time.monotonic()
        thread.start()
        reply = stow(tree.http_port, [over_http])
        thread.join(60)
        print(f"answered after {time.monotonic() - began:.1f} s: {answers} {reply.status}")
        assert answers == [OUT_OF_RESOURCES]
        assert reply.status == 503
        assert int(reply.headers["retry-after"]) > 0
        assert request(tree.http_port, "GET", "/healthz").status == 200
    finally:
        end()
    until(lambda: request(tree.http_port, "GET", "/readyz").status == 200, 60)
    # The senders try again, as they were told to.
    until(lambda: c_store_one(tree.dimse_port, during) == SUCCESS, 60)
    until(lambda: stow(tree.http_port, [over_http]).status == 200, 60)
    for instance in [*before, during, over_http]:
        assert wado(tree.http_port, instance).body.endswith(instance.data_set)


def test_a_database_that_stands_still_is_a700_and_503_until_it_goes_on(tree: Tree) -> None:
    server = [tree.postmaster(), *tree.postmaster().children(recursive=True)]

    def each(number: int) -> None:
        for process in server:
            process.send_signal(number)

    store_while(tree, lambda: each(signal.SIGSTOP), lambda: each(signal.SIGCONT))


def test_a_database_that_is_away_is_a700_and_503_until_it_is_back(tree: Tree) -> None:
    """The supervisor is kept from starting it again while the stores wait."""
    supervisor = psutil.Process(tree.process.pid)

    def fault() -> None:
        supervisor.suspend()
        kill_database(tree)

    store_while(tree, fault, supervisor.resume)


def kill_database(tree: Tree) -> None:
    """Every process of it: its backends would otherwise finish what they are at."""
    postmaster = tree.postmaster()
    server = [postmaster, *postmaster.children(recursive=True)]
    for process in server:
        process.kill()
    until(lambda: not any(p.is_running() and p.status() != "zombie" for p in server))


@pytest.mark.parametrize(
    "sqlstate",
    ["53100", "53200", "58030", "25006", "XX000"],
    ids=["disk full", "out of memory", "I/O error", "read only", "internal error"],
)
def test_a_database_that_cannot_write_is_not_blamed_on_the_instance(
    tree: Tree, folder: Path, sqlstate: str
) -> None:
    raising = f"BEGIN RAISE EXCEPTION 'it cannot' USING ERRCODE = '{sqlstate}'; END"
    instance = made()
    with psycopg.connect(url_of(folder), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION cannot() RETURNS trigger LANGUAGE plpgsql AS "
            f"$body${raising}$body$".encode()
        )
        connection.execute(
            "CREATE TRIGGER cannot BEFORE INSERT ON instance EXECUTE FUNCTION cannot()"
        )
        try:
            assert c_store_one(tree.dimse_port, instance) == OUT_OF_RESOURCES
            assert stow(tree.http_port, [instance, made()]).status == 503
        finally:
            connection.execute("DROP FUNCTION cannot CASCADE")
    assert stow(tree.http_port, [instance]).status == 200


def test_a_database_killed_again_and_again_loses_no_success(tree: Tree, folder: Path) -> None:
    answers: dict[str, int] = {}
    sent: list[Instance] = []
    over = threading.Event()

    def slices() -> Iterator[Instance]:
        while not over.is_set():
            sent.append(made())
            yield sent[-1]

    def answered(instance: Instance, status: int) -> None:
        answers[instance.sop] = status

    def send_over_http() -> None:
        while not over.is_set():
            instance = made()
            sent.append(instance)
            reply = stow(tree.http_port, [instance])
            answered(instance, {200: SUCCESS, 503: OUT_OF_RESOURCES}[reply.status])

    threads = [
        threading.Thread(target=lambda: c_store(tree.dimse_port, slices(), answered))
        for _ in range(2)
    ]
    threads.append(threading.Thread(target=send_over_http))
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(random.uniform(0.5, 2))
        kill_database(tree)
        until(lambda: request(tree.http_port, "GET", "/readyz").status == 200, 90)
    time.sleep(1)
    over.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert set(answers.values()) <= {SUCCESS, OUT_OF_RESOURCES}
    stored = [one for one in sent if answers[one.sop] == SUCCESS]
    print(f"{len(stored)} of {len(sent)} stored over three deaths of the database")
    assert stored
    for instance in stored:
        assert wado(tree.http_port, instance).body.endswith(instance.data_set)


def test_aborts_in_the_middle_of_two_hundred_stores_leave_nothing(tree: Tree, folder: Path) -> None:
    (process,) = tree.children("dimse")
    before = (len(objects(folder)), count(folder, "instance"))
    threads, descriptors = process.num_threads(), process.num_fds()
    data = made(rows=1200, columns=1024).data_set
    for n in range(200):
        with Peer(tree.dimse_port) as peer:
            peer.associate()
            peer.command(3, store_rq(new_uid(), CT))
            peer.data(3, data[: (300_000, 2_000_000)[n % 2]], last=False)
            if n % 3:
                peer.send(ABORT_PDU)
    until(lambda: len(objects(folder)) == before[0], 30)
    until(lambda: process.num_threads() <= threads, 30)
    until(lambda: process.num_fds() <= descriptors, 30)
    assert count(folder, "instance") == before[1]
    print(f"threads {threads} -> {process.num_threads()}, files {before[0]}")


@pytest.mark.parametrize("equal", [True, False], ids=["equal bytes", "other bytes"])
def test_eight_senders_of_one_uid_make_one_row_and_the_rest_is_listed(
    tree: Tree, folder: Path, equal: bool
) -> None:
    names: dict[str, Any] = {"SOPInstanceUID": new_uid(), "StudyInstanceUID": new_uid()}
    names["SeriesInstanceUID"] = new_uid()
    one = made(ct_slice(**names))
    mine = [
        one if equal else made(ct_slice(**names, PixelData=random.randbytes(512))) for _ in range(8)
    ]
    files = len(objects(folder))
    answers: list[int] = []
    together = threading.Barrier(8)

    def send(number: int) -> None:
        together.wait()
        if number % 2:
            answers.append(c_store_one(tree.dimse_port, mine[number]))
        else:
            reply = stow(tree.http_port, [mine[number]])
            answers.append({200: SUCCESS, 202: COERCED}.get(reply.status, reply.status))

    threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    condition = f"WHERE sop_instance_uid = '{one.sop}'"
    assert count(folder, f"instance {condition}") == 1
    kept = [m for m in mine if wado(tree.http_port, one).body.endswith(m.data_set)]
    assert kept
    others = 0 if equal else 7
    assert sorted(answers) == [SUCCESS] * (8 - others) + [COERCED] * others
    assert count(folder, f"quarantine {condition}") == others
    assert len(objects(folder)) == files + 1 + others
    with psycopg.connect(url_of(folder)) as connection:
        keys = connection.execute(f"SELECT object_key FROM quarantine {condition}".encode())
        lying = {(folder / "objects" / str(key)).read_bytes()[-512:] for (key,) in keys}
    assert lying == {m.data_set[-512:] for m in mine} - {kept[0].data_set[-512:]}
    found = request(tree.http_port, "GET", f"{MOUNT}/instances?SOPInstanceUID={one.sop}")
    assert len(found.json()) == 1
