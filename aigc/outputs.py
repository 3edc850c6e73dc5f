"""Completions to content: the model's raw text read as the form that its content type declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from aigc.characters import mended
from aigc.content import LINE, Output, OutputField, base_language, for_language
from aigc.dialogue import Said, fields_of, laid_out, said_in
from aigc.labels.visible import Label, Visible, label_for
from aigc.packs import Pack, render_template
from aigc.records import Completion, Content, OutputValue

_FENCE = "```"


def read_output(completion: Completion, pack: Pack, language: str, visible: Visible = "by_type") -> Completion:
    """`completion` with its content, or without where the text does not have the declared form.

    The content has its label beside it; `visible` is the setting that may set the type's own aside.

    An output that was cut off is closed only where nothing but closing brackets is missing: then the repair is exact.
    Characters that no reader would miss are left out of what is read. All that was done is in `repaired`; `text` is
    as the engine gave it.
    """
    if completion.fault:
        return completion
    output = pack.type.output
    label = label_for(pack.type.disclosure, language, visible)
    if output.format != "json":
        text, repaired = mended(completion.text, language)
        return msgspec.structs.replace(completion, content=_content(text.strip(), {}, label), repaired=repaired)
    fields, completion = _read_fields(completion, output, language)
    if fields is None:
        return completion
    return msgspec.structs.replace(completion, content=_content(_layout(fields, pack, language), fields, label))


def read_line(completion: Completion, output: Output, language: str) -> Completion:
    """`completion` with the line of a dialogue that it is, as its content's text; else as `read_output`."""
    if completion.fault:
        return completion
    fields, completion = _read_fields(completion, output, language)
    if fields is None:
        return completion
    return msgspec.structs.replace(completion, content=Content(text=str(fields[LINE]), fields=fields))


def dialogue_content(said: Sequence[Said], pack: Pack, language: str, visible: Visible = "by_type") -> Content:
    """The lines of a dialogue as its content, with its label beside it.

    Raises:
        TemplateError: the type's layout fails on them.
    """
    label, fields = label_for(pack.type.disclosure, language, visible), fields_of(said)
    has_layout = pack.template("layout", base_language(language)) is not None
    text = _layout(fields, pack, language) if has_layout else laid_out(said, language)
    return _content(text, fields, label)


def edited_text(fields: dict[str, OutputValue], pack: Pack, language: str) -> str:
    """The text of fields that a person edited, laid out as their content type has it.

    Raises:
        TemplateError: the type's layout fails on them.
    """
    if pack.type.output.format == "dialogue" and pack.template("layout", base_language(language)) is None:
        return laid_out(said_in(fields), language)
    return _layout(fields, pack, language)


def _read_fields(
    completion: Completion, output: Output, language: str
) -> tuple[dict[str, OutputValue] | None, Completion]:
    """The fields that a completion holds, if it does, and the completion with what was done to read them."""
    text, repaired = _unfenced(completion.text.strip())
    fields = _fields(text, output)
    if fields is None and completion.finish_reason == "length" and (closers := _missing_closers(text)):
        fields, repaired = _closed(text, closers, output), f"closed with {closers}"
    if fields is None:
        return None, msgspec.structs.replace(completion, content=None, repaired="")
    fields, notes = _mended_fields(fields, language)
    repaired, cut = "; ".join(filter(None, [repaired, *notes])), _cut_fields(fields, output, language)
    return fields, msgspec.structs.replace(completion, repaired=repaired, cut_fields=cut)


def _content(text: str, fields: dict[str, OutputValue], label: Label) -> Content:
    return Content(text=text, fields=fields, disclosure=label.text, place=label.place)


def _mended_fields(fields: dict[str, OutputValue], language: str) -> tuple[dict[str, OutputValue], list[str]]:
    """The fields with each text mended, and what was done to which."""
    notes: dict[str, None] = {}

    def clean(name: str, text: str) -> str:
        sound, done = mended(text, language)
        notes.update({f"{done} in {name}": None} if done else {})
        return sound

    def clean_entry(name: str, entry: str | dict[str, str]) -> str | dict[str, str]:
        return clean(name, entry) if isinstance(entry, str) else {key: clean(name, text) for key, text in entry.items()}

    sound: dict[str, OutputValue] = {
        name: clean(name, value) if isinstance(value, str) else [clean_entry(name, entry) for entry in value]
        for name, value in fields.items()
    }
    return sound, list(notes)


def _cut_fields(fields: dict[str, OutputValue], output: Output, language: str) -> dict[str, int]:
    """Fields with a text as long as its limit allows, and that limit in characters: a grammar ended those."""
    cut: dict[str, int] = {}
    for name, value in fields.items():
        for part, text in _texts(name, value):
            spec = output.fields[name] if part == name else output.fields[name].fields[part]
            longest = for_language(spec.max_chars, language)
            if longest and len(text) >= longest - 1:  # one less, since spaces at the ends are gone
                cut[part] = longest
    return cut


def _texts(name: str, value: OutputValue) -> Iterator[tuple[str, str]]:
    """Every text of a field with the name it was declared under."""
    for entry in [value] if isinstance(value, str) else value:
        yield from ((name, entry),) if isinstance(entry, str) else entry.items()


def _unfenced(text: str) -> tuple[str, str]:
    """A JSON object out of a Markdown code fence, as engines without grammars give it."""
    if not (text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text):
        return text, ""
    return text.split("\n", 1)[1].removesuffix(_FENCE).strip(), "code fence removed"


def _fields(text: str, output: Output) -> dict[str, OutputValue] | None:
    """The object's fields in declared order; None where it is no JSON or not of the declared form."""
    try:
        found = msgspec.json.decode(text, type=dict[str, str | list[str | dict[str, str]]])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    if found.keys() != output.fields.keys():
        return None
    values = {name: _value(found[name], field) for name, field in output.fields.items()}
    return {name: value for name, value in values.items() if value is not None} if None not in values.values() else None


def _value(found: str | list[str | dict[str, str]], field: OutputField) -> OutputValue | None:
    if isinstance(found, str):
        return found.strip() if field.type == "text" else None
    if field.type == "text" or not field.min_items <= len(found) <= field.max_items:
        return None
    if field.type == "list":
        texts = [entry.strip() for entry in found if isinstance(entry, str)]
        return texts if len(texts) == len(found) else None
    items = [{key: text.strip() for key, text in entry.items()} for entry in found if isinstance(entry, dict)]
    return items if len(items) == len(found) and all(item.keys() == field.fields.keys() for item in items) else None


def _closed(text: str, closers: str, output: Output) -> dict[str, OutputValue] | None:
    """The fields of a cut-off object. A list that is closed so is only known to be whole where it is full."""
    fields = _fields(text + closers, output)
    if fields is None or "]" not in closers:
        return fields
    last = [*msgspec.json.decode(text + closers, type=dict[str, object])][-1]
    return fields if len(fields[last]) == output.fields[last].max_items else None


def _missing_closers(text: str) -> str:
    """The brackets that are open at the end of `text`; empty where it ends inside a string or a value."""
    stack, in_string, escaped = [], False, False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            stack.append("}" if char == "{" else "]")
        elif char in "}]" and stack:
            stack.pop()
    if in_string or not text.rstrip().endswith(('"', "]", "}")):
        return ""
    return "".join(reversed(stack))


def _layout(fields: dict[str, OutputValue], pack: Pack, language: str) -> str:
    """The fields as the text that people read: the pack's layout template, else paragraphs and lists."""
    if pack.template("layout", base_language(language)) is None:
        return "\n\n".join(_plain(value) for value in fields.values()).strip()
    return render_template(pack, "layout", language, fields, after="; the texts made are kept")


def _plain(value: OutputValue) -> str:
    if isinstance(value, str):
        return value
    entries = [entry if isinstance(entry, str) else ": ".join(entry.values()) for entry in value]
    return "\n".join(f"- {entry}" for entry in entries)
