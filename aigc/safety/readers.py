"""What reads texts for harm: a guard that writes its label, or a model with a classification head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aigc.engine.questions import Answer, Classifier, Question, Scorer, Scores
from aigc.errors import ModelError
from aigc.records import Fault
from aigc.safety.formats import GuardFormat, Pair, Reading
from aigc.safety.taxonomy import HEAD_LABELS, OTHER, SAFE_LABELS, plain


class Reader(Protocol):
    def read(self, pairs: Sequence[Pair]) -> list[Reading | Fault]:
        """What is found in each text, in their order; one that cannot be read fails alone.

        Raises:
            AigcError: nothing can be read any more.
        """

    def close(self) -> None:
        """Release the model's memory."""


class GuardReader:
    """Asks a causal guard about each text, and further about those that it finds harmful."""

    def __init__(self, form: GuardFormat, classifier: Classifier, threshold: float) -> None:
        self._form, self._classifier, self._threshold = form, classifier, threshold

    def read(self, pairs: Sequence[Pair]) -> list[Reading | Fault]:
        firsts = self._asked([self._form.first(pair) for pair in pairs])
        further = self._asked([
            self._form.further(pair) if not isinstance(answers, Fault) and self._is_harmful(answers) else []
            for pair, answers in zip(pairs, firsts, strict=True)
        ])
        return [self._reading(first, more) for first, more in zip(firsts, further, strict=True)]

    def close(self) -> None:
        self._classifier.close()

    def _is_harmful(self, answers: list[Answer]) -> bool:
        return self._form.read(answers, []).harm >= self._threshold

    def _reading(self, first: list[Answer] | Fault, more: list[Answer] | Fault) -> Reading | Fault:
        if isinstance(first, Fault):
            return first
        # That the text is harmful is known also where its category cannot be asked for.
        return self._form.read(first, [] if isinstance(more, Fault) else more)

    def _asked(self, groups: Sequence[list[Question]]) -> list[list[Answer] | Fault]:
        """Answers to each group of questions; the fault of one is the group's."""
        answers = iter(self._classifier.ask([question for group in groups for question in group]))
        found: list[list[Answer] | Fault] = []
        for group in groups:
            own = [next(answers) for _ in group]
            fault = next((answer for answer in own if isinstance(answer, Fault)), None)
            found.append(fault or [answer for answer in own if isinstance(answer, Answer)])
        return found


class HeadReader:
    """Scores each text by itself: classification heads know no prompt."""

    def __init__(self, scorer: Scorer, threshold: float) -> None:
        self._scorer, self._threshold = scorer, threshold

    def read(self, pairs: Sequence[Pair]) -> list[Reading | Fault]:
        scored = self._scorer.score([pair.text for pair in pairs])
        return [own if isinstance(own, Fault) else self._worst(own) for own in scored]

    def close(self) -> None:
        self._scorer.close()

    def _worst(self, pieces: list[Scores]) -> Reading:
        return max((self._reading(piece) for piece in pieces), key=lambda reading: reading.harm)

    def _reading(self, scores: Scores) -> Reading:
        harms = harmful_labels(list(scores.probabilities))
        shares = {label: scores.probabilities[label] for label in harms}
        harm = sum(shares.values()) if scores.exclusive else max(shares.values())
        likeliest = max(shares, key=shares.__getitem__)
        names = [label for label in sorted(shares, key=lambda label: -shares[label])
                 if label == likeliest or (not scores.exclusive and shares[label] >= self._threshold)]
        categories = list(dict.fromkeys(harms[label] for label in names))
        return Reading(harm=min(harm, 1.0), doubt=min(harm, 1.0), native=", ".join(names), categories=categories)


def harmful_labels(labels: Sequence[str]) -> dict[str, str]:
    """Labels of a classification head that name a harm, with the house's category for each.

    Raises:
        ModelError: no label says which of them are harm; a guess could pass what should not.
    """
    known = {label: HEAD_LABELS[plain(label)] for label in labels if plain(label) in HEAD_LABELS}
    others = [label for label in labels if label not in known and plain(label) not in SAFE_LABELS]
    if not known and (len(others) == len(labels) or not others):
        raise ModelError(
            "safety.model", f"labels that say nothing of harm ({', '.join(labels[:8]) or 'none named'})",
            "labels such as toxic and neutral in id2label of config.json",
            "Name them there, or take another model for [safety].",
        )
    return known | dict.fromkeys(others, OTHER)
