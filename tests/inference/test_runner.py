"""The child process: a real run, and every way in which one can end without a result."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pydicom import dcmread

from hounsfield.archive.errors import CannotAnalyse
from hounsfield.inference.bundle import Bundle
from hounsfield.inference.errors import Cancelled, ChildFailed
from hounsfield.inference.runner import AnalysisRequest, AnalysisResult, Limits, Run, Standby
from hounsfield.inference.uids import allocate_results
from hounsfield.server.demo.dice import dice_with_truth
from hounsfield.server.demo.study import DemoStudy

MIB = 1024**2
CANARY = "postgresql://hounsfield:canary@database/hounsfield"


@pytest.fixture
def request_(
    demo_paths: tuple[str, ...], brain_mask: Bundle, tmp_path: Path, limits: Limits
) -> AnalysisRequest:
    return AnalysisRequest("brain_mask", demo_paths, allocate_results(), tmp_path / "work", limits)


@pytest.fixture(scope="module")
def done(
    demo_paths: tuple[str, ...], brain_mask: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AnalysisResult, list[tuple[int, str]]]:
    """One run of the real model on the demo head, with what it said on its way."""
    folder = tmp_path_factory.mktemp("run")
    request = AnalysisRequest(
        "brain_mask", demo_paths, allocate_results(), folder, Limits(300, 8 * 1024 * MIB)
    )
    said: list[tuple[int, str]] = []
    result = Run(request).wait(lambda percent, stage: said.append((percent, stage)))
    return result, said


def test_the_default_model_finds_the_brain_of_the_demo_head(
    done: tuple[AnalysisResult, object], demo: DemoStudy
) -> None:
    result, _ = done
    assert dice_with_truth(dcmread(result.seg), demo) > 0.96
    (volume,) = result.measurements
    assert volume["value"] == pytest.approx(demo.truth_ml, rel=0.08)
    assert dcmread(result.sr).Modality == "SR"


def test_progress_rises_and_its_stages_have_names(
    done: tuple[object, list[tuple[int, str]]],
) -> None:
    percents = [percent for percent, _ in done[1]]
    assert percents == sorted(set(percents))
    assert percents[-1] >= 99
    assert list(dict.fromkeys(stage for _, stage in done[1])) == [
        "Reading images",
        "Loading the model",
        "Segmenting",
        "Writing results",
    ]


@pytest.fixture
def waiting(
    tmp_path: Path, limits: Limits, brain_mask: Bundle, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Standby]:
    """A child that has started in an environment full of secrets."""
    monkeypatch.setenv("HOUNSFIELD_DATABASE__URL", CANARY)
    monkeypatch.setenv("PGPASSWORD", "canary")
    monkeypatch.setenv("PYTHONSTARTUP", "canary")
    standby = Standby(tmp_path / "standby", limits)
    yield standby
    standby.kill()


def test_the_child_sees_no_secret_of_its_parent(
    waiting: Standby, request_: AnalysisRequest
) -> None:
    environment = psutil.Process(waiting.child.pid).environ()
    assert not any("canary" in value for value in environment.values())
    assert not any(name.startswith(("HOUNSFIELD", "PG")) for name in environment)
    open_files = psutil.Process(waiting.child.pid).open_files()
    assert all(Path(file.path).is_relative_to(waiting.work_dir) for file in open_files)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_the_child_has_no_network_where_the_system_can_take_it_away(waiting: Standby) -> None:
    log = waiting.work_dir / "child.log"
    _wait_until(lambda: "at most" in log.read_text())
    if "no network" not in log.read_text():
        pytest.skip("this system permits no network namespaces")
    interfaces = Path(f"/proc/{waiting.child.pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]


def test_a_cancelled_run_is_gone_within_two_seconds(request_: AnalysisRequest) -> None:
    run = Run(request_)
    stages: list[str] = []
    asked: list[float] = []

    def is_cancelled() -> bool:
        if "Segmenting" in stages:
            asked.append(time.monotonic())
        return bool(asked)

    family = psutil.Process(run.pid)
    with pytest.raises(Cancelled):
        run.wait(lambda _, stage: stages.append(stage), is_cancelled)
    assert time.monotonic() - asked[0] < 2
    assert not family.is_running()
    assert not (request_.work_dir / "sr.dcm").exists()


def test_a_run_over_its_time_is_stopped_and_says_so(request_: AnalysisRequest) -> None:
    request = replace(request_, limits=replace(request_.limits, seconds=1))
    with pytest.raises(ChildFailed, match="longer than 1 seconds and was stopped") as caught:
        Run(request).wait()
    assert caught.value.cause == "time"


def test_a_run_over_its_memory_is_stopped_and_says_so(request_: AnalysisRequest) -> None:
    request = replace(request_, limits=replace(request_.limits, memory_bytes=560 * MIB))
    with pytest.raises(ChildFailed, match="more memory than the") as caught:
        Run(request).wait()
    assert caught.value.cause == "memory"


@pytest.mark.parametrize(
    ("number", "cause", "reason"),
    [
        (signal.SIGSEGV, "crash", "crashed \\(SIGSEGV\\)"),
        (signal.SIGKILL, "memory", "system ended the model's process"),
    ],
)
def test_a_killed_child_is_told_from_a_crashed_one(
    request_: AnalysisRequest, number: signal.Signals, cause: str, reason: str
) -> None:
    run = Run(request_)
    os.kill(run.pid, number)
    with pytest.raises(ChildFailed, match=reason) as caught:
        run.wait()
    assert caught.value.cause == cause


def test_what_the_model_refuses_comes_back_as_its_reason(request_: AnalysisRequest) -> None:
    with pytest.raises(CannotAnalyse, match="1 slice; the model needs at least 20"):
        Run(replace(request_, instance_paths=request_.instance_paths[:1])).wait()
    with pytest.raises(CannotAnalyse, match="No model is registered as 'liver'"):
        Run(replace(request_, model="liver")).wait()


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_the_child_ends_with_a_parent_that_is_killed(
    request_: AnalysisRequest, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from hounsfield.inference.runner import Limits, Standby;"
        "child = Standby(Path(sys.argv[1]), Limits(300, 8 * 1024**3)).child;"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "orphan")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    _wait_until(lambda: _is_gone(child))


def _wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
