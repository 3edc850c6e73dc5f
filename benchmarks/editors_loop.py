"""From a first night to a model of one's own, by the commands of the docs and nothing else: what each gives and takes.

    python benchmarks/editors_loop.py [--json] [--model smollm2-135m-instruct] [--learn 44] [--new 16] [--keep DIR]

    aigc run monday.csv ─▶ review files ─▶ review import ─▶ redo ─▶ review import ─▶ dataset ─▶ finetune
                           ─▶ run tuesday.csv --adapter … ─▶ review import ─▶ report --calibration ─▶ export --approved

The editor is a script with rules of a house: a note says what it is about, is one sentence long, and ends with a
slogan. What does not say so is refused with a note, what can be mended is edited, what is right is approved. She is
given `review.csv`, and sends back a `decisions.jsonl` as the review page does. Told at the end:

    approved as written     of texts on products that nobody has seen, without the adapter and with it
    ends with the slogan    the same
    accepted                by the run's filters, the same
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aigc.review.words import outcome_words

SLOGAN = "Made to last a lifetime."
MOST_WORDS = 30
THINGS = ("kettle", "lamp", "stool", "basket", "ladder", "mirror", "pillow", "teapot", "wallet", "zipper", "anchor",
          "bucket", "candle", "drawer", "easel", "funnel", "gate", "hammer", "iron", "jacket")
STUFFS = ("oak", "steel", "brass", "linen", "clay", "cork", "leather", "glass")
PACK = {
    "template.toml": 'title = "Note"\nlanguages = ["en"]\n[fields.product]\nrequired = true\n[fields.stuff]\n'
                     'required = true\n[output]\nformat = "text"\n[length]\nmax_words = { en = 30 }\n'
                     '[sampling]\nmax_new_tokens = 48\n',
    "system.j2": "You write product notes.\n",
    "user.j2": "Write one sentence about a {{ product }} made of {{ stuff }}.\n",
}
SETTINGS = """\
[run]
model = "{model}"
[filters.near_duplicate]
action = "off"
[filters.cut_off]
action = "flag"
[filters.length]
action = "flag"
[filters.required_terms]
action = "flag"
"""
Call = Callable[..., str]
"""`aigc` with these arguments in this folder: what it writes to standard output."""
Decide = Callable[[dict[str, str], str], dict[str, Any]]
"""What an editor says of a row of `review.csv` in a run: a line of `decisions.jsonl`."""


@dataclass
class Result:
    """What came of it. Counts are of texts; `seconds` are by the clock, of each command."""

    model: str
    first_night: dict[str, int] = field(default_factory=dict)
    after_redo: dict[str, int] = field(default_factory=dict)
    examples: int = 0
    pairs: int = 0
    call: str = ""
    steps: int = 0
    shifts: dict[str, list[float]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    second_night: dict[str, int] = field(default_factory=dict)
    exported: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    calibration: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--learn", type=int, default=44, help="products of the first night")
    parser.add_argument("--new", type=int, default=16, help="products of the second, of other stuffs")
    parser.add_argument("--keep", type=Path, help="folder to work in, and to leave")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = go_round(given.keep or Path(temporary), given.model, given.learn, given.new)
    show(result)
    if given.json:
        print(json.dumps(asdict(result)))


def go_round(
    folder: Path, model: str, learned: int, new: int, call: Call | None = None, decide: Decide | None = None,
    tuning: tuple[str, ...] = (),
) -> Result:
    """The whole loop in `folder`. `tuning` are further options of `aigc finetune`."""
    result = Result(model)
    aigc, decide = call or timed(folder, result.seconds), decide or decision
    lay_out(folder, model)
    products = [(thing, stuff) for stuff in STUFFS for thing in THINGS]
    write_sheet(folder / "monday.csv", products[:learned])
    write_sheet(folder / "tuesday.csv", products[-new:])

    monday = run_of(aigc("run", "monday.csv", "--json"))
    result.first_night = review(folder, monday, aigc, decide)
    remade = run_of(aigc("redo", monday, "--json"))
    result.after_redo = review(folder, remade, aigc, decide, "--open")
    data = json.loads(aigc("dataset", remade, "--reviewed-only", "--out", "house-style", "--json"))
    rows = {file["path"]: file["rows"] for file in data["files"]}
    result.examples = sum(count for path, count in rows.items() if path.startswith("sft/"))
    result.pairs = sum(count for path, count in rows.items() if path.startswith("preferences/"))
    tuned = json.loads(aigc("finetune", "house-style", "--base", model, "--out", "tuned/house", *tuning, "--json"))
    result.call, result.steps = tuned["finding"]["call"], tuned["trained"]["steps"]
    result.shifts = {one["name"]: [one["before"], one["after"], one["items"]] for one in tuned["shifts"]}

    before = run_of(aigc("run", "tuesday.csv", "--json"))
    after = run_of(aigc("run", "tuesday.csv", "--adapter", "tuned/house", "--json"))
    result.before, result.after = (looked(folder, run, aigc) for run in (before, after))
    result.second_night = review(folder, after, aigc, decide)
    result.calibration = aigc("report", "--calibration")
    exported = json.loads(aigc("export", after, "--approved", "--format", "jsonl", "--format", "markdown", "--json"))
    path = folder / "outputs" / after / "approved" / "approved.jsonl"
    result.exported = len(path.read_text().splitlines()) if path.is_file() else exported["records"]
    return result


def lay_out(folder: Path, model: str) -> None:
    pack = folder / "templates" / "note"
    pack.mkdir(parents=True)
    for name, text in PACK.items():
        (pack / name).write_text(text)
    (folder / "aigc.toml").write_text(SETTINGS.format(model=model))


def write_sheet(path: Path, products: list[tuple[str, str]]) -> None:
    rows = [f"{stuff}-{thing},note,{thing},{stuff},{thing}" for thing, stuff in products]
    path.write_text("\n".join(["id,content_type,product,stuff,keywords", *rows]) + "\n")


def rows_of(folder: Path, run: str, aigc: Call, *options: str) -> list[dict[str, str]]:
    """What an editor is given: `review.csv`."""
    aigc("review", "files", run, "--format", "csv", *options)
    with (folder / "outputs" / run / "review.csv").open(encoding="utf-8-sig", newline="") as file:
        return [{**row, "text": row["text"].strip().removeprefix("'")} for row in csv.DictReader(file)]


def review(folder: Path, run: str, aigc: Call, decide: Decide, *options: str) -> dict[str, int]:
    """The editor decides on all texts that she is given, and her decisions are imported; how many of each there are."""
    head = {"aigc_review": 1, "run_id": run, "editor": "Ana"}
    lines = [decide(row, run) for row in rows_of(folder, run, aigc, *options)]
    file = folder / f"decisions-{run}-ana.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in [head, *lines]))
    taken = json.loads(aigc("review", "import", run, file.name, "--json"))["taken"]
    if taken != len(lines):
        raise SystemExit(f"of {len(lines)} decisions {taken} were taken")
    return dict(Counter(line["action"] for line in lines))


def decision(row: dict[str, str], run: str) -> dict[str, Any]:
    """What the house's editor says of a text, in the form in which the review page exports it."""
    made = of_row(row, run)
    thing = row["id"].partition("-")[2]
    if is_right(row["text"], thing):
        return {**made, "action": "approve"}
    first = re.match(r".+?[.!?](?=\s|$)", row["text"], re.S)
    if not first or thing not in first[0].lower() or len(first[0].split()) > MOST_WORDS:
        return {**made, "action": "reject", "reason": "off_brief",
                "note": f"One short sentence that says {thing}. End with: {SLOGAN}"}
    is_long = len(row["text"].split()) > MOST_WORDS
    return {**made, "action": "edit", "reason": "too_long" if is_long else "tone_wrong",
            "text": f"{first[0].strip()} {SLOGAN}"}


def of_row(row: dict[str, str], run: str) -> dict[str, Any]:
    """Which text a decision is on, and whose it is."""
    return {"record_id": row["record_id"], "run_id": run, "editor": "Ana", "at": "2026-11-28T12:00:00.000+00:00",
            "base": row["base"]}


def is_right(text: str, thing: str) -> bool:
    """Whether a note is as the house wants it: one sentence that names the product, then the slogan."""
    said = text.removesuffix(SLOGAN).strip()
    is_one = re.fullmatch(r"[^.!?]+[.!?]", said) is not None
    return text.endswith(SLOGAN) and is_one and thing in said.lower() and len(said.split()) <= MOST_WORDS


def looked(folder: Path, run: str, aigc: Call) -> dict[str, int]:
    """How a run's texts stand by the editor's rules, and by the filters."""
    rows = rows_of(folder, run, aigc)
    return {
        "texts": len(rows),
        "approved as written": sum(is_right(row["text"], row["id"].partition("-")[2]) for row in rows),
        "ends with the slogan": sum(row["text"].endswith(SLOGAN) for row in rows),
        "accepted": sum(row["outcome"] == outcome_words("accepted", "en") for row in rows),
    }


def run_of(shown: str) -> str:
    """The id of the run that a command made."""
    return Path(json.loads(shown)["folder"]).name


def timed(folder: Path, seconds: dict[str, float]) -> Call:
    """`aigc` in a process of its own, as a user calls it."""

    def aigc(*command: str) -> str:
        began_s = time.monotonic()
        print(f"$ aigc {' '.join(command)}", file=sys.stderr)
        done = subprocess.run([sys.executable, "-m", "aigc", *command], cwd=folder, stdout=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode not in (0, 3):  # 3: not all was accepted, or nothing shown to be better
            raise SystemExit(f"aigc {command[0]} ended with {done.returncode}")
        name = " ".join(command[:2]) if command[0] == "review" else command[0]
        seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - began_s, 1)
        return done.stdout

    return aigc


def show(result: Result) -> None:
    print(f"{result.model}")
    print(f"  first night, the editor   {told(result.first_night)}")
    print(f"  made again, the editor    {told(result.after_redo)}")
    print(f"  to learn from             {result.examples} examples, {result.pairs} pairs")
    for name, (before, after, items) in result.shifts.items():
        print(f"  held out, {name:<16}{before:.3f} → {after:.3f} of {items}")
    print(f"  called                    {result.call}, after {result.steps} steps")
    for name in ("approved as written", "ends with the slogan", "accepted"):
        print(f"  {name:<26}{result.before[name]} → {result.after[name]} of {result.after['texts']} new")
    print(f"  second night, the editor  {told(result.second_night)}")
    print(f"  exported                  {result.exported}")
    print(f"  seconds                   {told(result.seconds)}; {sum(result.seconds.values()):.0f} in all")
    print(result.calibration)


def told(counts: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main()
