"""The web app's types are made from the server's OpenAPI document, and are not behind it."""

import subprocess
from pathlib import Path

import orjson
import pytest

from hounsfield.archive.archive import Archive
from hounsfield.server.app import create_app

VIEWER = Path(__file__).resolve().parents[2] / "viewer"
GENERATOR = VIEWER / "node_modules" / ".bin" / "openapi-typescript"


@pytest.mark.skipif(not GENERATOR.exists(), reason="needs viewer/node_modules; ./dev test makes it")
def test_the_types_of_the_web_app_are_those_of_the_openapi_document(
    archive: Archive, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(orjson.dumps(create_app(archive).openapi()))
    made = tmp_path / "api-types.ts"
    subprocess.run([GENERATOR, document, "-o", made], cwd=VIEWER, check=True, capture_output=True)
    committed = VIEWER / "lib" / "api-types.ts"
    assert made.read_text() == committed.read_text(), "with a server running: npm run types"
