"""The OpenAPI document as a contract: what it promises is what random requests, right and wrong, get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_random_requests_get_what_the_openapi_document_promises(town_url: str, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    told = subprocess.run(
        [
            *(program, "run", f"{town_url}/openapi", "--checks", CHECKS, "--phases", "examples,fuzzing"),
            *("--mode", "all", "--max-examples", "10", "--generation-deterministic", "--no-color"),
            *("--include-path-regex", "lamps|zones|/(conformance|collections|openapi)?$"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-8_000:]
    assert "Tested: " in told.stdout
