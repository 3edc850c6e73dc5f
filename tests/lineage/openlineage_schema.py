"""OpenLineage 2-0-2 as JSON Schema, made from the classes of its own Python client, which are made from its schema.

So the judge of our events is the specification's, and no copy of it goes stale here. What the client fills in by itself
(`producer`, `_producer` and the schemas' addresses) is demanded here, as the specification does, and a key that it does
not name is an error.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
import re
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated.base import BaseEvent, BaseFacet, RunEvent
from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields

Schema = dict[str, Any]
_FORMATS = {
    "runId": "uuid", "eventTime": "date-time", "nominalStartTime": "date-time", "nominalEndTime": "date-time",
    "producer": "uri", "_producer": "uri", "schemaURL": "uri", "_schemaURL": "uri", "uri": "uri",
}
_FILLED_IN = {BaseEvent: ["producer", "schemaURL"], BaseFacet: ["_producer", "_schemaURL"]}
_TYPES = {str: "string", int: "integer", bool: "boolean", float: "number"}
_SCHEMA_FIELD = "#/$defs/field"


def event_schema() -> Schema:
    """A RunEvent. A facet in it is anything that has what all facets have; `facet_schema` has each one's own."""
    return _of_class(RunEvent)


@cache
def facet_schema(address: str) -> Schema | None:
    """The schema of the facet that the specification has at `address`; None where it has none there."""
    return next((_of_class(cls) for cls in _facets(BaseFacet) if cls._get_schema() == address), None)


def check(value: object, schema: Schema) -> None:
    """Raise jsonschema's ValidationError where `value` does not keep to `schema`, its formats included."""
    whole = {**schema, "$defs": {"field": _of_class(SchemaDatasetFacetFields)}}
    jsonschema.validate(value, whole, jsonschema.Draft202012Validator, format_checker=FORMAT_CHECKER)


FORMAT_CHECKER = jsonschema.FormatChecker(["uuid"])


@FORMAT_CHECKER.checks("uri")
def is_uri(value: object) -> bool:
    """A URI with a scheme (RFC 3986), as far as its characters tell."""
    rest = r"([A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*"
    return re.fullmatch(f"[A-Za-z][A-Za-z0-9+.-]*:{rest}", str(value)) is not None


@FORMAT_CHECKER.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    """A time with its zone (RFC 3339)."""
    return "T" in str(value) and datetime.fromisoformat(str(value)).tzinfo is not None


def _facets(base: type) -> Iterator[type]:
    for module in pkgutil.iter_modules(generated.__path__):
        importlib.import_module(f"{generated.__name__}.{module.name}")
    for cls in base.__subclasses__():
        if "__attrs_attrs__" in vars(cls):  # attrs leaves the class behind that it made this one from
            yield cls
        yield from _facets(cls)


def _of_class(cls: type) -> Schema:
    hints = typing.get_type_hints(cls)
    fields = [field for field in attr.fields(cls) if field.name != "_deleted"]
    required = {field.name for field in fields if field.default is attr.NOTHING}
    required.update(name for base, names in _FILLED_IN.items() if issubclass(cls, base) for name in names)
    properties = {field.name: _of_type(hints[field.name]) | _format(field.name) for field in fields}
    return {"type": "object", "properties": properties, "required": sorted(required), "additionalProperties": False}


def _format(name: str) -> Schema:
    return {"format": _FORMATS[name]} if name in _FORMATS else {}


def _of_type(kind: Any) -> Schema:
    origin, arguments = typing.get_origin(kind), [part for part in typing.get_args(kind) if part is not type(None)]
    if origin in (types.UnionType, typing.Union) and len(arguments) == 1:
        return _of_type(arguments[0])
    if origin is list:
        return {"type": "array", "items": _of_type(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(arguments[1])}
    if kind in _TYPES:
        return {"type": _TYPES[kind]}
    if issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if issubclass(kind, BaseFacet):
        return _any_facet()
    return {"$ref": _SCHEMA_FIELD} if kind is SchemaDatasetFacetFields else _of_class(kind)


def _any_facet() -> Schema:
    uri = {"type": "string", "format": "uri"}
    return {"type": "object", "properties": {"_producer": uri, "_schemaURL": uri},
            "required": ["_producer", "_schemaURL"]}
