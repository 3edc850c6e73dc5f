"""A conversation with a model: its turns, what of them fits the model's context, what is kept and where it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from aigc.batch_filters import find_filter_models, open_batch_filters
from aigc.chat_guard import Gate, Guard, sound, withheld
from aigc.disk import disk_errors, json_bytes, write_atomically
from aigc.engine import Engine
from aigc.engine.speaking import open_speaker
from aigc.errors import UsageError, nearest, shown, writable
from aigc.hashing import digest, seed_of
from aigc.job import templates_folder
from aigc.models import ModelRef
from aigc.packs import Pack, Packs, load_packs
from aigc.policy import Budget, budget
from aigc.prompts import render
from aigc.provenance import new_record_id, now
from aigc.records import Brief, Completion, Fault, Limits, Message, Prompt, Sampling, Source, Value, Verdict
from aigc.settings import JudgeSettings, Settings
from aigc.settings_ranges import check_sampling
from aigc.start import find_model
from aigc.watermark import open_mark, refuse_certainty

ASKED = "Question: "
STOPS = ["\nQuestion:", "\nAnswer:"]
"""How turns are told apart for a model without a chat template, and where its answer ends: it would go on with both."""


class Turn(Value, frozen=True):
    user: str
    answer: str


class Reply(Value, frozen=True):
    """What came of a question. Only an answer that is kept belongs to the conversation.

    `notes` are what filters have to say of it; `withheld_by` is why it is not shown, `fault` why there is none.
    """

    text: str = ""
    notes: list[Verdict] = []
    withheld_by: Verdict | None = None
    fault: Fault | None = None
    left_out: int = 0
    """Turns that are left out of what the model reads from this question on, which the last one still had."""
    is_stopped: bool = False

    @property
    def is_kept(self) -> bool:
        return bool(self.text) and not self.withheld_by


class Transcript(Value, frozen=True):
    """A line of a saved file: a dialogue that `aigc dataset --dialogues` reads."""

    id: str
    messages: list[Message]
    model: str
    created_at: str


class ChatOrder(Value, frozen=True):
    """What a person asked for. `system` is a text that takes the place of the type's."""

    content_type: str = ""
    system: str | None = None
    unguarded: bool = False


@dataclass
class Conversation:
    """Turns that were had. `left_out` of them, the oldest, do not fit the model's context any more."""

    system: str = ""
    turns: list[Turn] = field(default_factory=list)
    left_out: int = 0
    id: str = field(default_factory=new_record_id)
    created_at: str = field(default_factory=now)

    def messages(self, question: str = "", *, left_out: int = 0, asked: str = "") -> list[Message]:
        """All turns but the oldest, and a question after them; `asked` is put before what the user says."""
        pairs = [(turn.user, turn.answer) for turn in self.turns[left_out:]]
        found = [Message(role="system", content=self.system)] if self.system else []
        for user, answer in pairs:
            found += [Message(role="user", content=asked + user), Message(role="assistant", content=answer)]
        return [*found, Message(role="user", content=asked + question)] if question else found


class Chat:
    """One conversation. `show` is given an answer as it comes; `wants_more` says whether it is to go on."""

    def __init__(
        self, settings: Settings, model: ModelRef, sampling: Sampling, guard: Guard, *, guarded: bool, system: str = "",
        show: Callable[[str], None] = lambda _: None, wants_more: Callable[[], bool] = lambda: True,
    ) -> None:
        self.conversation, self.model = Conversation(system), model
        self._settings, self._sampling, self._guard, self._guarded = settings, sampling, guard, guarded
        self._show, self._wants_more = show, wants_more
        self._engine: Engine | None = None
        self._is_plain = settings.engine.name == "local" and not model.chat_template
        self._budget: Budget = budget(settings.policy, None)
        self._gate: Gate | None = None
        self._question, self._asked, self._tokens = "", 0, 0

    def answers_with(self, engine: Engine) -> None:
        self._engine = engine

    def hear(self, text: str) -> bool:
        """What the engine says so far; returns whether it is to go on."""
        waits = self._guarded and self._guard.waits
        return self._wants_more() and (self._gate is None or waits or self._gate.hear(text))

    def ask(self, question: str) -> Reply:
        """Ask, and keep question and answer where the answer is shown.

        Raises:
            AigcError: the engine cannot go on.
        """
        self._question = question
        if problem := self._guard.forbidden(question):
            return Reply(withheld_by=problem)
        if why := self._budget.why_not(self._tokens):
            return Reply(fault=Fault(code="token_budget", found=why, expected="tokens left to answer with",
                                     remedy="Raise policy.budget_tokens, or begin another chat."))
        self._gate = Gate(self._show, self._why_not(question))
        completion, left_out = self._completion(question)
        self._tokens += completion.tokens_out
        return self._reply(question, completion, left_out, self._gate)

    def retry(self) -> Reply | None:
        """The last question again, with another answer; the one before stays where none comes. None without one."""
        if not self._question:
            return None
        turns, before = self.conversation.turns, None
        if turns and turns[-1].user == self._question:
            before = turns.pop()
        try:
            reply = self.ask(self._question)
        except BaseException:
            turns.extend([before] if before else [])
            raise
        if not reply.is_kept and before:
            turns.append(before)
        return reply

    def undo(self) -> Turn | None:
        """Take the last question and its answer back."""
        turns = self.conversation.turns
        undone = turns.pop() if turns else None
        self._question = turns[-1].user if turns else ""
        self.conversation.left_out = min(self.conversation.left_out, len(turns))
        return undone

    def reset(self) -> None:
        """Begin another conversation under the same system message."""
        self.conversation, self._question = Conversation(self.conversation.system), ""

    def save(self, path: Path) -> int:
        """Write the conversation into a file of dialogues, a line each; returns how many it now has.

        The line of the same conversation is replaced, others stay.

        Raises:
            UsageError: there is nothing to save, or the file holds something else.
            StoreError: it cannot be written.
        """
        if not self.conversation.turns:
            raise UsageError("/save", "no turn", "a question and its answer", "Ask something first.")
        own = Transcript(id=self.conversation.id, messages=self.conversation.messages(), model=self.model.ref,
                         created_at=self.conversation.created_at)
        lines = [line for line in _lines_of(path) if _id_of(line, path) != own.id] + [json_bytes(own)]
        with disk_errors(path, "nothing was changed"):
            write_atomically(path, lambda file: file.write(b"".join(line + b"\n" for line in lines)))
        return len(lines)

    def _why_not(self, question: str) -> Callable[[str], Verdict | None] | None:
        """What may be shown of an answer as it comes. The policy is nobody's to set aside."""
        if not self._guarded:
            return self._guard.forbidden if self._guard.forbids else None
        asked = self.conversation.messages(question)
        return lambda text: self._guard.so_far(text, asked)

    def _completion(self, question: str) -> tuple[Completion, int]:
        """The engine's answer, and how many more of the oldest turns were left out until all fitted its context."""
        conversation, before = self.conversation, self.conversation.left_out
        self._asked += 1
        while True:
            completion = self._generated(question)
            is_long = completion.fault is not None and completion.fault.code == "prompt_too_long"
            if not is_long or conversation.left_out >= len(conversation.turns):
                break
            conversation.left_out += 1
        if is_long:
            conversation.left_out = before
        return completion, conversation.left_out - before

    def _generated(self, question: str) -> Completion:
        if self._engine is None:
            raise ValueError("the chat has no engine")
        asked = ASKED if self._is_plain else ""
        messages = self.conversation.messages(question, left_out=self.conversation.left_out, asked=asked)
        sampling = replace(self._sampling, stop=[*self._sampling.stop, *STOPS]) if self._is_plain else self._sampling
        seed = seed_of(self._settings.run.seed, "chat", self._asked)
        identity = [[(one.role, one.content) for one in messages], self.model.digest, sampling.identity, str(seed)]
        prompt = Prompt(request_id=digest(identity), messages=messages, sampling=sampling, seed=seed)
        [completion] = self._engine.generate(iter([prompt]))
        return completion

    def _reply(self, question: str, completion: Completion, left_out: int, gate: Gate) -> Reply:
        text = sound(completion.text)
        is_stopped = not self._wants_more()
        if gate.stopped_by:
            return Reply(withheld_by=gate.stopped_by, left_out=left_out)
        if completion.fault or not text:
            return Reply(fault=completion.fault or (None if is_stopped else _EMPTY), left_out=left_out,
                         is_stopped=is_stopped)
        asked = self.conversation.messages(question)
        notes = self._guard.whole(completion, asked)
        policy = [note for note in notes if note.filter == "policy"]
        if problem := withheld(notes if self._guarded else policy):
            return Reply(withheld_by=problem, left_out=left_out, is_stopped=is_stopped)
        gate.finish(completion.text.rstrip())
        if not self.conversation.turns:
            self.conversation.created_at = now()
        self.conversation.turns.append(Turn(user=question, answer=text))
        return Reply(text=text, notes=notes, left_out=left_out, is_stopped=is_stopped)


@contextmanager
def open_chat(
    settings: Settings,
    order: ChatOrder,
    show: Callable[[str], None],
    wants_more: Callable[[], bool],
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Chat]:
    """A chat with the model of the settings, which is loaded. Leaving the block releases it.

    Raises:
        AigcError: of what cannot be opened.
    """
    packs = load_packs(templates_folder(settings.run.templates)) if order.content_type else None
    pack = _pack(packs, order.content_type) if packs else None
    _check_policy(settings, order.content_type)
    mark = open_mark(settings.watermark, settings.engine.name)
    name = order.content_type
    sampling = settings.sampling_for(name, pack.type.sampling) if pack else settings.sampling.over(Sampling())
    sampling = replace(sampling, watermark=mark.ref) if mark else sampling
    check_sampling(sampling, f"settings of {name or 'a chat'}")
    refuse_certainty(sampling, f"settings of {name or 'a chat'}")
    model = find_model(settings, [], say)
    system = order.system if order.system is not None else _system_of(packs, pack)
    with ExitStack() as opened:
        filters = []
        if settings.safety.model or settings.safety.required:
            found = find_filter_models(settings.safety, JudgeSettings(), settings.engine, {}, (), say)
            filters = open_batch_filters(settings.safety, settings.engine, model, found, {})
            for item in filters:
                opened.callback(item.close)
        chat = Chat(settings, model, sampling, Guard(settings, pack, filters), guarded=not order.unguarded,
                    system=system, show=show, wants_more=wants_more)
        engine = open_speaker(settings.engine, model, chat.hear, mark)
        opened.callback(engine.close)
        chat.answers_with(engine)
        yield chat


def _pack(packs: Packs, name: str) -> Pack:
    if name not in packs:
        raise UsageError("--type", shown(name), f"one of {', '.join(packs)}", f"Correct it.{nearest(name, [*packs])}")
    if packs[name].type.output.format == "dialogue":
        raise UsageError("--type", f"{name}, which is of two personas that speak with each other",
                         "a type whose system message is for one that answers", "Take another, or --system FILE.")
    return packs[name]


def _check_policy(settings: Settings, name: str) -> None:
    allowed = settings.policy.content_types
    if allowed and name not in allowed:
        expected = f"one of {', '.join(allowed)}, which policy.content_types allows"
        raise UsageError("--type", shown(name) if name else "no type", expected, "Name one of them.")


def _system_of(packs: Packs | None, pack: Pack | None) -> str:
    """The system message of a type, as it is for a brief that says nothing."""
    if packs is None or pack is None:
        return ""
    brief = Brief(row=0, id="chat", content_type=pack.type.name, language=pack.type.languages[0], fields={},
                  limits=Limits(), source=Source(file="chat", line=1))
    first = render(brief, packs, describe_form=False)[0]
    return first.content if first.role == "system" else ""


def _lines_of(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    with disk_errors(path, "nothing was changed"):
        return [line for line in path.read_bytes().split(b"\n") if line.strip()]


class _Known(msgspec.Struct):
    messages: list[msgspec.Raw]
    id: str | int | None = None


def _id_of(line: bytes, path: Path) -> str | int | None:
    """The id of a line of dialogues; a file of anything else is not written over."""
    try:
        return msgspec.json.decode(line, type=_Known).id
    except msgspec.DecodeError as exc:
        raise UsageError("/save", f"{writable(path)}, which holds something else than dialogues", "a new file, or "
                         "one of dialogues", "Give another name.") from exc


_EMPTY = Fault(code="empty", found="an answer without text", expected="some text", remedy="/retry, or ask otherwise.")
