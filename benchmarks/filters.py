"""Filters: how much of what is bad they find, how much of what is good they send back, and what the loop makes of it.

    python benchmarks/filters.py --data DIR [--json] [--only text claims privacy names duplicates injection safety]
    python benchmarks/filters.py --only loop [--variants 5] [--limit 40]

`DIR` holds the labelled texts that each part names; a part whose file is not there is skipped, and says so. `loop` runs
the default model over the example sheet: one attempt, then a second one with the reason and without it, then a third.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PARTS = {
    "text": "filters_text", "claims": "filters_claims", "privacy": "filters_privacy",
    "names": "filters_names", "duplicates": "filters_duplicates", "injection": "filters_injection",
    "safety": "filters_safety",
}
SHEET = Path(__file__).parent.parent / "inputs" / "briefs.csv"
Figures = dict[str, Any]


def measured(part: str, data: Path) -> Figures:
    """The figures of one part, each under its own name."""
    found: Figures = importlib.import_module(PARTS[part]).measure(data)
    return found


def loop(variants: int, limit: int | None) -> Figures:
    """What a second attempt is worth, with the reason and without it, on the same first texts."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "first": _run(Path(folder), variants, limit, attempts=1, feedback=True),
            "with_reason": _run(Path(folder), variants, limit, attempts=2, feedback=True),
            "without_reason": _run(Path(folder), variants, limit, attempts=2, feedback=False),
            "three_attempts": _run(Path(folder), variants, limit, attempts=3, feedback=True),
        }
    rows = runs["first"]["rows"]
    accepted = {name: run["outcomes"].get("accepted", 0) for name, run in runs.items()}
    left = rows - accepted["first"]
    return {
        "loop_rows": rows,
        "loop_accepted_first": round(accepted["first"] / rows, 3),
        "loop_accepted_three_attempts": round(accepted["three_attempts"] / rows, 3),
        "loop_retry_accepted_with_reason": round((accepted["with_reason"] - accepted["first"]) / max(left, 1), 3),
        "loop_retry_accepted_without_reason": round((accepted["without_reason"] - accepted["first"]) / max(left, 1), 3),
        "loop_tokens_first": runs["first"]["tokens_out"],
        "loop_tokens_more": {name: run["tokens_out"] for name, run in runs.items() if name != "first"},
        "loop_reasons_first": {code: sum(by.values()) for code, by in runs["first"]["reasons"].items()},
        "loop_reasons_three_attempts": {
            code: sum(by.values()) for code, by in runs["three_attempts"]["reasons"].items()
        },
    }


def _run(folder: Path, variants: int, limit: int | None, *, attempts: int, feedback: bool) -> Figures:
    """run.json of a run. Texts that an earlier one in `folder` made are taken from its journal."""
    command = [sys.executable, "-m", "aigc", "run", str(SHEET), "--json", "--variants", str(variants),
               "--out", str(folder / "outputs")]
    command += ["--limit", str(limit)] if limit else []
    settings = {"AIGC_MAX_ATTEMPTS": str(attempts), "AIGC_FEEDBACK": str(feedback).lower()}
    done = subprocess.run(command, env={**os.environ, **settings}, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    found: Figures = json.loads(done.stdout)
    return found


def summary(parts: dict[str, Figures]) -> Figures:
    """The figures that the goals are set for, the lesser of two languages where there are two; None where skipped."""
    text, privacy, alike = (parts.get(name, {}) for name in ("text", "privacy", "duplicates"))
    people = [
        kinds[kind]
        for language, wanted in (("english", ("email", "card", "ip_address", "iban")),
                                 ("chinese", ("resident_id", "phone", "card")))
        for kinds in [privacy.get(language, {})]
        for kind in wanted
        if kind in kinds
    ]
    found = {
        "false_alarms_en": [text.get("false_alarms_en")],
        "false_alarms_zh": [text.get("false_alarms_zh")],
        "refusal_f1": [text.get("refusal_f1")],
        "loops_recall": [text.get("loops_recall_en"), text.get("loops_recall_zh")],
        "truncations_recall": [text.get("truncation_recall_en"), text.get("truncation_recall_zh")],
        "docs_per_s": [text.get("docs_per_s_en"), text.get("docs_per_s_zh")],
        "pii_recall": [kind["recall"] for kind in people],
        "pii_precision": [kind["precision"] for kind in people],
        "injection_recall": [parts.get("injection", {}).get("injection_recall")],
        "injection_false_alarms": [parts.get("injection", {}).get("injection_false_alarms")],
        "neardup_recall": [
            alike.get(name, {}).get("recall_by_share_of_words_changed", {}).get(0.1, {}).get("compared")
            for name in ("en", "zh")
        ],
        "neardup_precision": [alike.get(name, {}).get("one_template_precision") for name in ("en", "zh")],
    }
    return {name: min((one for one in values if one is not None), default=None) for name, values in found.items()}


def show(part: str, figures: Figures) -> None:
    print(f"\n{part}")
    for name, value in figures.items():
        print(f"  {name:<44} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("eval"), help="folder of labelled texts")
    parser.add_argument("--only", nargs="+", choices=[*PARTS, "loop"], default=list(PARTS))
    parser.add_argument("--variants", type=int, default=5, help="texts a brief, in the part `loop`")
    parser.add_argument("--limit", type=int, help="briefs, in the part `loop`")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    parts: dict[str, Figures] = {}
    for part in options.only:
        figures = loop(options.variants, options.limit) if part == "loop" else measured(part, options.data)
        show(part, figures)
        parts[part] = figures
    whole = summary(parts)
    show("all", whole)
    if options.json:
        print(json.dumps({**whole, **parts}))


if __name__ == "__main__":
    main()
