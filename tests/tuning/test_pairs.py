"""A tiny model learns to prefer the better answers of pairs, and is called better only where that is shown."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lessons_of_style import CPU, a_model, dialogues, pairs, unconnected
from msgspec.structs import replace

from aigc.engine.tuning.tokens import LessonEncoder
from aigc.engine.tuning.values import PairTokens
from aigc.errors import BriefsError, UsageError
from aigc.models import ModelRef, resolve
from aigc.training_data.reading import open_training_data
from aigc.tuning.lessons import lessons_of
from aigc.tuning.recipes import Options, check
from aigc.tuning.tuning import Order, Tuned, tune

pytest.importorskip("trl", reason="needs trl: pip install 'aigc[finetune]'")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'aigc[finetune]'")
HERE = Path(__file__).parent
FAST = Options(method="dpo", learning_rate=0.005, epochs=4, eval_texts=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return a_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pairs(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def tuned(base: ModelRef, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """An adapter, made with sockets that refuse."""
    with unconnected():
        return tune(Order(data=data, base=base, settings=CPU, options=FAST,
                          out=tmp_path_factory.mktemp("tuned") / "out"))


def test_the_better_answers_lead_by_more_and_the_model_is_called_better(tuned: Tuned) -> None:
    statement = tuned.statement
    shifts = {one.name: one for one in statement.shifts}
    assert [*shifts] == ["lead", "loss", "preferred"]
    assert shifts["lead"].after > shifts["lead"].before + 0.5
    assert shifts["preferred"].after == 1.0
    assert shifts["loss"].after < shifts["loss"].before, "and they become no less likely"
    assert statement.finding.call == "better"
    assert statement.finding.why[0].startswith("lead of a pair's better answer, for each token ")


def test_it_is_told_how_it_was_made(tuned: Tuned) -> None:
    plan = tuned.statement.plan
    assert (plan.recipe.method, plan.recipe.weights, plan.recipe.beta, plan.recipe.dropout) == ("dpo", "lora", 0.1, 0.0)
    assert (plan.data.lessons, plan.data.validation, plan.data.pairs) == (18, 6, 6)
    assert "- dpo\n" in (tuned.folder / "README.md").read_text()


def test_the_first_loss_is_that_of_a_model_that_has_not_left_its_base(tuned: Tuned) -> None:
    """Of the pairs it is ln 2, whatever they are; the rest is the better answer's own, a byte of which is 1 of 259."""
    first = next(point.train for point in tuned.statement.trained.points if point.train is not None)
    assert 0.693 + 3 < first < 0.693 + 8


def test_pairs_are_cut_as_the_engine_cuts_them(base: ModelRef, data: Path) -> None:
    found = open_training_data(data)
    lessons = lessons_of(found, base.folder(), CPU, 512, "dpo")
    [first, *_], [pair, *_] = lessons.taught.train, found.pairs("train")
    assert isinstance(first, PairTokens)
    tokenizer = LessonEncoder(base.folder(), CPU)._tokenizer
    ends = [tokenizer.decode(tokens) for tokens in (first.chosen, first.rejected)]
    assert ends == [f"{answer.content}<|im_end|>" for answer in (*pair.chosen, *pair.rejected)]
    assert tokenizer.decode(first.prompt).endswith("<|im_start|>assistant\n")


def test_a_model_that_was_taught_the_worse_answers_is_called_worse(base: ModelRef, tmp_path: Path) -> None:
    turned = tune(Order(data=pairs(tmp_path, turned=True), base=base, settings=CPU, options=FAST,
                        out=tmp_path / "out"))
    assert turned.statement.finding.call == "worse"
    assert "**Worse than its base. Do not use it.**" in (turned.folder / "README.md").read_text()


@pytest.mark.slow
def test_a_whole_model_learns_from_pairs_too(base: ModelRef, data: Path, tmp_path: Path) -> None:
    tuned = tune(Order(data=data, base=base, settings=CPU, out=tmp_path / "out",
                       options=replace(FAST, full=True, learning_rate=0.002)))
    assert tuned.statement.finding.call == "better"
    assert resolve(str(tuned.folder), trust_remote_code=False).digest == tuned.statement.digest != base.digest


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from lessons_of_style import CPU
from aigc.models import resolve
from aigc.tuning.recipes import Options
from aigc.tuning.tuning import Order, tune

def told(point, plan):
    print("step", point.step, flush=True)

tune(Order(data=Path({data!r}), base=resolve({base!r}, trust_remote_code=False), settings=CPU, out=Path({out!r}),
           options=Options(method="dpo", learning_rate=0.005, epochs=4, eval_texts=0)), on_point=told)
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_in_the_same_weights(
    tuned: Tuned, base: ModelRef, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = CHILD.format(tests=str(HERE.parent), here=str(HERE), data=str(data), base=str(base.folder()), out=str(out))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout or ():
            if line.split()[:1] == ["step"] and int(line.split()[1]) >= 5:
                child.send_signal(signal.SIGKILL)
                break
        assert child.wait(60) == -signal.SIGKILL
    assert sorted(out.glob("work/checkpoints/checkpoint-*/whole")), "a checkpoint to go on from"
    steps: list[int] = []
    done = tune(Order(data=data, base=base, settings=CPU, options=FAST, out=out),
                on_point=lambda point, _: steps.append(point.step))
    assert min(steps) > 1, "not from the start"
    assert done.statement.trained.points == tuned.statement.trained.points
    assert (done.folder / "adapter_model.safetensors").read_bytes() == (
        tuned.folder / "adapter_model.safetensors").read_bytes()


def test_data_without_pairs_is_refused_with_where_pairs_come_from(base: ModelRef, tmp_path: Path) -> None:
    with pytest.raises(BriefsError) as caught:
        tune(Order(data=dialogues(tmp_path), base=base, settings=CPU, options=FAST, out=tmp_path / "out"))
    assert str(caught.value) == (
        f"{tmp_path / 'data'}: found nothing to learn (no pair); expected a pair in train. Pairs come of what editors "
        "edit and refuse (aigc review import, aigc redo); or leave --method dpo out."
    )


def test_beta_is_of_pairs_alone() -> None:
    with pytest.raises(UsageError) as caught:
        check(Options(beta=0.2))
    assert str(caught.value) == (
        "--beta: found 0.2 with --method sft; expected --method dpo, or no --beta. Only learning from pairs has one."
    )
