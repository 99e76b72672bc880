"""Success means: on stable storage, indexed, retrievable, whatever is killed afterwards.

``HOUNSFIELD_TEST_KILLS`` says how often the tree is killed (6 without it).
"""

import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from factories import new_uid
from process_tree import Tree, until
from pydantic import SecretStr
from senders import Instance, all_events, c_store, in_thread, made, stow, wado
from sqlalchemy import select

from hounsfield.archive.archive import Archive
from hounsfield.archive.retrieve import StoredInstance, find_instances_sync, verify
from hounsfield.conf.settings import DatabaseSettings, Settings
from hounsfield.db.embedded import url_of
from hounsfield.db.tables import Study

KILLS = int(os.environ.get("HOUNSFIELD_TEST_KILLS", "6"))
SECONDS_A_KILL = 120
SENT = re.compile(r"Sending file: (\S+)")
SUCCESS = "Received Store Response (Success)"

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="kills processes by signals"),
    pytest.mark.slow,
]


class Round:
    """Senders of all kinds at once, and what each was told before the server was gone."""

    def __init__(self, tree: Tree, folder: Path) -> None:
        self.sent: dict[str, Instance] = {}
        self.acknowledged: dict[str, Instance] = {}
        self._tree = tree
        self._lock = threading.Lock()
        self._studies = itertools.cycle([new_uid() for _ in range(4)])
        self._threads = [
            in_thread(lambda: c_store(tree.dimse_port, self._slices(), self._answered)),
            in_thread(lambda: c_store(tree.dimse_port, self._slices(1100), self._answered)),
            in_thread(self._stow),
        ]
        self._storescu = self._start_storescu(folder)

    def wait(self) -> None:
        """Until each sender has noticed that the server is gone."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        if self._storescu is not None:
            self._hear(self._storescu.communicate(timeout=60)[0])

    def _slices(self, rows: int = 64) -> Iterator[Instance]:
        """Slices without end; of more than a megabyte where ``rows`` is over a thousand."""
        while True:
            yield self._slice(rows)

    def _slice(self, rows: int = 64) -> Instance:
        pixels = random.randbytes(rows * 512 * 2)
        with self._lock:
            study = next(self._studies)
        instance = made(rows=rows, columns=512, StudyInstanceUID=study, PixelData=pixels)
        with self._lock:
            self.sent[instance.sop] = instance
        return instance

    def _answered(self, instance: Instance, status: int) -> None:
        assert status == 0, f"{status:04X}"
        self.acknowledged[instance.sop] = instance

    def _stow(self) -> None:
        while True:
            batch = [self._slice() for _ in range(random.randint(1, 12))]
            reply = stow(self._tree.http_port, batch)
            assert reply.status == 200
            for instance in batch:
                self._answered(instance, 0)

    def _start_storescu(self, folder: Path) -> "subprocess.Popen[str] | None":
        if shutil.which("storescu") is None:
            return None
        self._files = {str(folder / f"{n}.dcm"): self._slice() for n in range(200)}
        folder.mkdir()
        for path, instance in self._files.items():
            Path(path).write_bytes(instance.file)
        port = str(self._tree.dimse_port)
        return subprocess.Popen(
            ["storescu", "-v", "-aec", "HOUNSFIELD", "127.0.0.1", port, *self._files],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _hear(self, output: str) -> None:
        """Which file each of storescu's answers was for."""
        path = ""
        for line in output.splitlines():
            if found := SENT.search(line):
                path = found[1]
            elif SUCCESS in line:
                self._answered(self._files[path], 0)


def kill(tree: Tree) -> None:
    """Everything at once, the supervisor first: nothing gets a chance to end in order."""
    everything = tree.processes()
    for process in everything:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(everything, timeout=20)
    tree.process.wait()


def opened(folder: Path) -> Archive:
    """The archive of a running tree, seen from this process."""
    database = DatabaseSettings(url=SecretStr(url_of(folder)))
    return Archive(Settings(data_dir=folder, database=database))


@pytest.mark.timeout(60 + KILLS * SECONDS_A_KILL)
def test_kill_9_during_stores_loses_nothing_that_was_acknowledged(
    short_dir: Path, tmp_path: Path, start: Callable[..., Tree]
) -> None:
    folder = short_dir / "data"
    sent: dict[str, Instance] = {}
    acknowledged: dict[str, Instance] = {}
    tree = start(folder)
    for number in range(KILLS):
        known = all_events(tree.http_port)
        round_ = Round(tree, tmp_path / f"round-{number}")
        time.sleep(random.uniform(0.3, 4))
        kill(tree)
        round_.wait()
        sent |= round_.sent
        acknowledged |= round_.acknowledged
        tree = start(folder)
        print(f"kill {number}: {len(round_.acknowledged)} acknowledged, {tree.lines[-1]}")
        _assert_kept(tree, round_.acknowledged)
        _assert_feed_goes_on(tree, folder, known)
    assert len(acknowledged) > KILLS, "hardly anything was stored before the kills"
    _assert_kept(tree, acknowledged)
    _assert_nothing_half_visible(folder, sent, acknowledged)


def _assert_kept(tree: Tree, acknowledged: dict[str, Instance]) -> None:
    for instance in acknowledged.values():
        reply = wado(tree.http_port, instance)
        assert reply.status == 200, (instance, reply)
        assert reply.body.endswith(instance.data_set)
        assert reply.body[128:132] == b"DICM"


def _assert_nothing_half_visible(
    folder: Path, sent: dict[str, Instance], acknowledged: dict[str, Instance]
) -> None:
    with closing(opened(folder)) as archive:
        visible = _everything(archive)
        for instance in visible:
            verify(archive, instance)
            assert instance.sop_instance_uid in sent
            with archive.objects.open(instance.object_key) as reader:
                data = sent[instance.sop_instance_uid].data_set
                assert reader.map()[instance.dataset_offset :] == data
    names = [instance.sop_instance_uid for instance in visible]
    assert len(names) == len(set(names))
    assert acknowledged.keys() <= set(names)
    print(f"{len(sent)} sent, {len(acknowledged)} acknowledged, {len(names)} stored")


def _everything(archive: Archive) -> list[StoredInstance]:
    with archive.database.transaction() as connection:
        studies = connection.execute(select(Study.study_instance_uid)).scalars().all()
    return [found for uid in studies for found in find_instances_sync(archive, uid)]


def _assert_feed_goes_on(tree: Tree, folder: Path, known: list[dict[str, object]]) -> None:
    """Numbers without a gap, those given before still the same, each instance told of once."""
    with closing(opened(folder)) as archive:
        stored = [instance.sop_instance_uid for instance in _everything(archive)]
    port = tree.http_port
    until(lambda: len(all_events(port)) >= len(stored), 30)
    feed = all_events(port)
    assert feed[: len(known)] == known
    since = int(str(known[-1]["sequence"])) if known else 0
    assert known + all_events(port, since) == feed
    assert [event["sequence"] for event in feed] == list(range(1, len(feed) + 1))
    told = [event["sop_instance_uid"] for event in feed if event["type"] == "stored"]
    assert sorted(map(str, told)) == sorted(stored)
