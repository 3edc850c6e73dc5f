"""The watermark: how much text it takes to find it, how often it is found where it is not, and what it costs.

    python benchmarks/watermark.py [--json] [--limits free top_p shipped] [--parts texts speed alike]

The default model writes essays and letters, each under one of three sets of limits, with the mark and without, from
the same seeds. `detected` is the share of marked texts of so many tokens in which the mark is found, by who has the
text alone and by who has its record. `false_alarms` are texts without a mark under 10,000 keys, none twice; their
p-values must be below x no more often than x. `speed_ratio` is tokens a second with the mark over those without, the
two taking turns. Distinct n-grams and log-probabilities tell whether the texts are others in kind; `alike` is how much
variants of one prompt share, and would share if all had one salt.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from aigc.engine.tokens import open_tokenizer
from aigc.models import ModelRef, resolve
from aigc.records import Completion, Message, Prompt, Sampling
from aigc.settings import DEFAULT_MODEL, EngineSettings
from aigc.watermark import Mark, examine, level_of, pooled, salt_of
from aigc.watermark.scheme import SALTS

MARK = Mark(b"benchmark secret", 4)
LENGTHS = (50, 100, 200, 400)
RATES = (1e-2, 1e-6)
LIMITS: dict[str, dict[str, float]] = {
    "free": {"temperature": 1.0},
    "top_p": {"temperature": 0.7, "top_p": 0.95},
    "shipped": {"temperature": 0.4, "top_p": 0.9, "top_k": 50, "repetition_penalty": 1.07},
}
"""`free` is where the goals are set; `shipped` is what most content types of the package have."""
WORK = ("Write an essay about {}.", "Write a letter to a friend about {}.", "Tell a story about {}.",
        "Explain {} to a child.")
SUBJECTS = ("a day at the sea", "how bread is made", "an old clock", "the history of tea", "a garden in winter",
            "why birds sing", "a night train", "the first snow", "learning to swim", "a lost key", "street markets",
            "the light of lamps", "a long walk", "mending things", "the sound of rain")
FORM = json.dumps({
    "type": "object", "required": ["title", "body"], "additionalProperties": False,
    "properties": {"title": {"type": "string", "minLength": 8, "maxLength": 60},
                   "body": {"type": "string", "minLength": 200, "maxLength": 400}},
})
Found = dict[str, Any]


def prompts(count: int, limits: dict[str, float], tokens: int, mark: str, *, variants: bool = False) -> list[Prompt]:
    """`variants` has few prompts with many seeds, else each is another."""
    made = []
    for at in range(count):
        which = at % 6 if variants else at
        text = WORK[which // 15 % 4].format(SUBJECTS[which % 15])
        sampling = Sampling(max_new_tokens=tokens, min_new_tokens=tokens, watermark=mark, **limits)  # type: ignore[arg-type]
        made.append(Prompt(request_id=str(at), messages=[Message(role="user", content=text)], sampling=sampling,
                           seed=(at + 1) * 0x9E3779B97F4A7C15 % 2**63, logprob=True))
    return made


class Bench:
    def __init__(self, args: argparse.Namespace) -> None:
        from aigc.engine.local import LocalEngine

        self.args = args
        self.ref: ModelRef = resolve(DEFAULT_MODEL, trust_remote_code=False, fetch=False)
        self.engine = LocalEngine(EngineSettings(device=args.device, slots=args.slots), self.ref, mark=MARK)
        self.cut = open_tokenizer(self.ref.folder(), EngineSettings(device=args.device))

    def make(self, asked: Sequence[Prompt]) -> tuple[list[Completion], float]:
        """Completions in the order of their prompts, and seconds."""
        began = time.perf_counter()
        made = {each.request_id: each for each in self.engine.generate(asked)}
        return [made[prompt.request_id] for prompt in asked], time.perf_counter() - began


def pairs(bench: Bench, limits: dict[str, float]) -> tuple[list[Completion], list[Completion], list[Prompt]]:
    """Marked and plain texts from the same seeds, and the prompts of the marked."""
    longest, asked = max(LENGTHS), list[Prompt]()
    made = list[list[Completion]]()
    for mark in (MARK.ref, ""):
        own = prompts(bench.args.texts, limits, longest, mark)
        asked = asked or own
        made.append(bench.make(own)[0])
    return made[0], made[1], asked


def detected(bench: Bench, texts: list[Completion], asked: list[Prompt]) -> Iterator[tuple[str, Found]]:
    """By length: shares found by the text alone and by its record, and what all records show together."""
    tokens = [bench.cut(each.text) for each in texts]
    for length in LENGTHS:
        known = [(own[:length], salt_of(prompt.seed)) for own, prompt in zip(tokens, asked, strict=True)]
        levels = (level_of(asked[0].sampling),)
        alone = [examine(own, MARK).p_value for own, _ in known]
        with_record = [examine(own, MARK, salt=salt, levels=levels).p_value for own, salt in known]
        shares = {f"{name}_{rate:g}": share(values, rate) for rate in RATES
                  for name, values in (("text", alone), ("record", with_record))}
        yield str(length), {**shares, "median_p": statistics.median(alone),
                            "ten_together_p": pooled(known[:10], MARK, levels).p_value}


def edited(bench: Bench, texts: list[Completion]) -> Found:
    """Shares found at 1e-6 of 200 tokens, words of other texts in the place of some, drawn by chance."""
    found, chance = {}, random.Random(5)
    others = [word for each in texts for word in each.text.split(" ")]
    for part in (0.1, 0.25, 0.5):
        values = []
        for each in texts:
            words = first_words(bench, each)
            mixed = [chance.choice(others) if chance.random() < part else word for word in words]
            values.append(examine(bench.cut(" ".join(mixed)), MARK).p_value)
        found[f"{part:g}"] = share(values, 1e-6)
    return found


def first_words(bench: Bench, made: Completion) -> list[str]:
    """The words of about the first 200 tokens."""
    words = made.text.split(" ")
    return words[: round(len(words) * 200 / max(200, len(bench.cut(made.text))))]


def share(values: Sequence[float], rate: float) -> float:
    return round(sum(value <= rate for value in values) / len(values), 4)


def false_alarms(bench: Bench, texts: list[Completion]) -> Found:
    """Plain texts in pieces of 100 tokens, each under as many keys as make the pairs; no key is used twice."""
    cut = [bench.cut(each.text) for each in texts]
    pieces = [own[at : at + 100] for own in cut for at in range(0, len(own) - 99, 100)]
    values = []
    for at in range(bench.args.pairs):
        key = Mark(at.to_bytes(16, "big"), MARK.context_tokens)
        values.append(examine(pieces[at % len(pieces)], key).p_value)
    shares = {f"{rate:g}": share(values, rate) for rate in (0.1, 0.01, 0.001, 1e-4, 1e-6)}
    return {"pairs": len(values), "pieces": len(pieces), "share_at": shares, "distance": round(distance(values), 4),
            "distance_at_one_percent": round(1.63 / math.sqrt(len(values)), 4), "least_p": min(values)}


def distance(values: Sequence[float]) -> float:
    """Of Kolmogorov and Smirnov, from the uniform distribution."""
    ordered, count = sorted(values), len(values)
    return max(max((at + 1) / count - value, value - at / count) for at, value in enumerate(ordered))


def quality(texts: list[Completion]) -> Found:
    words = [each.text.split() for each in texts]
    measures = {f"distinct_{n}": [distinct(own, n) for own in words] for n in (1, 2, 4)} | {"logprob": logprobs(texts)}
    means = {name: round(statistics.mean(values), 4) for name, values in measures.items()}
    errors = {f"{name}_error": round(statistics.stdev(values) / math.sqrt(len(values)), 4)
              for name, values in measures.items()}
    return means | errors


def distinct(words: list[str], n: int) -> float:
    grams = list(zip(*(words[at:] for at in range(n)), strict=False))
    return len(set(grams)) / max(1, len(grams))


def logprobs(texts: list[Completion]) -> list[float]:
    return [(each.logprob or 0.0) / max(1, each.tokens_out) for each in texts]


def alike(bench: Bench, limits: dict[str, float]) -> Found:
    """Share of a text's runs of 8 words that another variant of its prompt has too, as it is and under one salt.

    Of structured texts: their first tokens are the form's, and alike in all.
    """
    found = {}
    for name, mark, salts in (("plain", "", SALTS), ("marked", MARK.ref, SALTS), ("marked_one_salt", MARK.ref, 1)):
        asked = [replace(prompt, json_schema=FORM) for prompt in
                 prompts(bench.args.variants, limits, 120, mark, variants=True)]
        with patch("aigc.engine.marking.salt_of", lambda seed, salts=salts: seed % salts):
            made, _ = bench.make(asked)
        grams = [set(zip(*(each.text.split()[at:] for at in range(8)), strict=False)) for each in made]
        same = [pair for pair in combinations(range(len(made)), 2) if (pair[0] - pair[1]) % 6 == 0]
        found[name] = round(statistics.mean(len(grams[a] & grams[b]) / max(1, len(grams[a])) for a, b in same), 4)
    return found


def speed(bench: Bench, limits: dict[str, float]) -> Found:
    """Tokens with the mark over those without, in turns: by the processors' seconds, of which other work takes none,
    and by those of the clock."""
    rates: dict[str, list[tuple[float, float]]] = {"marked": [], "plain": []}
    asked = {"marked": prompts(bench.args.speed_rows, limits, 96, MARK.ref),
             "plain": prompts(bench.args.speed_rows, limits, 96, "")}
    bench.make(asked["plain"][:8])
    for turn in range(bench.args.rounds):
        for side in ("marked", "plain") if turn % 2 else ("plain", "marked"):
            cpu = time.process_time()
            made, wall_s = bench.make(asked[side])
            tokens = sum(each.tokens_out for each in made)
            rates[side].append((tokens / (time.process_time() - cpu), tokens / wall_s))
    ratios = [(one[0] / other[0], one[1] / other[1])
              for one, other in zip(rates["marked"], rates["plain"], strict=True)]
    by_cpu, by_clock = ([round(ratio[which], 3) for ratio in ratios] for which in (0, 1))
    return {"speed_ratio": round(statistics.median(by_cpu), 3),
            "speed_ratio_by_clock": round(statistics.median(by_clock), 3), "rounds": by_cpu,
            "rounds_by_clock": by_clock, "machine_load": round(os.getloadavg()[0], 1),
            "tokens_per_s": round(max(rate for _, rate in rates["plain"]))}


def table(title: str, rows: Found) -> None:
    print(f"\n{title}")
    for name, value in rows.items():
        print(f"  {name:<20} {json.dumps(value)}", flush=True)


def main() -> None:
    args = arguments()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: what the clock says stays readable
    bench, result = Bench(args), dict[str, Any]()
    plain_texts: list[Completion] = []
    parts: dict[str, Callable[[dict[str, float]], Found]] = {
        "speed": lambda limits: speed(bench, limits), "alike": lambda limits: alike(bench, limits),
    }
    for name in args.limits:
        limits = LIMITS[name]
        own: Found = {}
        if "texts" in args.parts:
            marked, plain, asked = pairs(bench, limits)
            plain_texts += plain
            own["detected"] = dict(detected(bench, marked, asked))
            own["edited"] = edited(bench, marked)
            own["retokenised"] = round(statistics.mean(
                len(bench.cut(each.text)) == each.tokens_out for each in marked), 4)
            own["quality"] = {"marked": quality(marked), "plain": quality(plain)}
        own |= {part: run(limits) for part, run in parts.items() if part in args.parts}
        for part, rows in own.items():
            table(f"{name}: {part}", rows if isinstance(rows, dict) else {part: rows})
        result[name] = own
    if plain_texts:
        result["false_alarms"] = false_alarms(bench, plain_texts)
        table("false alarms", result["false_alarms"])
    bench.engine.close()
    if args.json:
        print(json.dumps(result))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the watermark.")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    parser.add_argument("--parts", nargs="+", default=["texts", "speed", "alike"], choices=["texts", "speed", "alike"])
    parser.add_argument("--limits", nargs="+", default=["free"], choices=list(LIMITS))
    parser.add_argument("--texts", type=int, default=60, help="of each kind, of 400 tokens")
    parser.add_argument("--variants", type=int, default=48, help="texts of six prompts, for how alike they are")
    parser.add_argument("--pairs", type=int, default=10_000, help="of an unmarked text and a key")
    parser.add_argument("--rounds", type=int, default=5, help="of the speed, each side once in each")
    parser.add_argument("--speed-rows", type=int, default=48)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
