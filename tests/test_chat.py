"""A conversation: what the model reads of it, what guards it, what is kept, and what is shown when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aigc.chat import STOPS, Chat, ChatOrder, Turn, open_chat
from aigc.chat_guard import Gate, Guard, language_of
from aigc.engine.scripted import ScriptedEngine, fault
from aigc.errors import UsageError
from aigc.hashing import digest
from aigc.models import ModelRef
from aigc.records import Completion, Prompt, Sampling, Verdict
from aigc.settings_loading import load_settings
from aigc.settings_reading import Table
from aigc.training_data.dialogues import read_dialogues
from aigc.training_data.making import Order, make
from aigc.training_data.reading import open_training_data

MODEL = ModelRef(ref="scripted", digest=digest("scripted"))
ANSWERS = ["The ferry leaves at nine from the old quay.", "It costs four coins and takes an hour.",
           "Bring a coat, for the wind is cold out there.", "The last one is back before the evening bell."]
Script = Callable[[Prompt], str | Completion]


class Talked:
    """A chat with a script, what it was asked and what it showed."""

    def __init__(
        self, script: Script | None = None, *, guarded: bool = True, plain: bool = False, **tables: Table
    ) -> None:
        self.prompts: list[Prompt] = []
        self.shown = ""
        name: Table = {"name": "local"} if plain else {"name": "scripted"}
        settings = load_settings(None, {"engine": name, **tables}, {})
        self.chat = Chat(settings, MODEL, settings.sampling.over(Sampling()), Guard(settings, None), guarded=guarded,
                         system="Be kind.", show=self._show)
        self.chat.answers_with(ScriptedEngine(self._noted(script or self._next)))

    def _show(self, piece: str) -> None:
        self.shown += piece

    def _next(self, _: Prompt) -> str:
        return ANSWERS[(len(self.prompts) - 1) % len(ANSWERS)]

    def _noted(self, script: Script) -> Script:
        def noted(prompt: Prompt) -> str | Completion:
            self.prompts.append(prompt)
            return script(prompt)

        return noted

    @property
    def asked(self) -> list[tuple[str, str]]:
        """The messages of the newest prompt."""
        return [(message.role, message.content) for message in self.prompts[-1].messages]


# Turns


def test_the_model_reads_all_that_was_said() -> None:
    talked = Talked()
    assert talked.chat.ask("When is the ferry?").text == ANSWERS[0]
    talked.chat.ask("And the price?")
    assert talked.asked == [("system", "Be kind."), ("user", "When is the ferry?"), ("assistant", ANSWERS[0]),
                            ("user", "And the price?")]
    assert talked.shown == ANSWERS[0] + ANSWERS[1]
    assert len({prompt.seed for prompt in talked.prompts}) == 2


def test_the_same_script_has_the_same_requests_and_another_seed_has_others() -> None:
    def seeds(**run: object) -> list[str]:
        talked = Talked(run=dict(run))
        for question in ("When?", "How much?"):
            talked.chat.ask(question)
        return [prompt.request_id for prompt in talked.prompts]

    assert seeds() == seeds()
    assert not set(seeds()) & set(seeds(seed=7))


def test_retry_takes_the_place_of_the_last_answer() -> None:
    talked = Talked()
    talked.chat.ask("When?")
    before = talked.prompts[-1]
    reply = talked.chat.retry()
    assert reply
    assert talked.chat.conversation.turns == [Turn(user="When?", answer=ANSWERS[1])]
    assert talked.prompts[-1].messages == before.messages
    assert talked.prompts[-1].seed != before.seed


def test_a_retry_without_an_answer_leaves_the_one_before() -> None:
    left = iter(["The ferry leaves at nine.", fault("out_of_memory")])
    talked = Talked(lambda _: next(left))
    talked.chat.ask("When?")
    reply = talked.chat.retry()
    assert reply
    assert reply.fault
    assert [turn.answer for turn in talked.chat.conversation.turns] == ["The ferry leaves at nine."]


def test_undo_and_reset_take_back() -> None:
    talked = Talked()
    assert (talked.chat.undo(), talked.chat.retry()) == (None, None)
    talked.chat.ask("When?")
    talked.chat.ask("How much?")
    first = talked.chat.conversation.id
    assert talked.chat.undo() == Turn(user="How much?", answer=ANSWERS[1])
    talked.chat.retry()
    assert [turn.user for turn in talked.chat.conversation.turns] == ["When?"], "the question before is asked again"
    talked.chat.reset()
    talked.chat.ask("Who?")
    assert talked.asked == [("system", "Be kind."), ("user", "Who?")]
    assert talked.chat.conversation.id != first


def test_a_model_without_a_chat_template_is_given_plain_turns_and_ends_with_its_own() -> None:
    talked = Talked(plain=True)
    talked.chat.ask("When?")
    talked.chat.ask("How much?")
    assert talked.asked == [("system", "Be kind."), ("user", "Question: When?"), ("assistant", ANSWERS[0]),
                            ("user", "Question: How much?")]
    assert talked.prompts[-1].sampling.stop == STOPS
    assert talked.chat.conversation.turns[0].user == "When?"


# The context


def tight(most: int) -> Script:
    """A model whose context holds so many messages."""
    return lambda prompt: fault("prompt_too_long") if len(prompt.messages) > most else "The ferry leaves at nine."


def test_the_oldest_turns_are_left_out_whole_and_told_once() -> None:
    talked = Talked(tight(6))
    assert [talked.chat.ask(f"Question {number}?").left_out for number in range(5)] == [0, 0, 0, 1, 1]
    assert [content for _, content in talked.asked if content.startswith("Q")] == [
        "Question 2?", "Question 3?", "Question 4?"]
    assert talked.asked[0] == ("system", "Be kind.")
    assert len(talked.chat.conversation.turns) == 5, "what is left out is still saved"
    count = len(talked.prompts)
    talked.chat.undo()
    assert talked.chat.ask("Question 4?").left_out == 0
    assert len(talked.prompts) == count + 1, "what is known to be left out is not tried again"


def test_a_question_that_is_too_long_by_itself_is_told_and_leaves_nothing_out() -> None:
    talked = Talked(lambda prompt: fault("prompt_too_long") if "long" in prompt.messages[-1].content else "Nine.")
    talked.chat.ask("When?")
    reply = talked.chat.ask("A long one?")
    assert reply.fault
    assert (reply.fault.code, talked.chat.conversation.left_out) == ("prompt_too_long", 0)
    assert [turn.user for turn in talked.chat.conversation.turns] == ["When?"]


# What guards it


def test_what_the_policy_forbids_is_not_asked() -> None:
    talked = Talked(policy={"forbidden": ["casino"]})
    reply = talked.chat.ask("Which CASINOS are open?")
    assert reply.withheld_by
    assert reply.withheld_by.message == "policy.forbidden forbids 'casino'."
    assert (talked.prompts, talked.chat.conversation.turns) == ([], [])


@pytest.mark.parametrize("guarded", [True, False])
def test_what_the_policy_forbids_is_not_answered_whoever_asks(guarded: bool) -> None:
    talked = Talked(lambda _: "Try the casino by the old harbour.", guarded=guarded, policy={"forbidden": ["casino"]})
    reply = talked.chat.ask("Where to?")
    assert reply.withheld_by
    assert (reply.withheld_by.reason, talked.shown, talked.chat.conversation.turns) == ("forbidden_by_policy", "", [])


@pytest.mark.parametrize("action", ["hold", "reject"])
def test_an_answer_that_a_filter_withholds_is_neither_shown_nor_kept(action: str) -> None:
    filters: Table = {"forbidden_terms": {"action": action, "terms": ["ferry"]}}
    talked = Talked(filters=filters)
    reply = talked.chat.ask("When?")
    assert reply.withheld_by
    assert (reply.withheld_by.reason, reply.text, talked.shown) == ("forbidden_term", "", "")
    assert talked.chat.conversation.turns == []
    open_ = Talked(filters=filters, guarded=False)
    reply = open_.chat.ask("When?")
    assert (reply.text, open_.shown) == (ANSWERS[0], ANSWERS[0])
    assert [note.reason for note in reply.notes] == ["forbidden_term"]


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What is this?", "The ferry waits. " * 30, "repeated_tail"),
        ("What is this?", "Dear [Your Name], the ferry waits for you at the quay.", "placeholder"),
        ("这是什么东西？请告诉我。", "This is the ferry that waits for all of you at the old quay.", "wrong_language"),
        ("What is the harbour?", "这是一座古老的港口，渡船每天早上九点从这里出发。", "wrong_language"),
    ],
)
def test_what_else_a_filter_says_is_a_note_beside_the_answer(question: str, answer: str, reason: str) -> None:
    talked = Talked(lambda _: answer)
    reply = talked.chat.ask(question)
    assert reason in [note.reason for note in reply.notes]
    assert reply.is_kept


@pytest.mark.parametrize("question", ["Où est le port ?", "Hvor er havnen?", "ferry?"])
def test_an_answer_to_a_question_in_another_language_is_not_held_against_english_or_chinese(question: str) -> None:
    talked = Talked(lambda _: "Le port se trouve au bout de la rue, juste derrière la petite église blanche.")
    assert [note.filter for note in talked.chat.ask(question).notes] == []


@pytest.mark.parametrize(("text", "language"), [
    ("What is the harbour?", "en"), ("渡船几点开？", "zh"), ("iPhone 多少钱", "zh"), ("Où est le port", ""), ("", ""),
    ("42", ""),
])
def test_a_language_is_told_only_where_it_is_clear(text: str, language: str) -> None:
    assert language_of(text) == language


def test_a_budget_that_is_spent_answers_no_more() -> None:
    answer = Completion(request_id="", text="The ferry leaves at nine.", finish_reason="stop", tokens_out=60)
    talked = Talked(lambda _: answer, policy={"budget_tokens": 100})
    assert [reply.is_kept for reply in map(talked.chat.ask, ("When?", "Where?", "Why?"))] == [True, True, False]
    assert len(talked.prompts) == 2


def test_an_empty_answer_is_none() -> None:
    talked = Talked(lambda _: " \n")
    reply = talked.chat.ask("When?")
    assert reply.fault
    assert (reply.fault.code, talked.chat.conversation.turns) == ("empty", [])


# What is shown when


class Shown:
    """A gate, fed letter by letter."""

    def __init__(self, why_not: Callable[[str], Verdict | None] | None) -> None:
        self.text, self.steps = "", list[str]()
        self.gate = Gate(self._show, why_not)

    def _show(self, piece: str) -> None:
        self.text += piece
        self.steps.append(piece)

    def hear(self, text: str) -> bool:
        return all(self.gate.hear(text[: end + 1]) for end in range(len(text)))


def never(text: str) -> Verdict | None:
    if "black friday" in text or "+49" in text:
        return Verdict(filter="policy", action="reject", reason="forbidden_by_policy")
    return None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The ferry leaves now", "The ferry leaves "),
        ("Call +49 170 1234567 now. Or come", "Call "),
        ("It is 9 o'clock. Come", "It is 9 o'clock. "),
        ("Buy it on black friday or", "Buy it on black "),
        ("Write to a@b.example. Soon", "Write to a@b.example. "),
        ("渡船九点开，请早来", "渡船九点开，"),
        ("订票请打 4711。早来", "订票请打 4711。"),
    ],
)
def test_a_guarded_answer_is_shown_by_words_and_figures_by_sentences(text: str, shown: str) -> None:
    found = Shown(never)
    found.hear(text)
    assert found.text == shown


def test_an_unguarded_answer_is_shown_as_it_comes_and_all_of_it_at_the_end() -> None:
    found = Shown(None)
    assert found.hear("  The ferry")
    found.gate.finish("  The ferry leaves.")
    assert found.text == "The ferry leaves."
    assert len(found.steps) == len("The ferry") + 1


def test_what_a_guarded_answer_has_not_shown_comes_at_its_end_and_no_letter_twice() -> None:
    found = Shown(never)
    text = "The ferry leaves at 9 from quay 4"
    assert found.hear(text)
    found.gate.finish(text)
    assert found.text == text


def test_an_answer_that_must_not_be_shown_is_not_waited_for() -> None:
    found = Shown(never)
    assert not found.hear("Buy it on black friday or never.")
    assert found.gate.stopped_by


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    found = Shown(None)
    found.hear("The \x1b[2Jferry\x07")
    assert found.text == "The [2Jferry"


def test_an_answer_that_begins_again_is_shown_anew() -> None:
    found = Shown(None)
    found.gate.hear("The fer")
    found.gate.hear("A boat")
    assert found.text == "The fer\nA boat"


# Transcripts


def test_a_saved_conversation_is_a_dialogue_that_training_data_is_made_of(tmp_path: Path) -> None:
    talked, path = Talked(), tmp_path / "talks.jsonl"
    talked.chat.ask("When?")
    assert talked.chat.save(path) == 1
    talked.chat.ask("How much?")
    assert talked.chat.save(path) == 1, "the same conversation has one line"
    talked.chat.reset()
    talked.chat.ask("Who?")
    assert talked.chat.save(path) == 2
    read = read_dialogues(path)
    assert read.bad == []
    assert [[message.content for message in dialogue.messages] for dialogue in read.dialogues] == [
        ["Be kind.", "When?", ANSWERS[0], "How much?", ANSWERS[1]], ["Be kind.", "Who?", ANSWERS[2]]]
    line = json.loads(path.read_text("utf-8").splitlines()[0])
    assert [*line] == ["id", "messages", "model", "created_at"]
    assert line["model"] == "scripted"
    data = open_training_data(make(Order(runs=[], dialogues=[path], out=tmp_path / "data", held_out=0)).folder)
    assert [(one.by, one.messages[-1].content) for one in data.examples("train")] == [
        ("user", ANSWERS[1]), ("user", ANSWERS[2])]


@pytest.mark.parametrize("held", [b"a,b\n1,2\n", b'{"text": "mine"}\n', b"\xff\xfe"])
def test_a_file_of_something_else_is_not_written_over(tmp_path: Path, held: bytes) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(held)
    talked = Talked()
    talked.chat.ask("When?")
    with pytest.raises(UsageError, match="something else than dialogues"):
        talked.chat.save(path)
    assert path.read_bytes() == held


def test_nothing_is_saved_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no turn"):
        Talked().chat.save(tmp_path / "a.jsonl")


# What is opened


def opened(order: ChatOrder, **tables: Table) -> str:
    settings = load_settings(None, {"engine": {"name": "scripted"}, **tables}, {})
    with open_chat(settings, order, lambda _: None, lambda: True) as chat:
        chat.ask("Hello, is the ferry late today?")
        return chat.conversation.system


def test_a_type_gives_its_system_message_and_a_file_takes_its_place() -> None:
    assert opened(ChatOrder(content_type="service_reply")).startswith("You answer customers for a company.")
    assert opened(ChatOrder(content_type="service_reply", system="Be brief.")) == "Be brief."
    assert opened(ChatOrder()) == ""


@pytest.mark.parametrize(
    ("order", "policy", "message"),
    [
        (ChatOrder(content_type="service_replay"), {}, "Did you mean 'service_reply'"),
        (ChatOrder(content_type="dialogue"), {}, "of two personas"),
        (ChatOrder(), {"content_types": ["service_reply"]}, "found no type; expected one of service_reply"),
        (ChatOrder(content_type="ad_copy"), {"content_types": ["service_reply"]}, "found 'ad_copy'"),
    ],
)
def test_what_cannot_be_opened_is_told(order: ChatOrder, policy: Table, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(order, policy=policy)


def test_a_types_own_forbidden_terms_hold() -> None:
    settings = load_settings(None, {"engine": {"name": "scripted"},
                                    "types": {"service_reply": {"policy": {"forbidden": ["refund"]}}}}, {})
    order = ChatOrder(content_type="service_reply")
    with open_chat(settings, order, lambda _: None, lambda: True) as chat:
        reply = chat.ask("May I have a refund?")
    assert reply.withheld_by
    assert reply.withheld_by.message == "types.service_reply.policy.forbidden forbids 'refund'."


def test_a_classifier_that_is_required_and_not_there_withholds_every_answer() -> None:
    settings = load_settings(None, {"engine": {"name": "scripted"}, "safety": {"required": True}}, {})
    shown = list[str]()
    with open_chat(settings, ChatOrder(), shown.append, lambda: True) as chat:
        reply = chat.ask("Hello, is the ferry late today?")
    assert reply.withheld_by
    assert (reply.withheld_by.filter, shown) == ("safety", [])
