"""Materials and dialogues to examples and pairs: each in the split of its brief, and none twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from aigc.asking import brief_of
from aigc.duplicates import Neighbours
from aigc.hashing import digest
from aigc.records import Message
from aigc.training_data.dialogues import DialogueFile
from aigc.training_data.materials import Material, Refused
from aigc.training_data.splits import grouped, split
from aigc.training_data.values import SPLITS, Example, HeldOut, Kind, Pair, Split

ALIKE = 0.95
"""Answers of one type that share more than this of their shingles are one answer: two of them teach no more than one,
and in two splits they would let a model be tested on what it has learned by heart."""


@dataclass
class Built:
    """All rows by split, in the order of their sources."""

    examples: dict[Split, list[Example]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    pairs: dict[Split, list[Pair]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    held_out: list[HeldOut] = field(default_factory=list)
    groups: Counter[Split] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)


def build(materials: Sequence[Material], files: Sequence[DialogueFile], held_out: float) -> Built:
    """Examples, pairs and held-out briefs. What an editor decided goes before what only filters let pass."""
    group_of = grouped([*(material.keys for material in materials),
                        *(dialogue.keys for file in files for dialogue in file.dialogues)])
    split_of = split({*group_of.values()}, held_out)
    built = Built(groups=Counter(split_of.values()))
    of_runs = [_example(material, group_of[material.keys[0]]) for material in materials if material.answer]
    of_files = [
        Example(messages=dialogue.messages, by="user", source=f"{file.name}:{dialogue.line}",
                group=group_of[dialogue.keys[0]], language=dialogue.language)
        for file in files for dialogue in file.dialogues
    ]
    kept = _distinct([*of_runs, *of_files])
    built.left_out["duplicate"] += len(of_runs) + len(of_files) - len(kept)
    for example in kept:
        built.examples[split_of[example.group]].append(example)
    for pair in _pairs(materials, group_of):
        built.pairs[split_of[pair.group]].append(pair)
    built.held_out = _held_out(materials, group_of, split_of)
    return built


def _example(material: Material, group: str) -> Example:
    record = material.record
    return Example(
        messages=[*material.prompt.messages, Message(role="assistant", content=material.answer)],
        by=material.by, source=record.record_id, group=group, run_id=material.run_id, brief_id=record.brief_id,
        content_type=record.content_type, language=record.language, edited=bool(material.original),
    )


def _distinct(examples: Sequence[Example]) -> list[Example]:
    """Without those that are like one before them, editors' first; in their own order."""
    seen: defaultdict[str, Neighbours[int]] = defaultdict(Neighbours)
    same: set[str] = set()
    kept: list[int] = []
    for at in sorted(range(len(examples)), key=lambda at: examples[at].by != "editor"):
        example = examples[at]
        # A short reply is right in a hundred dialogues: of these only the whole one is a double.
        said = example.messages if example.by == "user" else example.messages[-1:]
        name = digest([_squeezed(message.content) for message in said])
        others, answer = seen[example.content_type], example.messages[-1].content
        is_alike = example.by != "user" and others.nearest(answer, over=ALIKE) is not None
        if name in same or is_alike:
            continue
        same.add(name)
        kept.append(at)
        if example.by != "user":
            others.add(at, answer)
    return [examples[at] for at in sorted(kept)]


def _squeezed(text: str) -> str:
    return "".join(text.casefold().split())


def _pairs(materials: Iterable[Material], group_of: Mapping[str, str]) -> list[Pair]:
    """Each edit over its original; each refused text under one that stands, of the same record where there is one."""
    by_prompt: defaultdict[str, list[Material]] = defaultdict(list)
    for material in materials:
        by_prompt[digest(material.prompt.messages)].append(material)
    found: dict[str, Pair] = {}
    for same in by_prompt.values():
        for pair in _of_one_prompt(same, group_of):
            found.setdefault(digest([pair.prompt, pair.chosen, pair.rejected]), pair)
    return [*found.values()]


def _of_one_prompt(materials: Sequence[Material], group_of: Mapping[str, str]) -> Iterator[Pair]:
    good = [material for material in materials if material.answer]
    for material in good:
        if material.original and _squeezed(material.original) != _squeezed(material.answer):
            worse = Refused(text=material.original, by="editor", reasons=material.reasons)
            yield _pair("edited_over_original", material, worse, material, group_of)
    if not good:
        return
    takes_turns, stands = cycle(good), {_squeezed(material.answer) for material in good}
    for material in materials:
        for refused in material.refused:
            if _squeezed(refused.text) in stands:  # refused in one run, and let pass in another
                continue
            better = material if material.answer else next(takes_turns)
            yield _pair("accepted_over_rejected", better, refused, material, group_of)


def _pair(kind: Kind, better: Material, refused: Refused, worse: Material, group_of: Mapping[str, str]) -> Pair:
    record = better.record
    return Pair(
        prompt=better.prompt.messages,
        chosen=[Message(role="assistant", content=better.answer)],
        rejected=[Message(role="assistant", content=refused.text)],
        kind=kind, by=refused.by, reasons=refused.reasons,
        source=record.record_id, rejected_source=worse.record.record_id, group=group_of[better.keys[0]],
        run_id=better.run_id, brief_id=record.brief_id, content_type=record.content_type, language=record.language,
    )


def _held_out(
    materials: Iterable[Material], group_of: Mapping[str, str], split_of: Mapping[str, Split]
) -> list[HeldOut]:
    """The prompts of the briefs in test, each once."""
    found: dict[str, HeldOut] = {}
    for material in materials:
        group = group_of[material.keys[0]]
        if split_of[group] == "test":
            held = HeldOut(source=material.record.record_id, group=group, run_id=material.run_id,
                           brief=brief_of(material.record), prompt=material.prompt)
            found.setdefault(digest(material.prompt.messages), held)
    return [*found.values()]
