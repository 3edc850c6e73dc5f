"""What may know what, how long things may grow, and what starting costs: docs/architecture.md, enforced."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "aigc").rglob("*.py"), *(ROOT / "flows").rglob("*.py")])
MAX_FILE_LINES, MAX_FUNCTION_LINES = 350, 60

GROUND = {"errors", "hashing", "records", "settings", "content", "packs", "disk", "arrow", "memory",
          "urls", "settings_loading", "settings_ranges", "settings_reading", "injection", "policy", "characters",
          "parquet_rows", "stamped",
          "tally", "sessions", "cells", "labels", "watermark", "dialogue", "again", "gpu_memory",
          "findings"}
"""Values, declarations, digests and safe files. They know each other and no stage."""
STAGES = {"briefs", "sheets", "prompts", "outputs", "filters", "engine", "models", "journal", "store", "export",
          "export_counts", "duplicates", "provenance", "report", "report_words", "rubric", "safety", "signing",
          "lineage", "dataset", "review", "review_page", "review_sheet"}
EXCEPTIONS = {
    ("briefs", "sheets"): "briefs are the meaning of a sheet's rows, sheets their form: one stage in two floors",
    ("engine", "models"): "an engine is opened for a ModelRef",
    ("export", "export_counts"): "what is counted while files are written",
    ("store", "journal"): "a store keeps and finds the lines whose form the journal declares",
    ("report", "provenance"): "a report is a run.json for people",
    ("report", "report_words"): "a report says codes in words",
    ("lineage", "provenance"): "an event is a run.json for servers of lineage",
    ("dataset", "provenance"): "a dataset card is a run.json for those who are given the folder",
    ("safety", "engine"): "a classifier is a model: what it is asked and answers is declared where models are",
    ("safety", "filters"): "safety is a filter that runs a model",
    ("rubric", "engine"): "a judge is a model",
    ("rubric", "filters"): "a judge is a filter that runs a model",
    ("review_page", "provenance"): "a page is of one run, and tells which",
    ("review_page", "review"): "a page is the form in which editors are given texts and give decisions",
    ("review_sheet", "outputs"): "an edit of fields is shown as its type lays it out",
    ("review_sheet", "provenance"): "a sheet is of one run, whose settings name its templates",
    ("review_sheet", "review"): "a sheet is the form in which editors are given texts and give decisions",
    ("review_sheet", "sheets"): "what editors send back is a sheet like any other",
}
ASSEMBLY = {
    "corpus": {"duplicates", "export", "provenance", "sheets"},
    "marked": {"corpus", "engine", "export", "models", "provenance"},
    "forbidden": {"filters"},
    "asking": {"models", "prompts"},
    "job": {"asking", "briefs", "duplicates", "filters", "forbidden", "models", "safety"},
    "earlier": {"job", "models", "provenance", "store"},
    "rows": {"filters"},
    "batch_filters": {"engine", "filters", "models", "rubric", "safety"},
    "jury": {"filters", "job", "rows"},
    "talk": {"asking", "filters", "job", "outputs", "rows"},
    "pipeline": {"earlier", "engine", "filters", "job", "jury", "models", "outputs", "provenance", "rows",
                 "store", "talk"},
    "panel": {"batch_filters", "duplicates", "filters", "job", "jury", "models", "safety"},
    "proof": {"dataset", "filters", "job", "models", "provenance", "report", "review", "signing", "store"},
    "night": set(),
    "nights_plan": set(),
    "prefect_server": set(),
    "prefect_worker": set(),
    "published_files": {"export", "provenance"},
    "samples": {"export"},
    "history": {"provenance"},
    "trends": {"history"},
    "outlook": {"earlier", "engine", "history", "job", "models", "provenance"},
    "probe": {"earlier", "engine", "job", "jury", "models", "pipeline", "store"},
    "past": {"asking", "export", "provenance"},
    "training_data": {"asking", "dataset", "decided", "duplicates", "export", "past", "provenance", "review"},
    "tuning": {"dataset", "engine", "filters", "models", "outputs", "provenance", "training_data"},
    "trace": {"decided", "past", "provenance", "review"},
    "reproduction": {"engine", "models", "past", "provenance"},
    "verification": {"export", "journal", "labels", "proof", "signing", "provenance", "report", "review", "store"},
    "opening": {"job", "models", "provenance", "report", "store"},
    "runs": {"earlier", "engine", "export", "job", "lineage", "models", "opening", "panel", "pipeline", "proof",
             "provenance", "review_page", "store"},
    "decided": {"provenance", "review"},
    "limits": {"duplicates", "filters", "past"},
    "calibration": {"decided", "limits", "past", "review"},
    "publishing": {"decided", "export", "outputs", "past", "proof", "provenance", "review", "review_sheet", "signing"},
    "forgetting": {"export", "forgotten_lines", "past", "proof", "provenance", "publishing", "review", "signing",
                   "storage", "store"},
    "batch": {"engine", "models", "provenance", "start", "store"},
    "chat_guard": {"batch_filters", "filters", "job"},
    "chat": {"batch_filters", "chat_guard", "engine", "job", "models", "prompts", "provenance", "start"},
    "redo": {"decided", "earlier", "engine", "job", "models", "panel", "provenance", "rejudge", "review",
             "review_page", "runs", "start"},
    "rejudge": {"earlier", "engine", "export", "job", "models", "panel", "provenance", "runs", "start"},
    "forgotten_lines": {"journal", "store"},
    "storage": {"forgotten_lines", "provenance", "publishing", "review", "store"},
    "survey_kept": {"job", "store"},
    "start": {"survey_kept", "briefs", "earlier", "engine", "job", "models", "outlook", "panel", "provenance", "report",
              "runs", "storage"},
}
SURFACE = {
    "commands": set(),
    "ui_cli": {"prefect_server", "reach"},
    "schedule_cli": {"console", "flows", "nights_plan", "prefect_worker", "reach"},
    "chat_cli": {"chat", "console", "start"},
    "keys_cli": {"signing", "start"},
    "labels_cli": set(),
    "models_cli": {"console", "models"},
    "storage_cli": {"console", "review", "runs", "start", "storage"},
    "history_cli": {"console", "history", "report", "start", "trends"},
    "trust_cli": {"console", "forgetting", "past", "report", "reproduction", "runs", "signing", "start", "storage",
                  "trace", "verification"},
    "corpus_cli": {"corpus", "duplicates", "report", "start"},
    "watermark_cli": {"marked", "report", "start"},
    "tuning_cli": {"engine", "report", "runs", "start", "training_data", "tuning"},
    "review_cli": {"console", "console_review", "decided", "report", "review", "review_page", "review_sheet", "runs",
                   "start"},
    "publishing_cli": {"console", "publishing", "report", "runs", "start"},
    "redo_cli": {"console", "progress", "redo", "report", "start"},
    "report_cli": {"calibration", "console", "limits", "provenance", "report", "review", "runs", "start"},
    "console_review": {"report", "review"},
    "console_judge": {"console", "progress", "provenance", "rejudge", "start"},
    "console_sheet": {"console", "earlier", "job", "outlook", "panel", "probe", "provenance", "report", "runs",
                      "sheets", "start"},
    "project": {"job"},
    "doctor": {"models", "engine", "job", "reach"},
    "reach": {"engine", "storage"},
    "progress": {"report"},
    "console": {"batch", "doctor", "flows", "models", "progress", "provenance", "reach", "report", "runs", "start",
                "store"},
    "cli": {"batch", "chat_cli", "commands", "console", "console_judge", "console_sheet", "corpus_cli", "keys_cli",
            "labels_cli", "trust_cli", "history_cli", "models_cli", "project", "publishing_cli",
            "redo_cli", "report_cli", "review_cli", "runs", "schedule_cli", "start", "storage_cli", "tuning_cli",
            "ui_cli", "watermark_cli"},
    "flows": {"night", "nights_plan", "progress", "provenance", "published_files", "report", "runs", "samples",
              "start"},
}

ROOMS = {
    "torch": {"engine"}, "transformers": {"engine"}, "tokenizers": {"engine"}, "llguidance": {"engine"},
    "gguf": {"engine"}, "accelerate": {"engine"}, "huggingface_hub": {"models"},
    "peft": {"engine"}, "torchao": {"engine"}, "trl": {"engine"}, "datasets": {"engine"},
    "matplotlib": {"trends", "tuning"},
    "prefect": {"flows"}, "pydantic": {"flows"}, "httpx": {"flows", "engine", "lineage"},
    "typer": {"chat_cli", "cli", "commands", "console", "console_judge", "console_review", "console_sheet",
              "corpus_cli", "keys_cli", "labels_cli", "trust_cli", "history_cli", "models_cli", "progress",
              "publishing_cli", "redo_cli", "report_cli", "review_cli", "schedule_cli", "storage_cli", "tuning_cli",
              "ui_cli", "watermark_cli"},
    "rich": {"cli", "console", "progress"},
    "jinja2": {"packs", "engine"},
    "openpyxl": {"sheets", "labels", "publishing", "review_sheet"},
    "pyarrow": {"sheets", "arrow", "export", "labels", "parquet_rows", "lineage", "dataset", "samples", "publishing",
            "verification"},
    "py3langid": {"filters"},
    "phonenumbers": {"filters"}, "ahocorasick": {"filters", "injection"}, "rensa": {"duplicates"},
    "ftfy": {"characters"}, "markdown_it": {"filters"}, "rfc8785": {"provenance"},
    "c2pa": {"signing"}, "cryptography": {"signing"}, "ray": {"engine"}, "fsspec": {"storage"},
    "pandas": set(), "requests": set(), "yaml": set(),
}
"""Libraries, and the only modules of ours that may import them."""
LAZY = {"torch", "transformers", "tokenizers", "llguidance", "gguf", "peft", "torchao", "huggingface_hub", "prefect",
        "openpyxl", "pyarrow", "py3langid", "phonenumbers", "ahocorasick", "rensa", "numpy", "pandas", "rich",
        "platformdirs", "ftfy", "markdown_it", "c2pa", "trl", "datasets", "matplotlib"}
"""Libraries that take their time: outside `engine` and `flows` they are imported inside functions."""


def room(path: Path) -> str:
    """`engine` of aigc/engine/slots.py, `job` of aigc/job.py, `flows` of flows/generate.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] == "flows":
        return "flows"
    return parts[1]


def imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    """Every module that `path` imports: its whole name, the line, and whether it is imported with the file itself."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(node) for top in ast.walk(tree) if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef)
              for node in ast.walk(top)}
    inside |= {id(node) for top in ast.walk(tree) if isinstance(top, ast.If) and "TYPE_CHECKING" in ast.dump(top.test)
               for node in ast.walk(top)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            base = node.module or ""
            names = [f"aigc.{alias.name}" for alias in node.names] if base == "aigc" else [base]
        else:
            continue
        for name in names:
            yield name, node.lineno, id(node) not in inside


def own(name: str) -> str | None:
    """The room of ours that an imported module is in, None for a library's and for `aigc.__version__`."""
    parts = name.split(".")
    if parts[0] == "flows":
        return "flows"
    return parts[1] if parts[0] == "aigc" and len(parts) > 1 and not parts[1].startswith("__") else None


def allowed(here: str) -> set[str]:
    if here in GROUND:
        return GROUND
    if here in STAGES:
        return GROUND | {there for one, there in EXCEPTIONS if one == here}
    return GROUND | {**ASSEMBLY, **SURFACE}[here]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_module_has_a_floor() -> None:
    known = GROUND | STAGES | ASSEMBLY.keys() | SURFACE.keys() | {"__init__", "__main__"}
    assert {room(path) for path in SOURCES} - known == set()


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_module_imports_only_what_it_may_know(path: Path) -> None:
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    strangers = [f"line {line}: {name}" for name, line, _ in imports(path)
                 if (there := own(name)) and there != here and there not in allowed(here)]
    assert strangers == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_a_library_stays_in_its_room(path: Path) -> None:
    here = room(path)
    outside = [f"line {line}: {name}" for name, line, _ in imports(path)
               if here not in ROOMS.get(name.split(".")[0], {here})]
    assert outside == []


@pytest.mark.parametrize("path", [path for path in SOURCES if room(path) not in ("engine", "flows")], ids=named)
def test_a_heavy_library_is_imported_only_where_it_is_used(path: Path) -> None:
    early = [f"line {line}: {name}" for name, line, at_once in imports(path)
             if at_once and name.split(".")[0] in LAZY]
    assert early == []


def test_no_files_import_each_other_in_a_circle_not_even_late_or_for_types() -> None:
    """A package's face is left out: it hands on names of what stands inside."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in SOURCES
             if path.name != "__init__.py"}
    graph = {name: {other for other, _, _ in imports(path) if other in files} for name, path in files.items()}
    assert len(graph) > 300
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_nothing_is_allowed_that_is_not_used() -> None:
    used = {(room(path), own(name)) for path in SOURCES for name, _, _ in imports(path)}
    pairs = set(EXCEPTIONS) | {(here, there) for here, rooms in {**ASSEMBLY, **SURFACE}.items() for there in rooms}
    assert pairs - used == set()


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    long = [f"{node.name}: {length} lines" for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES]
    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_prints(path: Path) -> None:
    prints = [node.lineno for node in ast.walk(ast.parse(path.read_text("utf-8")))
              if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert prints == []


@pytest.mark.parametrize("code", [
    "import aigc",
    "import aigc.cli",
    "import runpy\ntry: import aigc.cli; sys.argv = ['aigc', '--help']; aigc.cli.main()\nexcept SystemExit: pass",
    "import aigc.job, aigc.store, aigc.export",
], ids=["import aigc", "import aigc.cli", "aigc --help", "import stages"])
def test_starting_loads_no_heavy_library(code: str) -> None:
    heavy = ("torch", "transformers", "prefect", "pyarrow", "pandas", "openpyxl", "numpy")
    told = f"import sys\n{code}\nsys.stderr.write(' '.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
