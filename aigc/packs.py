"""Template packs: a folder a content type, read into values and compiled templates, every fault named by file and line.

    templates/<type>/template.toml   fields, output, sampling, languages, limits, questions for the judge
    templates/<type>/system.j2 user.j2 [layout.j2]
    templates/<type>/user.zh.j2 …    the same in another language; without one the plain file serves
    templates/_shared/*.j2           parts that any of them may include

Templates are their authors' code and run sandboxed; cells are only ever values in them.
"""

from __future__ import annotations

import re
import tomllib
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox
import msgspec

from aigc.content import LINE, ContentType, Disclosure, FieldSpec, JudgeSpec, Length, Output, base_language, help_for
from aigc.errors import SettingsError, TemplateError, nearest, shown, writable
from aigc.hashing import digest, digest_files
from aigc.labels.visible import MOST_CHARS, words_problem
from aigc.records import Sampling, Value
from aigc.settings import FilterTables, SamplingPatch
from aigc.settings_ranges import check_sampling
from aigc.settings_reading import check_table

BUILT_IN_NAMES = ("tone", "audience", "keywords", "must_not_mention", "min_words", "max_words", "language")
"""Variables that every prompt template has beside its type's fields."""
RESERVED_FIELDS = frozenset({*BUILT_IN_NAMES, "id", "content_type", "variants"})
DIALOGUE_NAMES = ("speaker", "speaker_is", "partner", "partner_is", "line", "turn", "is_last")
"""Variables that the prompt templates of a dialogue have besides: who speaks, who heard what, and how far they are."""
_MANIFEST = "template.toml"
_RENDER_FAILURES = (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError,
                    RecursionError)
"""What a template raises that is broken for some values; RecursionError, where a macro calls itself for ever."""


class PackFile(Value, frozen=True, forbid_unknown_fields=True):
    """template.toml as written."""

    title: str
    summary: str = ""
    languages: list[str] = msgspec.field(default_factory=lambda: ["en"])
    fields: dict[str, FieldSpec] = {}
    output: Output = Output()
    sampling: SamplingPatch = SamplingPatch()
    length: Length = Length()
    filters: FilterTables = {}
    judge: JudgeSpec = JudgeSpec()
    disclosure: Disclosure = Disclosure()


class Pack:
    """One content type: its declaration and its compiled templates."""

    def __init__(self, folder: Path, environment: jinja2.Environment) -> None:
        self.folder = folder
        file = _read_manifest(folder)
        shared = sorted((folder.parent / "_shared").glob("*.j2"))
        own = sorted(path for path in folder.iterdir() if path.suffix == ".j2" or path.name == _MANIFEST)
        self.type = ContentType(
            name=folder.name,
            title=file.title,
            summary=file.summary,
            languages=file.languages,
            fields=file.fields,
            output=file.output,
            length=file.length,
            sampling=file.sampling.over(Sampling()),
            filters=file.filters,
            judge=file.judge,
            disclosure=file.disclosure,
            digest=digest([digest_files(own, folder), digest_files(shared, folder.parent)]),
        )
        self._templates = {
            path.name: _compile(path, environment, self._names(path)) for path in own if path.suffix == ".j2"
        }
        for name in ("system.j2", "user.j2"):
            if name not in self._templates:
                raise TemplateError(str(folder), f"no {name}", f"a {name} beside {_MANIFEST}", f"Add {folder / name}.")

    def template(self, part: str, language: str) -> jinja2.Template | None:
        """The template of `part` ("system", "user", "layout") for `language`, else the one for all, else None."""
        return self._templates.get(f"{part}.{language}.j2") or self._templates.get(f"{part}.j2")

    def _names(self, path: Path) -> frozenset[str]:
        """Variables that a template of this pack may use."""
        if path.name.startswith("layout."):
            return frozenset(self.type.output.whole)
        more = DIALOGUE_NAMES if self.type.output.format == "dialogue" else ()
        return frozenset([*self.type.fields, *BUILT_IN_NAMES, *more])


class Packs(Mapping[str, Pack]):
    """All content types of a templates folder, by name."""

    def __init__(self, packs: dict[str, Pack]) -> None:
        self._packs = packs
        self.types = {name: pack.type for name, pack in packs.items()}

    def __getitem__(self, name: str) -> Pack:
        return self._packs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packs)

    def __len__(self) -> int:
        return len(self._packs)


def render_template(
    pack: Pack, part: str, language: str, values: Mapping[str, object], *, subject: str = "", after: str = ""
) -> str:
    """`part` ("system", "user", "layout") of `pack` with `values`; empty where the pack has no such template.

    In errors `subject` follows the file, `after` ends the remedy. They name the exception's type and the line only:
    what it says may quote a cell.

    Raises:
        TemplateError: the template fails on these values.
    """
    template = pack.template(part, base_language(language))
    if template is None:
        return ""
    try:
        return template.render(values).strip()
    except _RENDER_FAILURES as exc:
        file, line = _failed_at(exc, pack.folder.parent)
        name = file.relative_to(pack.folder.parent).as_posix() if file else str(template.name)
        raise TemplateError(
            f"{pack.folder.parent / str(template.name)}{subject}",
            f"{type(exc).__name__} in line {line} of {name}",
            "a template that renders these values",
            f"Correct {name}{after}.",
        ) from None  # a traceback would have the cells again


def _failed_at(exc: Exception, root: Path) -> tuple[Path | None, int]:
    """The innermost template and line that `exc` came through; Jinja gives compiled templates their own frames."""
    file, number = None, 1
    for frame, line in traceback.walk_tb(exc.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.suffix == ".j2" and path.is_relative_to(root):
            file, number = path, line
    return file, number


def load_packs(root: Path) -> Packs:
    """Every pack under `root`.

    Raises:
        TemplateError: no pack at all, a broken template.toml, or a template that does not compile or names an
            unknown variable.
    """
    folders = sorted(path.parent for path in root.glob(f"*/{_MANIFEST}") if not path.parent.name.startswith("_"))
    if not folders:
        raise TemplateError(
            str(root),
            "no content type",
            f"folders that hold a {_MANIFEST}",
            "Give the right folder with --templates, or make one with `aigc init`.",
        )
    if strange := next((folder for folder in folders if writable(folder.name) != folder.name), None):
        raise TemplateError(str(strange), "a name that is not UTF-8", "a UTF-8 name", "Rename the folder.")
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        loader=jinja2.FileSystemLoader(root),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,  # a template that is edited while a run works must not change that run
        cache_size=-1,
        autoescape=False,  # prompts are plain text; HTML is escaped where HTML is written
    )
    return Packs({folder.name: Pack(folder, environment) for folder in folders})


def _read_manifest(folder: Path) -> PackFile:
    path = folder / _MANIFEST
    try:
        table = tomllib.loads(path.read_text("utf-8"))
        check_table(table, PackFile, str(path))
        file = msgspec.convert(table, PackFile)
        check_sampling(file.sampling.over(Sampling()), f"{path}, table sampling")
    except (OSError, UnicodeDecodeError) as exc:
        raise TemplateError(str(path), f"a file that cannot be read ({exc})", "UTF-8 TOML", "Correct it.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise TemplateError(str(path), f"broken TOML: {exc}", "valid TOML", "Correct the line named.") from exc
    except SettingsError as exc:
        raise TemplateError(exc.place, exc.found, exc.expected, exc.remedy) from exc
    _check(file, path)
    return file


def _check(file: PackFile, path: Path) -> None:
    """What types alone do not say."""

    def refuse(key: str, found: str, expected: str) -> None:
        raise TemplateError(f"{path}, key {key}", found, expected, "Correct it.")

    for name, spec in file.fields.items():
        if name in RESERVED_FIELDS:
            refuse(f"fields.{name}", "a name that every brief has already", "another name")
        if not name.isidentifier():
            refuse(f"fields.{name}", shown(name), "a name of letters, digits and _")
        if spec.type == "choice" and not spec.choices:
            refuse(f"fields.{name}.choices", "no choices", "a list of at least one")
    if not file.languages:
        refuse("languages", "no language", 'at least one, for example ["en"]')
    if file.output.format != "dialogue" and (file.output.format == "json") != bool(file.output.fields):
        refuse(
            "output.fields",
            f"{len(file.output.fields)} fields for format {file.output.format}",
            "fields for json, and none for text and markdown",
        )
    _check_dialogue(file, refuse)
    for name, field in file.output.fields.items():
        if (field.type == "items") != bool(field.fields):
            refuse(
                f"output.fields.{name}.fields",
                f"{len(field.fields)} fields for type {field.type}",
                "fields for items, and none for text and list",
            )
        if not 0 <= field.min_items <= field.max_items:
            refuse(f"output.fields.{name}.min_items", shown(field.min_items), f"0 to max_items, {field.max_items}")
    _check_questions(file, refuse)
    _check_label(file, refuse)


def _check_dialogue(file: PackFile, refuse: Callable[[str, str, str], None]) -> None:
    """A dialogue's form; its keys mean nothing in any other."""
    output, none = file.output, FieldSpec()
    if output.format != "dialogue":
        for key in ("speakers", "turns"):
            if getattr(output, key):
                refuse(f"output.{key}", f"a value for format {output.format}", "none but for format dialogue")
        return
    if {name: field.type for name, field in output.fields.items()} != {LINE: "text"}:
        refuse("output.fields", f"{len(output.fields)} fields, {', '.join(output.fields)}", f"one text, {LINE}")
    kinds = [file.fields.get(name, none).type for name in output.speakers]
    if kinds != ["persona", "persona"] or not all(file.fields[name].required for name in output.speakers):
        refuse("output.speakers", shown(output.speakers), "the names of two required fields of type persona")
    turns = file.fields.get(output.turns, none)
    if turns.type != "choice" or turns.default is None or not all(map(_is_even, turns.choices)):
        refuse("output.turns", shown(output.turns),
               "the name of a field of type choice with a default, whose choices are even numbers from 2 to 100")
    for name in file.fields:
        if name in DIALOGUE_NAMES:
            refuse(f"fields.{name}", "a name that the templates of every dialogue have already", "another name")


def _is_even(choice: str) -> bool:
    return choice.isascii() and choice.isdecimal() and 2 <= int(choice) <= 100 and int(choice) % 2 == 0


def _check_questions(file: PackFile, refuse: Callable[[str, str, str], None]) -> None:
    known = set[str]()
    for number, question in enumerate(file.judge.questions, 1):
        key = f"judge.questions[{number}]"
        if not re.fullmatch("[a-z][a-z0-9_]*", question.id):
            refuse(f"{key}.id", shown(question.id), "a name of small letters, digits and _, which reports will show")
        if question.id in known:
            refuse(f"{key}.id", f"{shown(question.id)} a second time", "another name")
        known.add(question.id)
        for language in file.languages:
            if not help_for(question.text, language).strip():
                refuse(f"{key}.text", f"no question in {language}", "one, or one in English for every language")


def _check_label(file: PackFile, refuse: Callable[[str, str, str], None]) -> None:
    for language, text in file.disclosure.text.items():
        if problem := words_problem(text):
            refuse(f"disclosure.text.{language}", problem, f"a label on one line, of at most {MOST_CHARS} characters")


def _compile(path: Path, environment: jinja2.Environment, known: frozenset[str]) -> jinja2.Template:
    """Compile a template, and refuse a variable that no brief can fill."""
    try:
        template = environment.get_template(f"{path.parent.name}/{path.name}")
        tree = environment.parse(path.read_text("utf-8"), str(path))
        for name in sorted(_variables(tree, environment) - known):
            line = next((node.lineno for node in tree.find_all(jinja2.nodes.Name) if node.name == name), 1)
            raise TemplateError(
                f"{path} line {line}",
                f"the undeclared variable {shown(name)}",
                "one of " + ", ".join(sorted(known)),
                f"Correct it or declare it in {_MANIFEST}.{nearest(name, sorted(known))}",
            )
        return template
    except jinja2.TemplateSyntaxError as exc:
        raise TemplateError(
            f"{exc.filename or path} line {exc.lineno}",
            f"broken Jinja: {(exc.message or 'no more is known').rstrip('.')}",
            "valid Jinja",
            "Correct that line.",
        ) from exc
    except jinja2.TemplateNotFound as exc:
        raise TemplateError(
            str(path),
            f"an include of {shown(exc.name)}, which is not there",
            "a file under the templates folder",
            "Correct the name.",
        ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise TemplateError(
            str(path), f"a file that cannot be read ({exc})", "a UTF-8 text file", "Correct it."
        ) from exc


def _variables(tree: jinja2.nodes.Template, environment: jinja2.Environment) -> set[str]:
    """Variables that a template and the parts it includes read without setting them."""
    names = set(jinja2.meta.find_undeclared_variables(tree))
    for included in jinja2.meta.find_referenced_templates(tree):
        if included and environment.loader:
            environment.get_template(included)  # now, not at the first prompt: it may be edited until then
            source, filename, _ = environment.loader.get_source(environment, included)
            names |= _variables(environment.parse(source, included, filename), environment)
    return names
