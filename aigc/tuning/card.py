"""README.md of a tuned model: what it is, what it learned from, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from aigc.dataset.escaping import code, table, yaml_text
from aigc.tuning.comparison import MEANING, figures
from aigc.tuning.pictures import PICTURE
from aigc.tuning.statement import STATEMENT, Statement

CARD = "README.md"
CALLS = {
    "better": "Better than its base on the held-out briefs, by more than chance.",
    "worse": "Worse than its base. Do not use it.",
    "not_shown": "Not shown to be better than its base.",
}


def card(statement: Statement) -> str:
    return "\n".join(["---", *_front_matter(statement), "---", "", "\n\n".join(_body(statement)), ""])


def _front_matter(statement: Statement) -> Iterator[str]:
    yield f"base_model: {yaml_text(statement.plan.base.ref)}"
    if statement.plan.recipe.weights == "lora":
        yield "library_name: peft"
    yield from ("pipeline_tag: text-generation", "tags:", "- trl", f"- {statement.plan.recipe.method}")


def _body(statement: Statement) -> Iterator[str]:
    plan, recipe = statement.plan, statement.plan.recipe
    yield "# A model tuned on editors' decisions"
    what = "An adapter (LoRA) for" if recipe.weights == "lora" else "A whole model, made from"
    yield (f"{what} {code(plan.base.ref)}, made by `aigc finetune` from the data {code(plan.data.digest)}. "
           f"`{STATEMENT}` has all that it was made of and how.")
    yield f"**{CALLS[statement.finding.call]}** " + "; ".join(statement.finding.why) + "."
    if statement.shifts:
        rows = [(MEANING[one.name], figures(one), f"{one.items:,}", f"{one.briefs:,}", f"{one.chance_better:.3f}")
                for one in statement.shifts]
        yield table(("Measured", "Before → after", "Items", "Briefs", "Chance brings it"), rows)
    yield f"![The loss, step by step]({PICTURE})"
    yield "## Licence"
    yield f"That of the base holds: {code(plan.base.licence or 'not known')}."

