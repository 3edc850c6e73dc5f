"""Briefs to prompts: the pack's templates rendered, the answer's form and a retry's reasons added, the request identified."""

from __future__ import annotations

from collections.abc import Sequence

import jinja2

from aigc.content import Output, OutputField, base_language, help_for
from aigc.errors import TemplateError
from aigc.hashing import digest, seed_of
from aigc.packs import Pack, Packs
from aigc.records import Brief, FieldValue, Message, Prompt, Sampling

_FORM = {
    "en": "Answer with one JSON object: {form}",
    "zh": "只输出一个 JSON 对象：{form}",
}
_FEEDBACK = {
    "en": "Your last answer was not accepted:\n{reasons}\nWrite it again and put this right.",
    "zh": "上一稿没有通过，原因如下：\n{reasons}\n请重写，并改正以上问题。",
}


def render(brief: Brief, packs: Packs, feedback: Sequence[str] = ()) -> list[Message]:
    """The messages for `brief`, with `feedback` on its last attempt.

    Raises:
        TemplateError: the template fails on this brief.
    """
    pack = packs[brief.content_type]
    values = _values(brief, pack)
    user = "\n\n".join(
        filter(
            None,
            [
                _part(pack, "user", brief, values),
                _form(pack.type.output, brief.language),
                _reasons(feedback, brief.language),
            ],
        )
    )
    system = _part(pack, "system", brief, values)
    messages = [Message(role="user", content=user)]
    return [Message(role="system", content=system), *messages] if system else messages


def make_prompt(
    messages: list[Message],
    *,
    brief: Brief,
    variant: int,
    attempt: int,
    packs: Packs,
    sampling: Sampling,
    run_seed: int,
    model: str,
) -> Prompt:
    """A request for one attempt at one variant. `model` names weights and dtype, as far as they decide the text."""
    schema = packs[brief.content_type].type.json_schema(brief.language)
    seed = seed_of(run_seed, brief.id, variant, attempt)
    identity = [[(m.role, m.content) for m in messages], model, sampling, str(seed), variant, attempt, schema]
    return Prompt(
        request_id=digest(identity),
        messages=messages,
        sampling=sampling,
        seed=seed,
        attempt=attempt,
        json_schema=schema,
    )


def _values(brief: Brief, pack: Pack) -> dict[str, FieldValue]:
    """A value for every variable, blank where the brief gives none: `{% if brand %}` then works and strictness finds typos."""
    blank: dict[str, FieldValue] = {
        name: [] if spec.type == "list" else ("" if spec.type in ("text", "choice") else None)
        for name, spec in pack.type.fields.items()
    }
    return {
        **blank,
        **{name: value for name, value in brief.fields.items() if value is not None},
        "tone": brief.tone,
        "audience": brief.audience,
        "language": brief.language,
        "keywords": brief.limits.keywords,
        "must_not_mention": brief.limits.must_not_mention,
        "min_words": brief.limits.min_words,
        "max_words": brief.limits.max_words,
    }


def _part(pack: Pack, part: str, brief: Brief, values: dict[str, FieldValue]) -> str:
    template = pack.template(part, base_language(brief.language))
    if template is None:
        return ""
    try:
        return template.render(values).strip()
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as exc:
        place = f"{pack.folder / (template.name or part).split('/')[-1]}, brief {brief.id}"
        raise TemplateError(
            place,
            f"{type(exc).__name__}: {exc}",
            "a template that renders this brief",
            "Correct the template, or the brief's cell.",
        ) from exc


def _form(output: Output, language: str) -> str:
    """What the answer has to look like, in words a small model follows."""
    if output.format != "json":
        return ""
    form = "{" + ", ".join(f'"{name}": {_field_form(field, language)}' for name, field in output.fields.items()) + "}"
    return _in(language, _FORM).format(form=form)


def _field_form(field: OutputField, language: str) -> str:
    help_text = help_for(field.help, language)
    if field.type == "text":
        return f'"{help_text}"'
    if field.type == "list":
        return f'["{help_text}", ...]'
    entry = ", ".join(f'"{name}": "{help_for(part.help, language)}"' for name, part in field.fields.items())
    return f"[{{{entry}}}, ...]"


def _reasons(feedback: Sequence[str], language: str) -> str:
    if not feedback:
        return ""
    return _in(language, _FEEDBACK).format(reasons="\n".join(f"- {reason}" for reason in feedback))


def _in(language: str, texts: dict[str, str]) -> str:
    return texts.get(base_language(language), texts["en"])
