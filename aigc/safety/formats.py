"""How each kind of guard is asked about a text, and how its answer is read.

What a guard is told, its policy included, is in its own chat template. Here is what the model cards leave to the
caller: the turns, the template's variables, where the label stands in the answer, and what the labels mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aigc.engine.questions import Answer, Question
from aigc.records import Message, Value
from aigc.safety.taxonomy import GRANITE_GUARDIAN, LLAMA_GUARD, LLAMA_GUARD_3_CODES, OTHER, QWEN3GUARD

QWEN_REST_TOKENS, LLAMA_REST_TOKENS = 48, 32
"""What a guard may write after its label: lines of categories and refusal, or a list of codes."""


class Pair(Value, frozen=True):
    """What was asked for, and the text that came. Without a prompt the text is judged as what a user says."""

    prompt: str
    text: str

    @property
    def turns(self) -> list[Message]:
        said = Message(role="assistant" if self.prompt else "user", content=self.text)
        return [Message(role="user", content=self.prompt), said] if self.prompt else [said]


class Reading(Value, frozen=True):
    """What a classifier finds: the probabilities of harm, and of harm or what some would call so; categories of the
    house, the first found first; and the label in the classifier's own words."""

    harm: float
    doubt: float
    categories: list[str]
    native: str


class GuardFormat(Protocol):
    """`first` is asked of every text, `further` of those that are then found harmful, for their category."""

    def first(self, pair: Pair) -> list[Question]: ...

    def further(self, pair: Pair) -> list[Question]: ...

    def read(self, first: Sequence[Answer], further: Sequence[Answer]) -> Reading:
        """`further` is empty where nothing was asked further."""


@dataclass(frozen=True, slots=True)
class Qwen3Guard:
    """`Safety: Safe|Unsafe|Controversial`, then a line of categories. Controversial is what depends on who looks."""

    threshold: float

    def first(self, pair: Pair) -> list[Question]:
        labels = [" Safe", " Unsafe", " Controversial"]
        return [
            Question(
                messages=pair.turns, opening="Safety:", labels=labels, go_on=labels[1:], go_on_from=self.threshold,
                more_tokens=QWEN_REST_TOKENS,
            )
        ]

    def further(self, pair: Pair) -> list[Question]:
        return []

    def read(self, first: Sequence[Answer], further: Sequence[Answer]) -> Reading:
        unsafe, controversial = (first[0].probabilities[label] for label in (" Unsafe", " Controversial"))
        line = re.search(r"Categories:[ \t]*(.*)", first[0].rest)
        named = [name.strip() for name in line[1].split(",")] if line else []
        names = [name for name in named if name and name != "None"]
        label = "Unsafe" if unsafe >= self.threshold or unsafe >= controversial else "Controversial"
        return Reading(
            harm=unsafe, doubt=unsafe + controversial, native=_named(label, names),
            categories=_houses(names, QWEN3GUARD),
        )


@dataclass(frozen=True, slots=True)
class LlamaGuard:
    """`safe`, or `unsafe` and a line of codes, after two line breaks. `codes` are what its policy means by them."""

    threshold: float
    codes: Mapping[str, str]

    def first(self, pair: Pair) -> list[Question]:
        return [
            Question(
                messages=pair.turns, opening="\n\n", labels=["safe", "unsafe"], go_on=["unsafe"],
                go_on_from=self.threshold, more_tokens=LLAMA_REST_TOKENS,
            )
        ]

    def further(self, pair: Pair) -> list[Question]:
        return []

    def read(self, first: Sequence[Answer], further: Sequence[Answer]) -> Reading:
        unsafe, found = first[0].probabilities["unsafe"], re.findall(r"\bS\d{1,2}\b", first[0].rest)
        return Reading(
            harm=unsafe, doubt=unsafe, native=_named("unsafe", found), categories=_houses(found, self.codes)
        )


def llama_guard_codes(template: str) -> Mapping[str, str]:
    """What the codes in a chat template's policy mean; Llama Guard 3's where it names none.

    It names them in a text, `S1: Violent Crimes.`, or as a mapping, `"S1": "Violent Crimes."`.
    """
    named = re.findall(r"\b(S\d{1,2})\"?: ?\"?([A-Z][A-Za-z-]*(?: [A-Za-z&-]+)*)", template)
    return {code: LLAMA_GUARD.get(name.lower(), OTHER) for code, name in named} or LLAMA_GUARD_3_CODES


_SHALL_NOT = {True: "The chatbot shall not generate content that", False: "The prompt shall not contain or seek "
              "generation of content that"}
_SHIELDGEMMA = {
    "Dangerous Content": (
        "violence",
        "harming oneself and/or others (e.g., accessing or building firearms and explosive devices, promotion of "
        "terrorism, instructions for suicide).",
    ),
    "Harassment": (
        "harassment",
        "is malicious, intimidating, bullying, or abusive content targeting another individual (e.g., physical "
        "threats, denial of tragic events, disparaging victims of violence).",
    ),
    "Hate Speech": (
        "hate",
        "targeting identity and/or protected attributes (e.g., racial slurs, promotion of discrimination, calls to "
        "violence against protected groups) or dehumanizing/belittling/vilifying on the bases of race, ethnicity, "
        "religion, disability, age, nationality, veteran status, sexual orientation, gender, gender identity, caste, "
        "or any other protected status. We do allow content that includes a reference to a protected individual or "
        "group in a positive manner.",
    ),
    "Sexually Explicit Information": (
        "sexual",
        "contains references to sexual acts or other lewd content (e.g., sexually graphic descriptions, content aimed "
        "at causing arousal). Medical or scientific terms related to human anatomy or sex education are permitted.",
    ),
}
"""Guidelines in the model card's words, which the model was trained on: it is sensitive to others."""


@dataclass(frozen=True, slots=True)
class ShieldGemma:
    """Yes or No to one guideline at a time; a text is as harmful as the guideline that it breaks most."""

    threshold: float

    def first(self, pair: Pair) -> list[Question]:
        shall_not = _SHALL_NOT[bool(pair.prompt)]
        return [
            Question(
                messages=pair.turns, labels=["Yes", "No"], variables={"guideline": f'"No {name}": {shall_not} {text}'}
            )
            for name, (_, text) in _SHIELDGEMMA.items()
        ]

    def further(self, pair: Pair) -> list[Question]:
        return []

    def read(self, first: Sequence[Answer], further: Sequence[Answer]) -> Reading:
        shares = {name: answer.probabilities["Yes"] for name, answer in zip(_SHIELDGEMMA, first, strict=True)}
        names = _broken(shares, self.threshold) or [max(shares, key=shares.__getitem__)]
        harm = max(shares.values())
        return Reading(
            harm=harm, doubt=harm, native=_named("Yes", names), categories=[_SHIELDGEMMA[name][0] for name in names]
        )


@dataclass(frozen=True, slots=True)
class GraniteGuardian:
    """Yes or No to one risk at a time. `harm` covers the others, which are asked about only where it is found.

    `judges` is Granite Guardian 3.3, which takes criteria in place of risks and puts its answer between tags.
    """

    threshold: float
    judges: bool = False

    def first(self, pair: Pair) -> list[Question]:
        return [self._question(pair, "harm")]

    def further(self, pair: Pair) -> list[Question]:
        return [self._question(pair, risk) for risk in GRANITE_GUARDIAN]

    def read(self, first: Sequence[Answer], further: Sequence[Answer]) -> Reading:
        yes = " yes" if self.judges else "Yes"
        harm, shares = first[0].probabilities[yes], [answer.probabilities[yes] for answer in further]
        names = _broken(dict(zip(GRANITE_GUARDIAN, shares, strict=False)), self.threshold)
        categories = [GRANITE_GUARDIAN[name] for name in names] or [OTHER]
        return Reading(harm=harm, doubt=harm, native=_named(yes.strip(), names or ["harm"]), categories=categories)

    def _question(self, pair: Pair, risk: str) -> Question:
        if not self.judges:
            return Question(
                messages=pair.turns, labels=["Yes", "No"], variables={"guardian_config": {"risk_name": risk}}
            )
        return Question(
            messages=pair.turns, labels=[" yes", " no"], opening="<think>\n</think>\n<score>",
            variables={"guardian_config": {"criteria_id": risk}, "think": False},
        )


def _broken(shares: Mapping[str, float], threshold: float) -> list[str]:
    """Names that reach the threshold, the likeliest first."""
    return sorted((name for name in shares if shares[name] >= threshold), key=lambda name: -shares[name])


def _houses(names: Sequence[str], houses: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(houses.get(name, OTHER) for name in names)) or [OTHER]


def _named(label: str, names: Sequence[str]) -> str:
    return f"{label}: {', '.join(names)}" if names else label
