"""What is learned is what is used: the tokens of a lesson are those that the engine asks and the model answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine import tiny
from msgspec.structs import replace

from aigc.engine.chat import ChatEncoder
from aigc.engine.loader import load_tokenizer
from aigc.engine.tuning.likelihood import BATCH_TOKENS, likelihoods
from aigc.engine.tuning.tokens import LessonEncoder
from aigc.engine.tuning.values import Lesson, Tokens
from aigc.models import ModelRef
from aigc.records import Fault, Message, Prompt
from aigc.settings import EngineSettings

CPU = EngineSettings(device="cpu", dtype="float32", slots=4)
TURNS = [Message(role="system", content="Be kind."), Message(role="user", content="Where?"),
         Message(role="assistant", content="Here."), Message(role="user", content="Sure?")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return tiny.saved(tmp_path_factory.mktemp("model"))


def lesson(answer: str = "Quite.", prompt: list[Message] | None = None) -> Lesson:
    return Lesson(name="one", group="a", prompt=TURNS if prompt is None else prompt, answer=answer)


def test_a_prompt_is_cut_as_the_engine_cuts_it_and_the_answer_ends_as_a_turn_does(model: ModelRef) -> None:
    tokenizer = load_tokenizer(model.folder(), CPU)
    found = LessonEncoder(model.folder(), CPU).encode(lesson(), 512)
    assert isinstance(found, Tokens)
    prompt = tiny.prompt("one")
    asked = Prompt(request_id="one", messages=TURNS, sampling=prompt.sampling, seed=0)
    assert found.prompt == ChatEncoder(tokenizer).encode(asked, 512)
    whole = tokenizer.decode([*found.prompt, *found.answer], skip_special_tokens=False,
                             clean_up_tokenization_spaces=False)
    assert whole == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\nHere."
        "<|im_end|>\n<|im_start|>user\nSure?<|im_end|>\n<|im_start|>assistant\nQuite.<|im_end|>"
    )


def test_the_end_of_a_turn_is_the_templates_and_not_the_end_of_all_texts(tmp_path: Path) -> None:
    tiny.model("Llama").save_pretrained(tmp_path)
    tokenizer = tiny.tokenizer()
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(tmp_path)
    found = LessonEncoder(tmp_path, CPU).encode(lesson(), 512)
    assert isinstance(found, Tokens)
    assert found.answer[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_model_without_a_template_learns_the_plain_layout(tmp_path: Path) -> None:
    tiny.saved(tmp_path, chat=False)
    found = LessonEncoder(tmp_path, CPU).encode(lesson(prompt=TURNS[1:2]), 512)
    assert isinstance(found, Tokens)
    text = tiny.tokenizer(chat=False).decode([*found.prompt, *found.answer])
    assert text == "Where?\n\nAnswer:\nQuite.<|im_end|>"


@pytest.mark.parametrize(("taught", "most", "code"), [
    (lesson("Well.<|im_end|>\n<|im_start|>user\nBye"), 512, "special_token"),
    (lesson(prompt=[Message(role="user", content="<|im_start|>system")]), 512, "special_token"),
    (lesson("word " * 200), 512, "too_long"),
    (lesson(prompt=[Message(role="user", content="word " * 200)]), 512, "prompt_too_long"),
    (lesson(prompt=[Message(role="user", content=" ")]), 512, "empty_prompt"),
])
def test_what_cannot_be_learned_is_told_by_why(taught: Lesson, most: int, code: str, model: ModelRef) -> None:
    found = LessonEncoder(model.folder(), CPU).encode(taught, most)
    assert isinstance(found, Fault)
    assert found.code == code


def test_likelihood_is_what_the_engine_says_of_its_own_text(tmp_path: Path) -> None:
    """Two ways to one number: the engine's, token by token over its cache, and one pass over prompt and answer."""
    ref = tiny.saved_plain(tmp_path)
    prompts = {name: tiny.prompt(name, text=f"Write about {name}.", max_new_tokens=12, min_new_tokens=12)
               for name in ("sea", "sand", "a longer thing")}  # of the 40 likeliest: no control token is among them
    engine = tiny.engine(ref)
    made = list(engine.generate(iter(replace(prompt, logprob=True) for prompt in prompts.values())))
    engine.close()
    encoder = LessonEncoder(tmp_path, CPU)
    taught = {}
    for completion in made:
        tokens = encoder.encode(Lesson(name=completion.request_id, group="", answer=completion.text,
                                       prompt=prompts[completion.request_id].messages), 512)
        assert isinstance(tokens, Tokens)
        assert len(tokens.answer) == completion.tokens_out + 1, "cut at its limit, so without an end"
        taught[completion.request_id] = replace(tokens, answer=tokens.answer[:-1])
    found = likelihoods(tmp_path, CPU, taught)
    for completion in made:
        assert found[completion.request_id].logprob == pytest.approx(completion.logprob, abs=1e-3)
        assert found[completion.request_id].tokens == completion.tokens_out


def test_a_likelihood_does_not_depend_on_what_is_measured_beside_it(model: ModelRef) -> None:
    lessons = {f"{length}": Tokens(prompt=[5] * length, answer=[7, 8, 9, 2]) for length in (3, 40, 200, 300, 301, 302)}
    assert sum(map(int, lessons)) > BATCH_TOKENS
    together = likelihoods(model.folder(), CPU, lessons)
    for name, one in lessons.items():
        alone = likelihoods(model.folder(), CPU, {name: one})[name]
        assert together[name].logprob == pytest.approx(alone.logprob, abs=1e-4)
        assert together[name].loss == pytest.approx(-alone.logprob / 4, abs=1e-4)
