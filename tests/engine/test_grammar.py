from __future__ import annotations

import json

import pytest

from aigc.content import ContentType
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
