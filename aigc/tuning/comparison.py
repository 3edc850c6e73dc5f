"""Before and after, brief by brief, and whether the difference can be chance.

A model is called better only where what it was taught is seen in held-out briefs by more than chance would bring (the
loss of their answers has fallen; of a model that learned from pairs, their better answers lead by more), and nothing
else that was measured is worse, not even a little. Chance is told by a permutation test: were there no difference, each
brief's could as well have the other sign (Fisher, The Design of Experiments, 1935, section 21).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Literal, TypeAlias

from aigc.engine.tuning.values import Method
from aigc.records import Value

SURE = 0.05
"""How often chance alone may bring what is taken for a difference."""
ALL_SIGNS = 14
"""With up to so many briefs all signs are tried, else `DRAWS` of them."""
DRAWS = 20_000
Call: TypeAlias = Literal["better", "worse", "not_shown"]
Name: TypeAlias = Literal["loss", "accepted", "preferred", "lead"]
AIMS: dict[Method, Name] = {"sft": "loss", "dpo": "lead"}
"""What each method teaches, as it is measured on what was held out."""
MEANING: dict[Name, str] = {
    "loss": "loss of held-out answers",
    "accepted": "held-out texts that the filters accept",
    "preferred": "pairs whose better answer is the likelier",
    "lead": "lead of a pair's better answer, for each token",
}


class Measured(Value, frozen=True):
    """What was measured of one model on one held-out item, in the group of its brief."""

    group: str
    value: float


class Shift(Value, frozen=True):
    """One measure before and after: means over items. `briefs` differ by chance alone with the probabilities named."""

    name: Name
    before: float
    after: float
    items: int
    briefs: int
    chance_better: float
    """How often chance alone makes the model look better by as much, or by more."""
    chance_worse: float

    @property
    def gained(self) -> float:
        """How much better; below zero, how much worse."""
        return self.before - self.after if self.name == "loss" else self.after - self.before


class Finding(Value, frozen=True):
    """What the measures amount to, and why, in words."""

    call: Call
    why: list[str]


def shift(name: Name, before: Sequence[Measured], after: Sequence[Measured]) -> Shift | None:
    """One measure of both models on the same items; None where there are none."""
    if not before:
        return None
    differences: defaultdict[str, list[float]] = defaultdict(list)
    sign = -1 if name == "loss" else 1
    for old, new in zip(before, after, strict=True):
        differences[old.group].append(sign * (new.value - old.value))
    gains = [sum(own) / len(own) for own in differences.values()]
    return Shift(
        name=name, before=_mean(before), after=_mean(after), items=len(before), briefs=len(gains),
        chance_better=chance(gains), chance_worse=chance([-gain for gain in gains]),
    )


def chance(gains: Sequence[float]) -> float:
    """How often random signs give a sum as large as that of `gains`: 1 where nothing was gained."""
    moved = [gain for gain in gains if gain]
    found = sum(moved)
    if found <= 0:
        return 1.0
    enough = found * (1 - 1e-12)  # sums of the same numbers in another order differ in the last bit
    if len(moved) <= ALL_SIGNS:
        sums = [sum(sign * gain for sign, gain in zip(signs, moved, strict=True))
                for signs in product((1, -1), repeat=len(moved))]
        return sum(one >= enough for one in sums) / len(sums)
    drawn = random.Random(0)
    reached = sum(
        sum(gain if drawn.getrandbits(1) else -gain for gain in moved) >= enough for _ in range(DRAWS)
    )
    return (reached + 1) / (DRAWS + 1)


def finding(shifts: Iterable[Shift], of: Name = "loss") -> Finding:
    """Whether the tuned model is better, by all that was measured; `of` is what it was taught."""
    measured: Mapping[Name, Shift] = {one.name: one for one in shifts}
    if of not in measured:
        missing = "answer" if of == "loss" else "pair"
        return Finding(call="not_shown", why=[f"no held-out {missing}, so nothing was measured"])
    worse = [one for one in measured.values() if one.chance_worse < SURE]
    if worse:
        return Finding(call="worse", why=[f"{told(one)}, which is no chance" for one in worse])
    why = [f"{told(one)}, which may be chance, and is not better" for one in measured.values() if one.gained < 0]
    aim = measured[of]
    if aim.chance_better >= SURE:
        few = " (with so few briefs it always may: make data with a larger --held-out)" \
            if 0.5 ** aim.briefs >= SURE else ""
        why.append(f"{told(aim)}, which chance brings {aim.chance_better:.0%} of the time{few}")
    return Finding(call="not_shown", why=why) if why else Finding(
        call="better", why=[f"{told(aim)}, which chance brings less than {SURE:.0%} of the time"])


def told(one: Shift) -> str:
    """`loss of held-out answers 2.310 → 1.740 (6 briefs)`, `held-out texts that the filters accept 5 → 8 of 9 (…)`."""
    briefs = f"({one.briefs:,} {'brief' if one.briefs == 1 else 'briefs'})"
    return f"{MEANING[one.name]} {figures(one)} {briefs}"


def figures(one: Shift) -> str:
    """Before and after: a loss or a lead as it is, what is counted as counts."""
    if one.name in ("loss", "lead"):
        return f"{one.before:.3f} → {one.after:.3f}"
    return f"{round(one.before * one.items):,} → {round(one.after * one.items):,} of {one.items:,}"


def _mean(items: Sequence[Measured]) -> float:
    return sum(item.value for item in items) / len(items)
