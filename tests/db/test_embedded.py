"""The embedded PostgreSQL: closed to strangers, durable, and up again by itself."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from hounsfield.db.accounts import Account, AccountError, account_for, run_as
from hounsfield.db.binaries import INSTALLATION, copy_of, installed_package, runs
from hounsfield.db.cluster import ClusterError
from hounsfield.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from hounsfield.db.processes import running_in

as_root = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="changes the user, which only root may"
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data folder with a cluster in it; making one costs most of a second."""
    with tempfile.TemporaryDirectory(prefix="hf-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder)
    server.start()
    yield server
    server.stop()


def test_it_is_closed_to_strangers(server: EmbeddedPostgres, folder: Path) -> None:
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "postgres.secret").stat().st_mode) == 0o600
    process = psutil.Process(server.pid)
    assert [c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN] == []
    secret = (folder / "postgres.secret").read_text()
    assert len(secret) >= 32
    assert secret not in " ".join(process.cmdline())
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(secret, "guess"))


def test_what_makes_commits_durable_is_on(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)


def test_a_commit_survives_kill_9_of_the_server_with_a_busy_backend(
    server: EmbeddedPostgres, folder: Path
) -> None:
    busy = psycopg.connect(server.url, autocommit=True)
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 10000000000)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert list(running_in(folder / "pg", "postgres")), "the busy backend holds the folder"
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 10
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)
    busy.close()


@pytest.mark.parametrize("name", ["pg/postmaster.pid", "run/.s.PGSQL.5432.lock"])
@pytest.mark.parametrize("content", ["", "{living}\n", "not a number"])
def test_a_stale_lock_file_does_not_hinder_the_start(folder: Path, name: str, content: str) -> None:
    server = EmbeddedPostgres(folder)
    server.start()
    server.stop()
    same_user = run_as(account_for(folder, None))
    with subprocess.Popen(["sleep", "60"], cwd="/", **same_user) as living:
        (folder / name).write_text(content.format(living=living.pid))
        server.start()
        server.stop()
        assert living.poll() is None, "a process that is none of ours is left alone"
        living.kill()


def test_kill_9_of_whoever_started_it_ends_it(folder: Path) -> None:
    script = f"""
        import pathlib, time
        from hounsfield.db.embedded import EmbeddedPostgres
        server = EmbeddedPostgres(pathlib.Path({str(folder)!r}))
        server.start()
        print(server.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        postmaster = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
        postmaster.wait(timeout=10)


def test_a_second_starter_is_refused(server: EmbeddedPostgres, folder: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=rf"already run by process {os.getpid()}\."):
        EmbeddedPostgres(folder).start()
    with psycopg.connect(server.url):
        pass


def test_a_half_made_cluster_is_made_anew(short_dir: Path) -> None:
    (short_dir / "pg.new" / "base").mkdir(parents=True)
    (short_dir / "pg.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(short_dir)
    server.start()
    server.stop()
    assert (short_dir / "pg" / "global" / "pg_control").is_file()
    assert not (short_dir / "pg.new").exists()


def test_another_major_version_is_refused_and_left_alone(short_dir: Path) -> None:
    (short_dir / "pg").mkdir()
    (short_dir / "pg" / "PG_VERSION").write_text("17\n")
    (short_dir / "postgres.secret").write_text("secret")
    with pytest.raises(ClusterError, match=r"made by PostgreSQL 17.*`hounsfield db upgrade`"):
        EmbeddedPostgres(short_dir).start()
    assert [path.name for path in (short_dir / "pg").iterdir()] == ["PG_VERSION"]


def test_a_folder_with_too_long_a_name_is_refused(short_dir: Path) -> None:
    deep = short_dir / ("d" * 100)
    with pytest.raises(EmbeddedPostgresError, match=r"too long.*HOUNSFIELD_DATA_DIR"):
        EmbeddedPostgres(deep).start()
    assert not deep.exists()


def test_a_lost_secret_is_said_and_not_replaced(short_dir: Path) -> None:
    (short_dir / "pg").mkdir()
    with pytest.raises(EmbeddedPostgresError, match="backup"):
        EmbeddedPostgres(short_dir).start()
    assert not (short_dir / "postgres.secret").exists()


@as_root
def test_an_ordinary_user_can_start_it(short_dir: Path) -> None:
    os.chown(short_dir, 65534, 65534)
    script = f"""
        import os, pathlib, psycopg
        from hounsfield.db.embedded import EmbeddedPostgres
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        server = EmbeddedPostgres(pathlib.Path({str(short_dir)!r}))
        server.start()
        with psycopg.connect(server.url) as connection:
            print(connection.execute("SELECT 41 + 1").fetchone()[0])
        server.stop()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "42\n", done.stderr
    assert (short_dir / "pg" / "PG_VERSION").stat().st_uid == 65534


@as_root
def test_programs_that_the_user_cannot_reach_are_copied_whole(short_dir: Path) -> None:
    nobody = Account("nobody", 65534, 65534)
    closed = short_dir / "home"
    closed.mkdir(mode=0o700)
    unreachable = copy_of(installed_package(), closed / "environment" / "1") / INSTALLATION / "bin"
    assert not runs(unreachable, nobody)
    copied = copy_of(unreachable.parent.parent, short_dir / "programs" / "1")
    assert runs(copied / INSTALLATION / "bin", nobody)
    assert (copied / INSTALLATION / "share").is_dir()


@as_root
def test_a_data_folder_below_a_closed_one_is_refused_by_name(short_dir: Path) -> None:
    closed = short_dir / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(AccountError, match=f"cannot enter {closed}"):
        EmbeddedPostgres(closed / "data").start()


@as_root
def test_it_runs_as_the_owner_of_the_folder(short_dir: Path) -> None:
    os.chown(short_dir, 65534, 65534)
    account = account_for(short_dir, None)
    assert account is not None
    assert account.uid == 65534
