"""The watermark as the sampler leaves it: of the same distribution, a row's own affair, found again by its key."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aigc.engine import open_engine
from aigc.engine.choice import CHUNK_NOISE, way_of
from aigc.engine.marking import SEEN_BLOCK
from aigc.engine.noise import context_keys, counter_hash
from aigc.engine.restart import RestartingEngine
from aigc.engine.sampler import Sampler
from aigc.engine.tokens import open_tokenizer
from aigc.engine.weights import CHUNK
from aigc.errors import SettingsError
from aigc.models import ModelRef
from aigc.records import Completion, Prompt, Sampling
from aigc.settings import EngineSettings
from aigc.watermark import Mark, examine, level_of, pooled, salt_of, scheme

from . import dying, tiny
from .test_local_engine import SCHEMA
from .test_sampler import plainly

CPU = torch.device("cpu")
MARK = Mark(bytes(range(16)), 3)


def marked(mark: Mark = MARK, **sampling: object) -> Sampling:
    return Sampling(watermark=mark.ref, **{"temperature": 1.0, **sampling})  # type: ignore[arg-type]


def keys_of(mark: Mark, seed: int, contexts: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
    """Seeds and counters by torch, as the sampler makes them."""
    words = torch.tensor(mark.words)
    bases = words[:, -1] + words[:, -2] * salt_of(seed)
    seeds, counters = context_keys(words[:, :-2], bases.expand(len(contexts), -1), torch.tensor(contexts))
    return seeds.tolist(), counters.tolist()


# What it is of -------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(
    secret=st.binary(min_size=16, max_size=16),
    seed=st.integers(0, 2**63 - 1),
    contexts=st.lists(st.lists(st.integers(0, 300_000), min_size=4, max_size=4), min_size=1, max_size=20),
    token=st.integers(0, 300_000),
)
def test_numpy_finds_the_integers_that_torch_chose_by(
    secret: bytes, seed: int, contexts: list[list[int]], token: int
) -> None:
    mark = Mark(secret, 4)
    seeds, counters = keys_of(mark, seed, contexts)
    sums = scheme.context_sums(mark.words, np.array(contexts))
    found, counted = scheme.noise_keys(mark.words, sums, np.array([salt_of(seed)]))
    assert found.view(np.int64).tolist() == seeds
    assert counted.tolist() == counters
    for number in (token, CHUNK_NOISE + token // CHUNK):
        bits = counter_hash(torch.tensor(seeds), torch.tensor(counters), torch.tensor(number))
        assert scheme.uniforms(found, counted, np.array(number)).tolist() == ((bits.double() + 0.5) * 2.0**-52).tolist()


def test_the_schemes_numbers_are_pinned_so_that_old_texts_are_found() -> None:
    seeds, counters = keys_of(Mark(b"0123456789abcdef", 2), 2**40 + 7, [[1, 2], [2, 1]])
    assert (seeds, counters) == PINNED


PINNED = ([-5117322868221902865, 1019646839127470973], [13545455, 11291441])


def test_what_the_detector_knows_of_the_sampler_is_so() -> None:
    assert (scheme.CHUNK, scheme.CHUNK_NOISE) == (CHUNK, CHUNK_NOISE)
    for limits in ({}, {"top_k": 5}, {"top_p": 0.9}, {"top_k": 5, "top_p": 0.9}, {"min_p": 0.1}):
        sampling = Sampling(**limits)  # type: ignore[arg-type]
        assert (level_of(sampling) == "chunks") == (way_of(sampling).name == "drawn"), limits


def by_definition(logits: torch.Tensor, sampling: Sampling, seed: int, mark: Mark) -> list[int]:
    """Tokens of one row, step by step, as a watermark is defined."""
    tokens: list[int] = []
    seen = set[tuple[int, ...]]()
    for step, row in enumerate(logits):
        context = tuple(tokens[-mark.context_tokens :])
        if len(context) < mark.context_tokens or context in seen:
            own = seed, step
        else:
            seeds, counters = keys_of(mark, seed, [context])
            own = seeds[0], counters[0]
            seen.add(context)
        tokens.append(plainly(row, sampling, *own))
    return tokens


@pytest.mark.parametrize("limits", [{}, {"top_k": 4}, {"top_p": 0.8}, {"min_p": 0.2}], ids=str)
@pytest.mark.parametrize(("vocabulary", "steps"), [(3, 40), (300, 12)])
def test_marked_tokens_are_those_of_the_plain_definition(
    limits: dict[str, float], vocabulary: int, steps: int
) -> None:
    """Of three tokens contexts of two soon come again, and are chosen for by the row's own seed then."""
    mark, logits = Mark(b"k" * 16, 2), torch.randn(steps, vocabulary, generator=torch.Generator().manual_seed(4))
    sampling, seed = marked(mark, **limits), 2**61 + 12345
    sampler = Sampler(1, CPU, mark=mark)
    sampler.open(0, sampling, seed, [0])
    found = [sampler.choose(row.unsqueeze(0).clone(), [0], [step], None).tokens.item()
             for step, row in enumerate(logits)]
    assert found == by_definition(logits, sampling, seed, mark)


def test_without_a_mark_in_its_sampling_a_row_is_as_it_ever_was() -> None:
    logits = torch.randn(30, 1, 500, generator=torch.Generator().manual_seed(2))
    plain, keyed = Sampler(1, CPU), Sampler(1, CPU, mark=MARK)
    for sampler in (plain, keyed):
        sampler.open(0, Sampling(temperature=1.0), 99, [0])
    for step, row in enumerate(logits):
        one, other = (sampler.choose(row.clone(), [0], [step], None).tokens.item() for sampler in (plain, keyed))
        assert one == other, step


@pytest.mark.parametrize("limits", [{}, {"top_k": 200}], ids=["by chunks", "listed"])
def test_over_many_keys_a_marked_token_follows_the_softmax(limits: dict[str, int]) -> None:
    """Three chunks; chi-square of the token after the first context, over 30 groups of ten tokens."""
    logits, keys = torch.randn(300, generator=torch.Generator().manual_seed(8)) * 1.5, 1500
    counts = torch.zeros(30, dtype=torch.float64)
    for key in range(keys):
        mark = Mark(key.to_bytes(16, "big"), 1)
        sampler = Sampler(1, CPU, mark=mark)
        sampler.open(0, marked(mark, **limits), 5, [0])
        for step in range(2):
            token = sampler.choose(logits.clone().unsqueeze(0), [0], [step], None).tokens.item()
        counts[int(token) // 10] += 1
    scaled = logits.double().softmax(0)
    if limits:
        scaled = torch.where(logits >= logits.topk(200).values[-1], scaled, 0.0)
    expected = (scaled / scaled.sum()).view(30, 10).sum(1) * keys
    assert float(((counts - expected) ** 2 / expected).sum()) < 58.3, "29 degrees: beyond this one time in a thousand"


# A row's own affair --------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_marked_rows_choices_do_not_depend_on_its_neighbours_or_its_slot(data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 6))
    names = [data.draw(st.booleans()) for _ in range(rows)]
    limits = [data.draw(st.sampled_from([{}, {"top_k": 3}, {"top_p": 0.7}, {"temperature": 0.0}])) for _ in names]
    samplings = [Sampling(**{"temperature": 1.0, **own}, watermark=MARK.ref if name else "")  # type: ignore[arg-type]
                 for own, name in zip(limits, names, strict=True)]
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=rows, max_size=rows))
    begins = data.draw(st.lists(st.integers(0, 9), min_size=rows, max_size=rows))
    slots = data.draw(st.permutations(range(rows)))
    logits = torch.randn(40, rows, 5, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 99))))
    together, alone = Sampler(rows, CPU, mark=MARK), [Sampler(1, CPU, mark=MARK) for _ in range(rows)]
    for row in range(rows):
        together.open(slots[row], marked(), seeds[row], [0])  # somebody like it had the slot before
        alone[row].open(0, samplings[row], seeds[row], [0])
    for step in range(20):
        together.choose(logits[-step - 1].clone(), list(slots), [step] * rows, None)
    for step in range(30):
        for row in range(rows):
            if begins[row] == step:
                together.open(slots[row], samplings[row], seeds[row], [0])
        here = [row for row in range(rows) if begins[row] <= step]
        if not here:
            continue
        positions = [step - begins[row] for row in here]
        own = torch.stack([logits[at, row] for at, row in zip(positions, here, strict=True)])
        found = together.choose(own.clone(), [slots[row] for row in here], positions, None).tokens
        for place, (row, at) in enumerate(zip(here, positions, strict=True)):
            single = alone[row].choose(own[place : place + 1].clone(), [0], [at], None).tokens
            assert single[0] == found[place]


def test_contexts_are_remembered_beyond_the_first_block() -> None:
    """A row that says one token over and over is marked once, however long it goes on."""
    sampler = Sampler(1, CPU, mark=MARK)
    sampler.open(0, marked(), 3, [0])
    fresh = []
    for step in range(SEEN_BLOCK + 40):
        where, at, seeds = (torch.tensor([value]) for value in (0, step, 3))
        assert sampler._marks
        found, _ = sampler._marks.keys(where, at, step, seeds)
        sampler._marks.remember(where, torch.tensor([7]))
        fresh.append(found.item() != 3)
    assert [step for step, is_fresh in enumerate(fresh) if is_fresh] == [MARK.context_tokens]


PROMPTS = [
    tiny.prompt("a", max_new_tokens=60, watermark=MARK.ref),
    tiny.prompt("b", top_k=0, max_new_tokens=60, watermark=MARK.ref),
    tiny.prompt("c", top_k=0, top_p=0.9, max_new_tokens=60, watermark=MARK.ref, repetition_penalty=1.1),
    tiny.prompt("d", schema=SCHEMA, max_new_tokens=200, watermark=MARK.ref),
    tiny.prompt("e", max_new_tokens=60),
    tiny.prompt("f", temperature=0.0, top_k=0),
]


@pytest.fixture(scope="module")
def undisturbed(llama: ModelRef) -> dict[str, tiny.Made]:
    """What each prompt gives by itself."""
    engine = tiny.marking(llama, MARK, slots=96)
    return {name: made for prompt in PROMPTS for name, made in tiny.texts(list(engine.generate([prompt]))).items()}


def test_marked_texts_are_the_same_alone_and_in_any_batch(llama: ModelRef, undisturbed: dict[str, tiny.Made]) -> None:
    engine = tiny.marking(llama, MARK, slots=96)
    for ahead, order in ((0, PROMPTS), (1, PROMPTS[::-1]), (1, PROMPTS[3:] + PROMPTS[:3])):
        engine._ahead = ahead
        assert tiny.texts(list(engine.generate(order))) == undisturbed


@pytest.mark.slow
def test_marked_texts_are_the_same_after_the_engine_was_killed(
    llama: ModelRef, undisturbed: dict[str, tiny.Made], notes: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that goes on is given the key too."""
    monkeypatch.setenv("DYING_HOW", "local")
    plain = EngineSettings(device="cpu", dtype="float32", slots=96)
    engine = RestartingEngine(plain, llama, apart=True, worker=dying.__name__, mark=MARK)
    made, killed = list[Completion](), False
    try:
        for completion in engine.generate(PROMPTS):
            made.append(completion)
            if not killed:
                killed = True
                os.kill(engine._seat.pid, signal.SIGKILL)  # type: ignore[union-attr]
        assert engine.info().watermark == MARK.ref
    finally:
        engine.close()
    assert tiny.texts(made) == undisturbed


def test_another_key_context_or_seed_gives_another_text(llama: ModelRef, undisturbed: dict[str, tiny.Made]) -> None:
    def text(mark: Mark, prompt: Prompt) -> str:
        own = replace(prompt, sampling=replace(prompt.sampling, watermark=mark.ref))
        (made,) = tiny.marking(llama, mark, slots=96).generate([own])
        return made.text

    others = [text(Mark(b"o" * 16, 3), PROMPTS[0]), text(Mark(MARK.secret, 2), PROMPTS[0]),
              text(MARK, replace(PROMPTS[0], seed=5))]
    assert len({undisturbed["a"].text, *others}) == 4


# Found again ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found_in(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[int], Prompt]]:
    """Tokens of longer texts, as their own tokenizer cuts them, and what they were asked by."""
    prompts = [tiny.prompt(f"{limits}{seed}", seed=seed, max_new_tokens=200, min_new_tokens=200, watermark=MARK.ref,
                           **{"top_k": 0, **limits})
               for seed in range(4) for limits in ({}, {"top_k": 20}, {"top_p": 0.95})]
    model = tiny.saved_plain(tmp_path_factory.mktemp("plain"))
    cut = open_tokenizer(model.folder(), EngineSettings(device="cpu"))
    made = list(tiny.marking(model, MARK, slots=12).generate(prompts))
    by_name = {prompt.request_id: prompt for prompt in prompts}
    return {each.request_id: (cut(each.text), by_name[each.request_id]) for each in made}


def test_the_mark_is_found_in_every_text_by_who_has_the_key_alone(
    found_in: dict[str, tuple[list[int], Prompt]]
) -> None:
    for name, (tokens, prompt) in found_in.items():
        evidence = examine(tokens, MARK)
        assert evidence.p_value < 1e-6, name
        assert (evidence.salt, evidence.level) == (salt_of(prompt.seed), "tokens"), f"{name}: of one chunk"
        assert examine(tokens, Mark(b"another key 1234", 3)).p_value > 1e-4, name
        assert examine(tokens, Mark(MARK.secret, 2)).p_value > 1e-4, f"{name}: another length of context"


def test_a_mark_left_in_the_choice_of_chunks_is_found_there() -> None:
    """Of a vocabulary of sixteen, with no limits, the chunk is drawn first."""
    logits = torch.randn(80, 16 * CHUNK, generator=torch.Generator().manual_seed(6)) * 3
    sampler, tokens = Sampler(1, CPU, mark=MARK), list[int]()
    sampler.open(0, marked(), 2**50 + 77, [0])
    for step, row in enumerate(logits):
        tokens.append(int(sampler.choose(row.unsqueeze(0).clone(), [0], [step], None).tokens))
    evidence = examine(tokens, MARK)
    assert (evidence.level, evidence.salt) == ("chunks", 77)
    assert evidence.p_value < 1e-6


def test_texts_with_known_salts_are_found_together(found_in: dict[str, tuple[list[int], Prompt]]) -> None:
    short = [(tokens[:10], salt_of(prompt.seed)) for tokens, prompt in found_in.values() if prompt.sampling.top_k]
    assert all(examine(tokens, MARK).p_value > 1e-3 for tokens, _ in short)
    assert pooled(short * 3, MARK, ("tokens",)) == pooled(short, MARK, ("tokens",))._replace(
        tokens=3 * sum(len(tokens) for tokens, _ in short))
    assert pooled(short, MARK, ("tokens",)).p_value < 1e-3
    assert pooled(short, Mark(b"another key 1234", 3), ("tokens",)).p_value > 1e-3


# Refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "mark", "code", "words"), [
    (tiny.prompt("cold", temperature=0.0, top_k=0, watermark=MARK.ref), MARK, "watermark_needs_chance",
     "temperature 0, where nothing is left to chance"),
    (tiny.prompt("keyless", watermark=MARK.ref), None, "no_watermark_key", f"no key for the watermark {MARK.ref}"),
    (tiny.prompt("other", watermark="gumbel-1:0:3"), MARK, "no_watermark_key", "no key for the watermark gumbel-1:0:3"),
])
def test_a_row_that_cannot_be_marked_fails_alone_and_is_not_made_without(
    llama: ModelRef, prompt: Prompt, mark: Mark | None, code: str, words: str
) -> None:
    made = {each.request_id: each for each in tiny.marking(llama, mark).generate([prompt, PROMPTS[4]])}
    fault = made[prompt.request_id].fault
    assert fault
    assert (fault.code, fault.found) == (code, words)
    assert fault.remedy
    assert not made["e"].fault


@pytest.mark.parametrize(("name", "why"), [
    ("openai", "a server samples with noise of its own"), ("scripted", "scripted texts are not sampled"),
])
def test_an_engine_that_cannot_mark_is_refused_as_it_is_opened(name: str, why: str) -> None:
    with pytest.raises(SettingsError) as error:
        open_engine(EngineSettings(name=name), ModelRef(ref="m"), MARK)  # type: ignore[arg-type]
    assert str(error.value) == (
        f"settings, key watermark.on: found true with engine.name = '{name}': {why}; expected engine.name = 'local'. "
        "Set watermark.on = false, or take the local engine."
    )
