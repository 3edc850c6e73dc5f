"""A tiny model learns a rule of style, is measured, called what it is, and taken by a run; no network is asked."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from engine import tiny
from lessons_of_style import CPU, a_model, dialogues, held_out_numbers, unconnected
from msgspec.structs import replace
from safetensors import safe_open

from aigc.engine import open_engine
from aigc.engine.tuning.values import Point
from aigc.errors import ModelError, RunLocked, StoreError, UsageError
from aigc.hashing import digest_file, digest_text
from aigc.models import ModelRef, resolve
from aigc.training_data.reading import open_training_data
from aigc.tuning.recipes import Options
from aigc.tuning.statement import kept_plan
from aigc.tuning.tuning import Order, Tuned, tune

pytest.importorskip("trl", reason="needs trl: pip install 'aigc[finetune]'")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'aigc[finetune]'")
HERE = Path(__file__).parent
FAST = Options(learning_rate=0.01, epochs=4, eval_texts=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    return a_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dialogues(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def tuned(base: ModelRef, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """An adapter, made with sockets that refuse."""
    with unconnected():
        return tune(Order(data=data, base=base, settings=CPU, options=FAST,
                          out=tmp_path_factory.mktemp("tuned") / "out"))


def test_the_loss_falls_and_the_model_is_called_better(tuned: Tuned) -> None:
    statement = tuned.statement
    [loss] = statement.shifts
    assert (loss.name, statement.finding.call) == ("loss", "better")
    assert loss.after < 0.6 * loss.before
    assert loss.chance_better < 0.05
    assert statement.trained.trained_parameters < statement.trained.parameters
    train = [point.train for point in statement.trained.points if point.train is not None]
    looks = [point.validation for point in statement.trained.points if point.validation is not None]
    assert len(train) == statement.trained.steps == statement.plan.recipe.steps
    assert train[-1] < 0.6 * train[0]
    assert looks[-1] < looks[0]


def test_the_statement_names_base_data_recipe_and_versions(tuned: Tuned, base: ModelRef, data: Path) -> None:
    found = json.loads((tuned.folder / "tuning.json").read_text())
    plan, facts = found["plan"], open_training_data(data).statement
    assert (plan["base"]["digest"], plan["base"]["files"]) == (base.digest, base.files)
    assert plan["base"]["ref"] == base.folder().name, "not where it lies on this machine"
    assert plan["data"]["digest"] == facts.digest
    assert plan["data"]["dialogues"] == {"shop.jsonl": facts.dialogues[0].digest}
    assert plan["recipe"]["learning_rate"] == 0.01
    assert found["versions"]["trl"] == importlib.metadata.version("trl")
    assert {file["path"]: file["digest"] for file in found["files"]} == {
        name: digest_file(tuned.folder / name) for name in ("adapter_config.json", "adapter_model.safetensors")
    }
    assert str(data) not in json.dumps(found)
    for name in ("adapter_config.json", "README.md"):
        assert str(base.folder()) not in (tuned.folder / name).read_text()


def test_only_what_a_run_needs_is_left_and_none_of_it_is_a_pickle(tuned: Tuned) -> None:
    assert sorted(path.name for path in tuned.folder.iterdir()) == [
        ".lock", "README.md", "adapter_config.json", "adapter_model.safetensors", "loss.png", "tuning.json",
    ]
    modes = {path.stat().st_mode for path in tuned.folder.iterdir() if path.name != ".lock"}
    assert len(modes) == 1, "weights are for colleagues too"
    assert (tuned.folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert "**Better than its base on the held-out briefs" in (tuned.folder / "README.md").read_text()


def test_a_run_takes_the_adapter_and_writes_as_it_learned(tuned: Tuned, base: ModelRef) -> None:
    def text_of(ref: ModelRef, **changes: str) -> str:
        with closing(open_engine(replace(CPU, **changes), ref)) as engine:
            return next(iter(engine.generate([tiny.prompt("a", "Where is 3?", temperature=0.0)]))).text

    ref = resolve(str(base.folder()), trust_remote_code=False, adapter=str(tuned.folder))
    assert ref.adapter is not None
    assert ref.adapter.digest == tuned.statement.digest
    assert text_of(ref, adapter=str(tuned.folder)).startswith("At shelf ")
    assert not text_of(base).startswith("At shelf ")


def test_the_same_call_finds_it_done_and_another_is_refused(tuned: Tuned, base: ModelRef, data: Path) -> None:
    order = Order(data=data, base=base, settings=CPU, options=FAST, out=tuned.folder)
    again = tune(order)
    assert (again.new, again.statement) == (False, tuned.statement)
    with pytest.raises(UsageError) as caught:
        tune(Order(data=data, base=base, settings=CPU, options=replace(FAST, seed=1), out=tuned.folder))
    assert str(caught.value) == (
        f"--out: found {tuned.folder}, a tuning of other data, options or base; expected a new folder, or that of this "
        "tuning. Name another folder, or give the same options as when it was begun."
    )
    with pytest.raises(UsageError, match=r"--out: found .*, which holds something else; expected a new or empty"):
        tune(Order(data=data, base=base, settings=CPU, options=FAST, out=data))


def test_a_tuning_of_the_first_version_is_found_done_and_a_later_one_is_told(
    tuned: Tuned, base: ModelRef, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(tuned.folder, tmp_path / "old")
    path = tmp_path / "old" / "tuning.json"
    told = json.loads(path.read_text())
    assert told["schema"] == "aigc.tuning/2"
    recipe = told["plan"]["recipe"]
    recipe["method"] = recipe.pop("weights")
    del recipe["beta"], told["plan"]["options"]["method"], told["plan"]["options"]["beta"]
    path.write_text(json.dumps({**told, "schema": "aigc.tuning/1"}))
    order = Order(data=data, base=base, settings=CPU, options=FAST, out=tmp_path / "old")
    found = tune(order)
    assert (found.new, found.statement) == (False, replace(tuned.statement, schema="aigc.tuning/1"))
    path.write_text(json.dumps({**told, "schema": "aigc.tuning/3"}))
    with pytest.raises(StoreError, match=r"tuning.json: found version 'aigc.tuning/3'; expected aigc.tuning/2 or .*/1. "
                                         r"The model in the folder can be used as it is. To tune, name another"):
        tune(order)


def test_a_tuning_that_the_first_version_began_is_gone_on_with(tuned: Tuned, tmp_path: Path) -> None:
    plan = msgspec.to_builtins(tuned.statement.plan)
    plan["recipe"]["method"] = plan["recipe"].pop("weights")
    del plan["recipe"]["beta"]
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    assert kept_plan(tmp_path / "plan.json") == tuned.statement.plan


def test_a_whole_model_has_its_bases_tokenizer_and_precision(base: ModelRef, data: Path, tmp_path: Path) -> None:
    tuned = tune(Order(data=data, base=base, settings=CPU, out=tmp_path / "out",
                       options=replace(FAST, full=True, learning_rate=0.003)))
    assert tuned.statement.finding.call == "better"
    assert tuned.statement.trained.trained_parameters == tuned.statement.trained.parameters
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tuned.folder / name).read_bytes() == (base.folder() / name).read_bytes()
    ref = resolve(str(tuned.folder), trust_remote_code=False)
    assert ref.digest == tuned.statement.digest != base.digest
    kinds = []
    for folder in (tuned.folder, base.folder()):
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            kinds.append({name: file.get_slice(name).get_dtype() for name in file.keys()})  # noqa: SIM118
    assert kinds[0] == kinds[1]


def test_a_worse_model_is_called_worse(data: Path, base: ModelRef, tmp_path: Path) -> None:
    """One that knew the answers, and was taught others but for the held-out ones."""
    good = tune(Order(data=data, base=base, settings=CPU, out=tmp_path / "good",
                      options=replace(FAST, full=True, learning_rate=0.003))).folder
    kept = held_out_numbers(data)
    wrong = dialogues(tmp_path, lambda number: f"At shelf {number * 7}. Good day." if number in kept
                      else f"{number} {number} GO AWAY!")
    assert held_out_numbers(wrong) == kept
    worse = tune(Order(data=wrong, base=resolve(str(good), trust_remote_code=False), settings=CPU,
                       options=FAST, out=tmp_path / "worse"))
    [loss] = worse.statement.shifts
    assert loss.after > loss.before
    assert worse.statement.finding.call == "worse"
    assert worse.statement.finding.why[0].endswith("which is no chance")
    assert "**Worse than its base. Do not use it.**" in (worse.folder / "README.md").read_text()


def test_it_stops_when_validation_no_longer_gains_and_keeps_the_best(base: ModelRef, tmp_path: Path) -> None:
    """Answers without a rule can only be learned by heart."""
    noise = dialogues(tmp_path, lambda number: digest_text(str(number))[7:27])
    tuned = tune(Order(data=noise, base=base, settings=CPU, out=tmp_path / "out",
                       options=replace(FAST, full=True, epochs=60)))
    trained = tuned.statement.trained
    looks = {point.step: point.validation for point in trained.points if point.validation is not None}
    assert trained.stopped_early
    assert trained.steps < tuned.statement.plan.recipe.steps
    assert looks[trained.best_step] == min(looks.values())
    assert trained.best_step < trained.steps


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from lessons_of_style import CPU
from aigc.models import resolve
from aigc.tuning.recipes import Options
from aigc.tuning.statement import kept_plan
from aigc.tuning.tuning import Order, tune

def told(point, plan):
    print("step", point.step, flush=True)

tune(Order(data=Path({data!r}), base=resolve({base!r}, trust_remote_code=False), settings=CPU, out=Path({out!r}),
           options=Options(learning_rate=0.01, epochs=4, eval_texts=0)), on_point=told)
"""


def test_a_killed_training_goes_on_and_ends_in_the_same_weights(
    tuned: Tuned, base: ModelRef, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code = CHILD.format(tests=str(HERE.parent), here=str(HERE), data=str(data), base=str(base.folder()), out=str(out))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as child:
        for line in child.stdout or ():
            if line.split()[:1] == ["step"] and int(line.split()[1]) >= 5:
                child.send_signal(signal.SIGKILL)
                break
        assert child.wait(60) == -signal.SIGKILL
    kept = sorted(out.glob("work/checkpoints/checkpoint-*/whole"))
    assert kept, "a checkpoint to go on from"
    torn = out / "work" / "checkpoints" / "checkpoint-999"
    torn.mkdir()
    (torn / "adapter_model.safetensors").write_bytes(b"half")
    steps: list[int] = []

    def told(point: Point, _: object) -> None:
        steps.append(point.step)

    done = tune(Order(data=data, base=base, settings=CPU, options=FAST, out=out), on_point=told)
    assert min(steps) > 1, "not from the start"
    assert done.statement.trained.points == tuned.statement.trained.points
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (done.folder / name).read_bytes() == (tuned.folder / name).read_bytes()
    assert not (out / "work").exists()


def test_two_processes_do_not_tune_in_one_folder(base: ModelRef, data: Path, tmp_path: Path) -> None:
    from aigc.disk import take_lock

    (tmp_path / "out").mkdir()
    lock = take_lock(tmp_path / "out" / ".lock")
    with open(lock), pytest.raises(RunLocked, match=r"a folder that .* is writing"):  # noqa: PTH123 - a descriptor
        tune(Order(data=data, base=base, settings=CPU, options=FAST, out=tmp_path / "out"))


def test_quantised_weights_are_refused(base: ModelRef, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "quantised"
    folder.mkdir()
    for path in base.folder().iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="found weights quantised by fp8; expected weights in full precision"):
        tune(Order(data=data, base=resolve(str(folder), trust_remote_code=False), settings=CPU, options=FAST,
                   out=tmp_path / "out"))
