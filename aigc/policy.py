"""What a run may do, by `[policy]`: asked before the model is loaded, and watched while texts are made."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Iterator, Mapping

from aigc.errors import SettingsError, UsageError
from aigc.records import Value
from aigc.settings import PolicySettings, RunSettings, Settings, TypePolicy, TypeSettings

OPTION = "--override-policy"
_LEAVE_OUT = "Leave rows out with --limit or input.skip"


class Mentions(Value, frozen=True):
    """Forbidden terms that stand in the sheet, by the setting that forbids them."""

    key: str
    count: int
    examples: list[str]
    """`'casino' in briefs.csv line 41, facts`, the first few."""


class Objection(Value, frozen=True):
    """One thing that a run would do and its policy does not allow."""

    key: str
    found: str
    expected: str
    remedy: str


class Override(Value, frozen=True):
    """A policy that was set aside for one run: by whom, when, why, and which of its settings."""

    who: str
    at: str
    why: str
    set_aside: list[str]


class Budget(Value, frozen=True):
    """Tokens that a run may make; 0 is no limit. What is being made when they are used up is still finished."""

    limit: int = 0

    def why_not(self, made: int) -> str:
        """Why no more texts may be begun once `made` tokens are there; nothing while they may."""
        return f"{made:,} of {self.limit:,} allowed tokens made" if 0 < self.limit <= made else ""


def budget(policy: PolicySettings, override: Override | None) -> Budget:
    """What a run may make: the smaller of its two limits on tokens, and any number where the policy is set aside."""
    limits = [limit for limit in (policy.budget_tokens, policy.max_tokens) if limit]
    return Budget(limit=0 if override or not limits else min(limits))


def tokens_at_most(run: RunSettings, max_new_tokens: int, texts: int = 1, lines: int = 0) -> int:
    """Tokens that rows can take: as many as their attempts allow, or their own limit and the attempt that crosses it.

    `lines` are those of dialogues, of which each may be tried as often as a text.
    """
    requests = lines * run.max_attempts if lines else texts
    attempts = requests * (run.max_attempts + run.best_of - 1) * max_new_tokens
    own = texts * (run.max_tokens_per_text - 1 + max_new_tokens)
    return min(attempts, own) if run.max_tokens_per_text else attempts


def objections(
    settings: Settings, texts: Mapping[str, int], tokens: Mapping[str, int], mentions: Iterable[Mentions]
) -> list[Objection]:
    """All that the policy has against a run. `texts` and `tokens` are what it asks for and at most takes, by type."""
    policy = settings.policy
    found = [*_limits(policy, "policy", sum(texts.values()), sum(tokens.values()))]
    for name in texts:
        own = settings.types.get(name, TypeSettings()).policy
        found += _limits(own, f"types.{name}.policy", texts[name], tokens.get(name, 0))
    if strangers := [name for name in texts if policy.content_types and name not in policy.content_types]:
        allowed = f"one of {', '.join(policy.content_types)}"
        found.append(Objection(key="policy.content_types", found=f"content type {', '.join(strangers)}",
                               expected=allowed, remedy="Take those rows out of the sheet."))
    return [*found, *map(_forbidden, mentions)]


def _limits(policy: PolicySettings | TypePolicy, key: str, texts: int, tokens: int) -> Iterator[Objection]:
    if 0 < policy.max_rows < texts:
        yield Objection(key=f"{key}.max_rows", found=f"{texts:,} texts asked for",
                        expected=f"at most {policy.max_rows:,}",
                        remedy=f"{_LEAVE_OUT}, or ask for fewer variants.")
    if 0 < policy.max_tokens < tokens:
        yield Objection(key=f"{key}.max_tokens", found=f"up to {tokens:,} tokens",
                        expected=f"at most {policy.max_tokens:,}",
                        remedy=f"{_LEAVE_OUT}, or lower run.max_attempts, run.best_of or max_new_tokens.")


def _forbidden(mentions: Mentions) -> Objection:
    more = mentions.count - len(mentions.examples)
    places = "; ".join(mentions.examples) + (f"; and {more:,} more" if more else "")
    return Objection(key=mentions.key, found=places, expected="briefs without the terms that it forbids",
                     remedy="Change those cells, or take their rows out.")


def settled(policy: PolicySettings, against: list[Objection], why: str | None, now: str) -> Override | None:
    """What was set aside, where `why` is given and the policy allows it; None for a run that its policy allows.

    Raises:
        UsageError: a reason that is blank, or one where no reason helps.
        SettingsError: the policy does not allow the run.
    """
    if why is not None:
        if not policy.allow_override:
            raise UsageError(OPTION, "a policy that cannot be set aside", "policy.allow_override = true in aigc.toml",
                             "Leave the option out.")
        if not why.strip():
            raise UsageError(OPTION, "no reason", "why the policy is set aside", "Give the reason, in quotation marks.")
        return Override(who=user(), at=now, why=" ".join(why.split()), set_aside=[each.key for each in against])
    if against:
        raise refusal(policy, against)
    return None


def refusal(policy: PolicySettings, against: list[Objection]) -> SettingsError:
    """One error for all that the policy has against a run."""
    keys = [each.key for each in against]
    remedy = " ".join(dict.fromkeys(each.remedy for each in against))
    if policy.allow_override:
        remedy += f' Or say why it may: {OPTION} "reason".'
    place = f"setting{'s' if len(keys) > 1 else ''} {', '.join(keys)}"
    return SettingsError(place, "; ".join(each.found for each in against), "; ".join(each.expected for each in against),
                         remedy)


def user() -> str:
    """The name of the account that this process runs under."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name: OSError since Python 3.13
        return "an account without a name"
