"""Runs whose texts share a long formula: what marking near-duplicates in them costs, and what it misses.

    python benchmarks/filters_formula.py                  # 10,000 texts of each kind: ten minutes
    python benchmarks/filters_formula.py --texts 2000

Each run has 2% of texts that are others' with a part of their own words changed; counted as copies are those of them
that are like theirs by more than the limit. Times are of the processor, and ratios to the run without a formula.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec
from filters_duplicates import LIMIT, synthetic

from aigc.duplicates import Duplicates, Text, Thresholds, is_compared_in_part
from aigc.duplicates.texts import alike
from aigc.records import Attempt, Completion, Content, FieldValue, Record, Sampling, Source

Figures = dict[str, object]
KINDS = {"none": 0.0, "a third": 0.33, "half": 0.5, "three fifths": 0.6, "four fifths, the brief's": 0.8,
         "variants": 0.6}
"""Share of a text's words that is the formula's. In the last all are of one brief."""
WORDS, PLANTED, MOST_CHANGED = 200, 50, 0.4
TEXTS = 10_000


@dataclass
class Kept:
    """Records as a run keeps them: encoded, and read again one by one."""

    lines: list[bytes]
    read: int = 0

    def __getitem__(self, at: int) -> Record:
        self.read += 1
        return msgspec.json.decode(self.lines[at], type=Record)

    def __iter__(self) -> Iterator[Record]:
        return (msgspec.json.decode(line, type=Record) for line in self.lines)


def measure(texts: int) -> Figures:
    figures: Figures = {}
    plain_s = 0.0
    for kind, share in KINDS.items():
        records, copies = _records(kind, share, texts)
        kept = Kept([msgspec.json.encode(record) for record in records])
        began_s = time.process_time()
        marked, partly = list[str](), 0
        for record in Duplicates(Thresholds()).in_run(kept):
            marked += [record.brief_id] if _is_flagged(record) else []
            partly += is_compared_in_part(record)
        took_s = time.process_time() - began_s
        plain_s = plain_s or took_s
        figures[kind] = {
            "ms_a_text": round(took_s / texts * 1e3, 2), "times_none": round(took_s / plain_s, 1),
            "records_read_a_text": round(kept.read / texts, 2), "copies_found": len(copies & {*marked}),
            "copies": len(copies), "others_marked": len({*marked} - copies), "compared_in_part": partly,
        }
    return figures


def _is_flagged(record: Record) -> bool:
    return any(verdict.reason == "near_duplicate" for verdict in record.verdicts)


def _records(kind: str, share: float, texts: int) -> tuple[list[Record], set[str]]:
    rng = random.Random(3)
    own_words = round(WORDS * (1 - share))
    formula = " ".join(next(synthetic(1_000, seed=7)).split()[: WORDS - own_words])
    own = [" ".join(text.split()[:own_words]) for text in islice(synthetic(texts, seed=5), texts)]
    planted = set(rng.sample(range(texts // 2, texts), texts // PLANTED)) if kind != "variants" else set()
    fields: dict[str, FieldValue] = {"terms": formula} if "brief's" in kind else {}
    copies = set[str]()
    for at in planted:
        source, changed = own[rng.randrange(texts // 2)], rng.random() * MOST_CHANGED
        own[at] = " ".join(rng.choice(own).split()[0] if rng.random() < changed else word for word in source.split())
        one, other = (Text.of(f"{text} {formula}", fields) for text in (own[at], source))
        copies |= {f"b{at}"} if alike(one, other) > LIMIT else set()
    return [_record(at, "b" if kind == "variants" else f"b{at}", f"{text} {formula}", fields)
            for at, text in enumerate(own)], copies


def _record(at: int, brief_id: str, text: str, fields: dict[str, FieldValue]) -> Record:
    completion = Completion(request_id="sha256:r", text=text, finish_reason="stop", tokens_in=0, tokens_out=0,
                            generate_s=0.0, content=Content(text=text))
    attempt = Attempt(number=0, request_id="sha256:r", seed=0, sampling=Sampling(), completion=completion, verdicts=[],
                      created_at="2026-11-28T00:00:00Z", engine="sha256:e")
    return Record(
        row=at + 1, brief_id=brief_id, variant=at, content_type="ad_copy", language="en", outcome="accepted",
        source=Source(file="inputs/briefs.csv", line=at + 2), fingerprint="sha256:f", template_digest="sha256:t",
        brief={"product": "bread", **fields}, attempts=[attempt], chosen=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=TEXTS, help="texts of each run")
    print(json.dumps(measure(parser.parse_args().texts), indent=2))


if __name__ == "__main__":
    main()
