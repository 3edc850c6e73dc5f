"""How far editors agree beyond what chance would bring.

Measured on what each editor first decided on a record: those who see that they differ and then settle it did not agree.
A final word has no part in it: it is said of texts on which others differ, to settle them.
Kappa is of verbs, approve, edit and reject: two who edit differently agree that the text needs it, not on its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

from aigc.records import Value
from aigc.review.decisions import Decision
from aigc.review.standing import wish_of

FEWEST_TEXTS = 20
"""With fewer in common kappa is off by more than a step of the scale: its standard error is 0.18 with 20, where four of
five are agreed on and every second by chance."""
_SCALE = ((0.20, "slight"), (0.40, "fair"), (0.60, "moderate"), (0.80, "substantial"), (1.0, "almost perfect"))
"""Up to which kappa agreement is called what: Landis and Koch, Biometrics 33, 1977."""


class _Said(NamedTuple):
    """What an editor first said of a record: the verb, and what is wanted published."""

    verb: str
    wish: bytes


class Agreement(Value, frozen=True):
    """Of `editors`, on the records that they decided in common: the share on which they gave one verb, and its kappa.

    `same` is the share on which they wanted the same published: no two different edits. `kappa` is None
    where it is not defined: all gave one and the same verb, or there is no record.
    """

    method: Literal["cohen", "fleiss"]
    editors: list[str]
    records: int
    agreed: float
    kappa: float | None
    same: float = 0.0

    @property
    def is_on_scale(self) -> bool:
        """Whether kappa says something that the scale has a word for."""
        return self.records >= FEWEST_TEXTS and self.kappa is not None and round(self.kappa, 2) > 0

    @property
    def strength(self) -> str:
        """What kappa says, in words."""
        if self.kappa is None:
            return "all said the same"
        if self.records < FEWEST_TEXTS:
            return "too few texts to say"
        kappa = round(self.kappa, 2)
        if kappa <= 0:
            return "worse than chance" if kappa < 0 else "no better than chance"
        return next((word for limit, word in _SCALE if kappa <= limit), _SCALE[-1][1])


def agreements(decisions: Iterable[Decision]) -> list[Agreement]:
    """Cohen's kappa of every two editors who decided on the same records; Fleiss' of all, where they are more."""
    ratings: dict[str, dict[str, _Said]] = {}
    for decision in sorted((one for one in decisions if not one.final), key=lambda decision: decision.at):
        ratings.setdefault(decision.record_id, {}).setdefault(decision.editor, _Said(decision.verb, wish_of(decision)))
    shared = [by_editor for by_editor in ratings.values() if len(by_editor) > 1]
    editors = sorted({editor for by_editor in shared for editor in by_editor})
    found = [_of_two(one, other, shared) for one, other in combinations(editors, 2)]
    found = [agreement for agreement in found if agreement.records]
    if len(editors) > 2:
        counts = [Counter(said.verb for said in by_editor.values()) for by_editor in shared]
        wishes = [Counter(said.wish for said in by_editor.values()) for by_editor in shared]
        agreed, same = (sum(map(_agreeing_pairs, each)) / len(each) for each in (counts, wishes))
        found.append(Agreement(method="fleiss", editors=editors, records=len(counts), agreed=agreed,
                               kappa=fleiss_kappa(counts), same=same))
    return found


def cohen_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa of two raters (Educational and Psychological Measurement 20, 1960), of what each said of each."""
    if not pairs:
        return None
    agreed = sum(one == other for one, other in pairs) / len(pairs)
    first, second = (Counter(said) for said in zip(*pairs, strict=True))
    by_chance = sum(first[verb] * second[verb] for verb in first) / len(pairs) ** 2
    return None if by_chance == 1 else (agreed - by_chance) / (1 - by_chance)


def fleiss_kappa(counts: Sequence[Mapping[str, int]]) -> float | None:
    """Fleiss' kappa (Psychological Bulletin 76, 1971), of how many raters said what of each subject.

    Subjects may have different numbers of raters, each at least two: shares take the place of counts, as in Gwet's
    Handbook of Inter-Rater Reliability. With equal numbers that is Fleiss' own formula.
    """
    if not counts:
        return None
    agreed = sum(map(_agreeing_pairs, counts)) / len(counts)
    shares: Counter[str] = Counter()
    for subject in counts:
        raters = sum(subject.values())
        for verb, count in subject.items():
            shares[verb] += count / raters  # type: ignore[assignment]
    by_chance = sum((share / len(counts)) ** 2 for share in shares.values())
    return None if abs(1 - by_chance) < 1e-12 else (agreed - by_chance) / (1 - by_chance)


def _agreeing_pairs(subject: Mapping[Any, int]) -> float:
    """Of all pairs of raters of a subject the share that agrees."""
    raters = sum(subject.values())
    return sum(count * (count - 1) for count in subject.values()) / (raters * (raters - 1))


def _of_two(one: str, other: str, ratings: Sequence[Mapping[str, _Said]]) -> Agreement:
    pairs = [(by_editor[one], by_editor[other]) for by_editor in ratings if one in by_editor and other in by_editor]
    verbs = [(first.verb, second.verb) for first, second in pairs]
    agreed = sum(first == second for first, second in verbs) / len(pairs) if pairs else 0.0
    same = sum(first.wish == second.wish for first, second in pairs) / len(pairs) if pairs else 0.0
    return Agreement(method="cohen", editors=[one, other], records=len(pairs), agreed=agreed, kappa=cohen_kappa(verbs),
                     same=same)
