from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from aigc.content import ContentType
from aigc.engine import grammar as grammar_module
from aigc.engine.grammar import Grammars, unpacked
from aigc.job import shipped
from aigc.models import ModelRef
from aigc.packs import load_packs

from . import tiny

PACKS = load_packs(shipped("templates"))
STRUCTURED = [kind for kind in PACKS.types.values() if kind.output.format == "json"]


@pytest.mark.parametrize("kind", STRUCTURED, ids=lambda kind: kind.name)
def test_a_random_model_held_to_a_shipped_pack_writes_its_form(llama: ModelRef, kind: ContentType) -> None:
    prompt = tiny.prompt("a", "x", schema=kind.json_schema("en"), max_new_tokens=120, top_k=120)
    (made,) = tiny.engine(llama, slots=2).generate([prompt])
    assert made.fault is None
    assert made.text.startswith('{"' + next(iter(kind.output.fields)) + '": ')
    if made.finish_reason == "stop":
        assert json.loads(made.text).keys() == kind.output.fields.keys()
    assert not set("<>[]|`*#") & set(
        made.text.removeprefix("{").replace(": [", "").replace("], ", "").replace("]}", "")
    )


def test_only_the_grammars_that_were_asked_for_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, compile_ = list[str](), Grammars._compile

    def counted(self: Grammars, schema: str) -> object:
        compiled.append(schema)
        return compile_(self, schema)

    monkeypatch.setattr(grammar_module, "MOST_COMPILED", 2)
    monkeypatch.setattr(Grammars, "_compile", counted)
    tokenizer = tiny.tokenizer()
    grammars = Grammars(tokenizer, len(tokenizer), [2])
    a, b, c = (json.dumps({"type": "string", "maxLength": length}) for length in (3, 4, 5))
    matchers = [grammars.matcher(schema) for schema in (a, b, a, c, a, b)]
    assert compiled == [a, b, c, b]
    assert matchers[0].consume_token(tokenizer.encode('"', add_special_tokens=False)[0])
    begun, fresh = grammars.allowed([matchers[0], matchers[2]], torch.device("cpu"))
    assert not torch.equal(begun, fresh), "each matcher is its row's own"


def test_masks_are_unpacked_as_numpy_unpacks_them() -> None:
    words = torch.tensor([[-1, 5], [-(2**31), 0], [0x12345678, 7]], dtype=torch.int32)
    bits = np.unpackbits(words.numpy().view(np.uint8), axis=1, bitorder="little", count=50)
    assert torch.equal(unpacked(words, 50), torch.from_numpy(bits.view(np.bool_)))
