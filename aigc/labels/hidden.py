"""The hidden label of GB 45438-2025, annex E: seven texts that say that a machine made something, and for whom."""

from __future__ import annotations

import re

import msgspec

from aigc.records import Value
from aigc.settings import LabelSettings

KEY = "AIGC"
"""Name of the metadata field that holds a label, and of the label's own object."""
_OUTSIDE = re.compile(r"[^\x21\x23-\x5B\x5D-\x7E]")
"""Annex E j) has 0x21, 0x23 to 0x5B, 0x5D to 0x7E: no space, quotation mark or backslash."""


class HiddenLabel(Value, frozen=True, rename={
    "label": "Label", "producer": "ContentProducer", "produce_id": "ProduceID", "reserved_1": "ReservedCode1",
    "propagator": "ContentPropagator", "propagate_id": "PropagateID", "reserved_2": "ReservedCode2",
}):
    """A label. `label` is `1` where a machine made the content, `2` where it may have, `3` where that is suspected.

    As long as nobody has passed the content on, the propagator is the producer and its number the producer's:
    annex E, note 1.
    """

    label: str = "1"
    producer: str = ""
    produce_id: str = ""
    reserved_1: str = ""
    propagator: str = ""
    propagate_id: str = ""
    reserved_2: str = ""

    def numbered(self, produce_id: str) -> HiddenLabel:
        """The same label on another piece of content."""
        number = allowed_text(produce_id)
        return msgspec.structs.replace(self, produce_id=number, propagate_id=number)


FIELDS = msgspec.structs.fields(HiddenLabel)


def label_of(settings: LabelSettings, produce_id: str) -> HiddenLabel | None:
    """The label of content that this project makes; None where settings ask for none.

    `produce_id` is the content's number at the producer: characters that a label may not hold become `%E7`.
    """
    if not settings.hidden:
        return None
    producer = settings.provider_code or settings.producer
    blank = HiddenLabel(producer=producer, propagator=settings.propagator or producer)
    return blank.numbered(produce_id)


def allowed_text(text: str) -> str:
    """`text` in the characters of a label; all others as the bytes of UTF-8 in hexadecimal, as URLs have them."""
    return _OUTSIDE.sub(lambda char: "".join(f"%{byte:02X}" for byte in char[0].encode("utf-8", "replace")), text)


def is_allowed(text: str) -> bool:
    """Whether a label may hold `text` as it is."""
    return not _OUTSIDE.search(text)


def label_text(label: HiddenLabel) -> str:
    """`{"AIGC":{"Label":"1",…}}`, which is what the standard says of a metadata field's value."""
    return msgspec.json.encode({KEY: label}).decode()


def label_fields(label: HiddenLabel) -> dict[str, str]:
    """The label's fields under the standard's names, in its order."""
    return {field.encode_name: getattr(label, field.name) for field in FIELDS}
