"""Every bad input that `aigc` is known to refuse, as folders to look into and commands to try.

    cd tests && python -m bad_inputs.make_bad_inputs FOLDER

makes `FOLDER/<case>/` with the case's files and `command.txt`. tests/e2e/test_bad_inputs.py runs them all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bad_inputs import bad_projects, bad_sheets
from bad_inputs.cases import Case, lay_out

PROCESSES = {
    "broken_toml",
    "undefined_variable",
    "damaged_run_json",
    "half_downloaded_model",
    "strict_with_one_bad_row",
}
"""Cases that run as a process of their own beside those that must: the same through the real door."""
CASES: list[Case] = [
    case._replace(as_process=case.as_process or case.name in PROCESSES)
    for case in [*bad_sheets.CASES, *bad_projects.CASES]
]


def make_all(root: Path) -> None:
    for case in CASES:
        folder = root / case.name
        folder.mkdir(parents=True)
        lay_out(case, folder)
        environ = "".join(f"{name}={value} " for name, value in case.environ.items())
        lines = [f"{environ}aigc {case.command}", f"exit code {case.code}", *(f"says: {text}" for text in case.says)]
        (folder / "command.txt").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
