"""What came of a look at a run: checks, and the places that are not as its manifest states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from aigc.records import Value

Status: TypeAlias = Literal["holds", "wrong", "not checked"]
MOST_FINDINGS = 200
"""Findings of one check that are told; the rest is counted."""


class Finding(Value, frozen=True):
    """A place that is not as the manifest states. No value of a row is told: it may be anybody's data."""

    place: str
    found: str
    expected: str

    @property
    def message(self) -> str:
        return f"{self.place}: found {self.found}; expected {self.expected}."


class Check(Value, frozen=True):
    """One thing that was looked at. `detail` says how much held, or why it was not checked."""

    name: str
    status: Status
    detail: str = ""
    findings: list[Finding] = []


class Verification(Value, frozen=True):
    """A whole look at a run. Nothing is right by omission: what was not checked is a check of its own."""

    run_id: str
    checks: list[Check]

    @property
    def holds(self) -> bool:
        return all(check.status != "wrong" for check in self.checks)

    @property
    def findings(self) -> list[Finding]:
        return [finding for check in self.checks for finding in check.findings]


def concluded(name: str, detail: str, findings: list[Finding]) -> Check:
    """The check, wrong where there is a finding."""
    if not findings:
        return Check(name=name, status="holds", detail=detail)
    left = len(findings) - MOST_FINDINGS
    told = findings[:MOST_FINDINGS]
    more = f"and {left:,} more findings" if left > 0 else ""
    return Check(name=name, status="wrong", detail=more, findings=told)


def together(checks: Sequence[Check]) -> list[Check]:
    """One check for each name, in the order in which names came: the worst status, and one finding for each place."""
    named: dict[str, list[Check]] = {}
    for check in checks:
        named.setdefault(check.name, []).append(check)
    return [found[0] if len(found) == 1 else _joined(found) for found in named.values()]


def _joined(checks: Sequence[Check]) -> Check:
    order: tuple[Status, ...] = ("wrong", "not checked", "holds")
    status = min((check.status for check in checks), key=order.index)
    # The later look is the closer one: what it found of a place says more.
    findings = {finding.place: finding for check in checks for finding in check.findings}
    details = [check.detail for check in checks if check.status == status and check.detail]
    return Check(name=checks[0].name, status=status, detail="; ".join(details), findings=[*findings.values()])


def differing(found: object, expected: object) -> list[str]:
    """Paths of all fields in which two values differ: `attempts[0].completion.text`."""
    return list(_differing(msgspec.to_builtins(found), msgspec.to_builtins(expected), ""))


def _differing(found: object, expected: object, path: str) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in dict.fromkeys([*expected, *found]):
            inner = f"{path}.{name}" if path else str(name)
            if name in found and name in expected:
                yield from _differing(found[name], expected[name], inner)
            else:
                yield inner
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for at, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from _differing(one, other, f"{path}[{at}]")
    elif found != expected or type(found) is not type(expected):
        yield path
