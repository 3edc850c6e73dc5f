"""A new project's folder: templates to change, briefs to try, settings to uncomment."""

from __future__ import annotations

import shutil
from pathlib import Path

from aigc.errors import StoreError, UsageError
from aigc.job import shipped

SETTINGS = """\
# Settings of this project. Order: command line, environment AIGC_*, this file, the template pack, the default.
# docs/settings.md explains each; an unknown key is an error that names the nearest.

[run]
# model = "Qwen/Qwen3-0.6B"     # any Hugging Face id or local folder; the default speaks English only
# variants = 1                  # texts for each brief
# max_attempts = 3              # a text that fails a filter is tried again with the reasons
# seed = 0

[input]
# content_type = "product_description"   # for sheets without that column
# language = "en"

[input.columns]
# product = "Title"             # field = "heading in your sheet"

# [[input.skip]]                # rows to leave out
# column = "Title"
# blank = true

[sampling]
# temperature = 0.7

# [filters.length]
# action = "hold"               # off, flag, hold, retry or reject
"""


def lay_out(folder: Path) -> list[str]:
    """Make a project in `folder`. Returns lines that say what to do next.

    Raises:
        UsageError: the folder holds something already.
        StoreError: it cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(str(folder), "something there already", "a new or empty folder", "Name another folder.")
    try:
        shutil.copytree(shipped("templates"), folder / "templates")
        shutil.copytree(shipped("inputs"), folder / "inputs")
        (folder / "outputs").mkdir()
        (folder / "aigc.toml").write_text(SETTINGS, "utf-8")
    except OSError as exc:
        raise StoreError(
            str(folder), f"a folder that cannot be written ({exc.strerror})", "room to write", "Name another folder."
        ) from exc
    return [
        f"{folder}/templates  one folder a content type",
        f"{folder}/inputs     example briefs",
        f"{folder}/aigc.toml  settings",
        f"{folder}/outputs    results: a folder each run",
        "",
        f"Next: cd {folder} && aigc run inputs/briefs.csv",
    ]
