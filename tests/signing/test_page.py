"""docs/signing.md: what an outsider is told to run says what the page says it does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .authority import CSV, FACTS
from .conftest import House

PAGE = (Path(__file__).parents[2] / "docs" / "signing.md").read_text("utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)
    return str(found)


@pytest.fixture
def given(house: House, tmp_path: Path) -> Path:
    """What an outsider is given: a manifest, a file, and what signs them."""
    (tmp_path / "accepted.csv").write_bytes(CSV)
    house.signer.sign_file(tmp_path / "accepted.csv", FACTS)
    (tmp_path / "manifest.json").write_bytes(b"{}")
    (tmp_path / "manifest.json.sig").write_bytes(house.signer.sign_bytes(b"{}"))
    shutil.copy(house.anchors[0], tmp_path)
    sums = subprocess.run(["sha256sum", "accepted.csv", "accepted.csv.c2pa", "manifest.json"], cwd=tmp_path,
                          capture_output=True, check=True)
    (tmp_path / "SHA256SUMS").write_bytes(sums.stdout)
    return tmp_path


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, the outside judge, is not on this machine")
def test_the_shell_s_lines_find_a_run_good_and_a_changed_one_bad(given: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-ec", block("bash")], cwd=given, capture_output=True, text=True, timeout=30)

    good = run()
    assert (good.returncode, good.stderr) == (0, "CMS Verification successful\n")
    assert good.stdout.splitlines() == ["accepted.csv: OK", "accepted.csv.c2pa: OK", "manifest.json: OK"]
    (given / "manifest.json").write_bytes(b"[]")
    assert run().returncode != 0


@pytest.mark.parametrize(("data", "state"), [(CSV, "Trusted"), (CSV + b" ", "Invalid")], ids=["as it was", "changed"])
def test_the_python_lines_say_whether_a_file_is_trusted(given: Path, data: bytes, state: str) -> None:
    (given / "accepted.csv").write_bytes(data)
    done = subprocess.run([sys.executable, "-c", block("python")], cwd=given, capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, state)
    assert "smollm2-135m-instruct" in done.stdout
