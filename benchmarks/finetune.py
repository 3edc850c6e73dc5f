"""A rule of style learned from approved texts: every one of them ends with a slogan, and so are new ones to.

    python benchmarks/finetune.py [--json] [--model smollm2-135m-instruct] [--learn 70] [--new 24] [--full] [--keep DIR]

All of it goes through the commands that a user has: a run writes notes on products; an editor takes the first sentence
of each and ends it with the slogan, and the decisions are imported; `aigc dataset` and `aigc finetune` make an adapter,
or with --full a whole model. Then notes on products that nobody has seen are written, by the model as it was and by
what it became. Told at the end:

    ends with the slogan    of the new products' notes, before and after
    loss, accepted, pairs   what `aigc finetune` measured on its own held-out briefs, and what it called the result
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from aigc.past import open_past
from aigc.review.reviewable import reviewables

SLOGAN = "Made to last a lifetime."
THINGS = ("kettle", "lamp", "stool", "basket", "ladder", "mirror", "pillow", "teapot", "wallet", "zipper", "anchor",
          "bucket", "candle", "drawer", "easel", "funnel", "gate", "hammer", "iron", "jacket")
STUFFS = ("oak", "steel", "brass", "linen", "clay", "cork", "leather", "glass")
PACK = {
    "template.toml": 'title = "Note"\nlanguages = ["en"]\n[fields.product]\nrequired = true\n[fields.stuff]\n'
                     'required = true\n[output]\nformat = "text"\n[sampling]\nmax_new_tokens = 48\n',
    "system.j2": "You write product notes.\n",
    "user.j2": "Write one sentence about a {{ product }} made of {{ stuff }}.\n",
}
SETTINGS = '[filters.near_duplicate]\naction = "off"\n[filters.cut_off]\naction = "flag"\n'


@dataclass
class Result:
    """Shares are of texts; losses are of an answer's token."""

    model: str
    full: bool = False
    learned_from: int = 0
    new_texts: int = 0
    slogan_before: float = 0.0
    slogan_after: float = 0.0
    steps: int = 0
    training_s: float = 0.0
    training_peak_mb: int = 0
    all_s: float = 0.0
    loss_first: float = 0.0
    loss_last: float = 0.0
    call: str = ""
    shifts: dict[str, list[float]] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--learn", type=int, default=70, help="products whose notes an editor approves")
    parser.add_argument("--new", type=int, default=24, help="products that nobody has seen")
    parser.add_argument("--full", action="store_true", help="train all weights, and not an adapter")
    parser.add_argument("--keep", type=Path, help="folder to work in, and to leave")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        result = learn(given.keep or Path(temporary), given.model, given.learn, given.new, full=given.full)
    show(result)
    if given.json:
        print(json.dumps(asdict(result)))


def learn(folder: Path, model: str, learned: int, new: int, *, full: bool) -> Result:
    began_s = time.monotonic()
    lay_out(folder)
    products = [(thing, stuff) for stuff in STUFFS for thing in THINGS]
    write_sheet(folder / "known.csv", products[:learned])
    write_sheet(folder / "new.csv", products[-new:])
    result = Result(model=model, full=full)
    run = made(folder, "run", "known.csv", "--model", model)
    result.learned_from = review(folder, run)
    data = json.loads(aigc(folder, "dataset", run.name, "--reviewed-only", "--json"))["folder"]
    training_s = time.monotonic()
    whole = ("--full",) if full else ()
    tuned = json.loads(aigc(folder, "finetune", data, "--base", model, *whole, "--json", ok=(0, 3)))
    result.training_s = time.monotonic() - training_s
    result.training_peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024  # of the largest till now
    before = made(folder, "run", "new.csv", "--model", model)
    after = made(folder, "run", "new.csv", *(
        ("--model", tuned["folder"]) if full else ("--model", model, "--adapter", tuned["folder"])))
    result.slogan_before, result.slogan_after = share(before), share(after)
    result.new_texts = len([*reviewables(after)])
    losses = [point["train"] for point in tuned["trained"]["points"] if point["train"] is not None]
    tenth = max(1, len(losses) // 10)
    result.loss_first, result.loss_last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
    result.steps, result.call = tuned["trained"]["steps"], tuned["finding"]["call"]
    result.shifts = {one["name"]: [one["before"], one["after"], one["items"]] for one in tuned["shifts"]}
    result.all_s = time.monotonic() - began_s
    return result


def lay_out(folder: Path) -> None:
    pack = folder / "templates" / "note"
    pack.mkdir(parents=True)
    for name, text in PACK.items():
        (pack / name).write_text(text)
    (folder / "aigc.toml").write_text(SETTINGS)


def write_sheet(path: Path, products: list[tuple[str, str]]) -> None:
    rows = [f"{stuff}-{thing},note,{thing},{stuff}" for thing, stuff in products]
    path.write_text("\n".join(["id,content_type,product,stuff", *rows]) + "\n")


def review(folder: Path, run: Path) -> int:
    """An editor takes each note's first sentence, ends it with the slogan, and sends the decisions back."""
    past = open_past(run)
    lines = [{"aigc_review": 1, "run_id": past.run.run_id, "editor": "Ana"}]
    for row in reviewables(run):
        first = re.match(r".+?[.!?](?=\s|$)", row.text.strip(), re.S)
        if first:
            lines.append({
                "record_id": row.record.record_id, "run_id": past.run.run_id, "action": "edit", "editor": "Ana",
                "at": "2026-11-28T12:00:00.000+00:00", "base": row.base, "reason": "tone_wrong",
                "text": f"{first[0].strip()} {SLOGAN}",
            })
    file = folder / "decisions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return int(json.loads(aigc(folder, "review", "import", run.name, file.name, "--json"))["taken"])


def share(run: Path) -> float:
    """Share of a run's texts that end with the slogan."""
    texts = [row.text.strip() for row in reviewables(run)]
    return sum(text.endswith(SLOGAN) for text in texts) / len(texts)


def made(folder: Path, *command: str) -> Path:
    """The folder of the run that a command made; some rows may not be accepted."""
    return folder / json.loads(aigc(folder, *command, "--json", ok=(0, 3)))["folder"]


def aigc(folder: Path, *command: str, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run([sys.executable, "-m", "aigc", *command], cwd=folder, stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode not in ok:
        raise SystemExit(f"aigc {command[0]} ended with {done.returncode}")
    return done.stdout.strip().splitlines()[-1]


def show(result: Result) -> None:
    print(f"{result.model}: {result.learned_from} edited notes to learn from, {result.steps} steps")
    print(f"  loss of a training step   {result.loss_first:.2f} → {result.loss_last:.2f} (first and last tenth)")
    for name, (before, after, items) in result.shifts.items():
        print(f"  held out, {name:<16}{before:.3f} → {after:.3f} of {items}")
    print(f"  called                    {result.call}")
    shares = f"{result.slogan_before:.0%} → {result.slogan_after:.0%}"
    print(f"  end with the slogan       {shares} of {result.new_texts} new")
    print(f"  time                      {result.training_s:.0f} s for the tuning, {result.all_s:.0f} s in all")
    print(f"  memory                    {result.training_peak_mb:,} MB at most, the tuning and what came before it")


if __name__ == "__main__":
    main()
