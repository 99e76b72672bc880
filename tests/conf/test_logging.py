"""Logs name no patient, whatever is logged and whatever is raised."""

import subprocess
import sys
import textwrap

import pytest

NAME = "Frankenstein^Victor"


@pytest.mark.parametrize("as_json", [True, False])
def test_no_field_and_no_foreign_exception_carries_a_name(as_json: bool) -> None:
    script = f"""
        import logging, structlog
        from pydicom.dataset import Dataset
        from hounsfield.conf.logging import configure_logging
        configure_logging("debug", {as_json}, "test")
        log = structlog.get_logger()
        log.warning("stored", patient_name="{NAME}", study_instance_uid="1.2.3")
        try:
            Dataset().Rows = int("{NAME}")
        except ValueError as error:
            log.exception("failed")
            logging.getLogger("elsewhere").exception("failed too")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "Frankenstein" not in done.stderr
    assert "1.2.3" in done.stderr
    assert done.stderr.count("builtins.ValueError") == 2


def test_the_message_of_an_own_error_is_kept_with_its_cause() -> None:
    script = """
        import structlog
        from hounsfield.archive.errors import OutOfResources
        from hounsfield.conf.logging import configure_logging
        configure_logging("info", True, "test")
        try:
            try:
                open("/nonexistent/file")
            except OSError as error:
                raise OutOfResources("no space for one more object") from error
        except OutOfResources:
            structlog.get_logger().exception("failed")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    assert "OutOfResources: no space for one more object" in done.stderr
    assert "FileNotFoundError: No such file or directory (errno 2)" in done.stderr
