"""Classifiers that answer by rule, in a guard's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aigc.engine.questions import Answer, Question, Scores
from aigc.errors import EngineError
from aigc.filters import Case
from aigc.records import Brief, Completion, Content, Fault, Limits, Message, Source

FAULT = Fault(code="too_long", found="a question of 9,999 tokens", expected="at most 8,192", remedy="Read it.")


def a_case(text: str, *, prompt: str = "Write an ad.", language: str = "en") -> Case:
    brief = Brief(
        row=1, id="b1", content_type="ad_copy", language=language, fields={}, limits=Limits(),
        source=Source(file="briefs.csv", line=2),
    )
    completion = Completion(request_id="r", text=text, finish_reason="stop", content=Content(text=text))
    messages = [Message(role="system", content="You write."), Message(role="user", content=prompt)] if prompt else []
    return Case(brief=brief, completion=completion, messages=messages)


class Guard:
    """Answers with `script(question)`: the share of each label, and what it goes on with."""

    def __init__(self, script: Callable[[Question], tuple[Mapping[str, float], str] | Fault]) -> None:
        self._script = script
        self.asked: list[list[Question]] = []
        self.closed = False

    def ask(self, questions: Sequence[Question]) -> list[Answer | Fault]:
        self.asked.append(list(questions))
        return [self._answer(question) for question in questions]

    def close(self) -> None:
        self.closed = True

    def _answer(self, question: Question) -> Answer | Fault:
        given = self._script(question)
        if isinstance(given, Fault):
            return given
        shares, rest = given
        left = (1 - sum(shares.values())) / max(1, len(question.labels) - len(shares))
        probabilities = {label: shares.get(label, left) for label in question.labels}
        reached = sum(probabilities[label] for label in question.go_on) >= question.go_on_from
        return Answer(probabilities=probabilities, rest=rest if question.go_on and reached else "")


class Broken:
    """Fails as an engine does."""

    def ask(self, questions: Sequence[Question]) -> list[Answer | Fault]:
        raise EngineError("model guard", "ZeroDivisionError as texts were judged", "a step", "Take another.")

    def score(self, texts: Sequence[str]) -> list[list[Scores] | Fault]:
        raise EngineError("model head", "ZeroDivisionError as texts were scored", "a step", "Take another.")

    def close(self) -> None:
        pass


class Head:
    """Scores by `script(text)`: one or several pieces' shares."""

    def __init__(self, script: Callable[[str], list[Mapping[str, float]] | Fault], *, exclusive: bool = True) -> None:
        self._script, self._exclusive = script, exclusive

    def score(self, texts: Sequence[str]) -> list[list[Scores] | Fault]:
        return [self._scores(text) for text in texts]

    def close(self) -> None:
        pass

    def _scores(self, text: str) -> list[Scores] | Fault:
        given = self._script(text)
        if isinstance(given, Fault):
            return given
        return [Scores(probabilities=dict(shares), exclusive=self._exclusive) for shares in given]
