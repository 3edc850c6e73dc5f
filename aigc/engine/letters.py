"""What the driving process and the model's process say to each other, as values that pickle.

    drives ── Opening ──▶ model's process ── Told ──▶
           ── Begin ────▶                 ── Ask ───▶    as often as there is room
           ── Given ────▶                 ── Made ──▶    for every row; Told again where the engine has changed
                                          ── Over ──▶    and Begin may follow

Lost or Refused may come in the place of any answer, Logged between any two.
"""

from __future__ import annotations

from typing import TypeAlias

from aigc.errors import AigcError
from aigc.models import ModelRef
from aigc.records import Completion, EngineInfo, Prompt, Value
from aigc.settings import EngineSettings
from aigc.watermark import Mark


class Opening(Value, frozen=True):
    """The engine to open. `slots`, where not 0, are those that its predecessor had, and at most as many as fit.

    `mark` holds a secret: it goes over the socket between the two and nowhere else.
    """

    settings: EngineSettings
    model: ModelRef
    slots: int
    log_level: int
    mark: Mark | None


class Begin(Value, frozen=True):
    """Generate until `Given` holds no prompt while nothing is in flight."""


class Given(Value, frozen=True):
    prompt: Prompt | None


class Told(Value, frozen=True):
    info: EngineInfo


class Ask(Value, frozen=True):
    """There is room for a prompt."""


class Made(Value, frozen=True):
    completion: Completion


class Over(Value, frozen=True):
    """All that was given is made."""


class Logged(Value, frozen=True):
    name: str
    level: int
    text: str


class Lost(Value, frozen=True):
    """The device's context is dead, and the process ends."""

    cause: str


class Refused(Value, frozen=True):
    """An error that another process would meet too."""

    kind: type[AigcError]
    place: str
    found: str
    expected: str
    remedy: str


ToModel: TypeAlias = Opening | Begin | Given
FromModel: TypeAlias = Told | Ask | Made | Over | Logged | Lost | Refused
