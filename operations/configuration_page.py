"""Write docs/configuration.md, for readers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from operations.descriptions import about, by_key, sections, sentences
from operations.editor_schema import Schema, edited
from operations.pulumi import PROJECT, ROOT
from settings.machinery.commands import Commands
from settings.machinery.forms import PEM, Form
from settings.machinery.schema import sections_in, setting_by_variable, variable_of
from settings.machinery.types import Section
from settings.machinery.variable_forms import FORMS
from settings.machinery.variables import OWNED, REFUSED
from settings.secrets import SECRETS, Secrets

_COMMANDS = Commands(PROJECT, "mine")
_INTRODUCTION = f"""\
# What a stack may say

Made from [settings/](../settings) by `make reference`; change the settings, not this file.

A stack is `Pulumi.<stack>.yaml`. Each key below stands under `config:` as `{PROJECT}:<key>`. Edit the file, with an
editor that checks it while you type ([stack.schema.json](stack.schema.json)), or use
`{_COMMANDS.set("database.storage", "20Gi")}`.
Whatever is wrong is reported at once, with the command that puts it right, before anything is created.

The smallest stack:

```yaml
config:
  {PROJECT}:infisical: {{siteUrl: https://secrets.example.org}}
  {PROJECT}:ingress: {{issuer: {{kind: existing, name: letsencrypt-prod}}}}
```

A larger one, `Pulumi.prod.yaml`:

```yaml
%s
```
"""


def markdown() -> str:
    """Return the page."""
    text = [_INTRODUCTION % _plain(ROOT / "Pulumi.prod.yaml")]
    for key, field in by_key().items():
        if key not in SECRETS:
            text += [f"## {key}\n", f"{about(field)}\n"]
            text += [_table(_COLUMNS, _rows(field)), ""]
    return "\n".join([*text, *_secrets(), *_variables()]).rstrip() + "\n"


def _plain(stack: Path) -> str:
    """Return the configuration of a stack file as it stands there, without comments and encrypted keys."""
    blocks = re.split(r"\n(?=  \S)", re.sub(r"(?m)^\s*#.*\n", "", stack.read_text()).partition("config:\n")[2])
    config = [re.split(r"\n(?=\S)", block)[0].strip("\n") for block in blocks]
    return "config:\n" + "\n".join(block for block in config if not re.search(r"\bsecure:", block))


_COLUMNS = ("Key", "Type", "Default", "What and why", "Variable")


def _secrets() -> Iterator[str]:
    yield "## Encrypted keys\n"
    yield (
        "Keys of their own at the top: within a section they would lose their encryption in the state. The command\n"
        "asks for the value, or reads it from a pipe or a file (`< key.pem`); it never stands on a command line.\n"
    )
    rows: list[tuple[str, ...]] = []
    for key, field in Secrets.by_key().items():
        path = {"extraSecrets": ".NAME", "generatedValues": ".NAME", "databaseReadReplicas": "[0].uri"}.get(key, "")
        command = _COMMANDS.set(f"{key}{path}", secret=True)
        rows.append((f"`{key}`", _type(_node(Secrets, key)), _why(field), _variable(field), f"`{command}`"))
    yield _table(("Key", "Type", "What and why", "Variable", "Command"), rows)
    yield "\nEach entry of `databaseReadReplicas`:\n"
    yield _table(_COLUMNS, _rows(Secrets.model_fields["database_read_replicas"]))
    yield ""


def _variables() -> Iterator[str]:
    yield "## Variables of your own\n"
    yield (
        "`extraEnvironment` and `extraSecrets` take any variable of Infisical that has no setting above; one that has\n"
        "is refused with the setting's name. The program itself sets these, so they are refused too:\n"
    )
    yield _table(("Variable", "Why, and what to use"), _reasoned(OWNED))
    yield "\nRefused, because they do nothing or harm:\n"
    yield _table(("Variable", "Why, and what to use"), _reasoned(REFUSED))
    yield "\nChecked, because Infisical ends at any other value or reads it as false:\n"
    takes = ((f"`{name}`", form.words) for name, form in sorted(FORMS.items()))
    yield _table(("Variable", "What it takes"), takes)


def _reasoned(variables: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Yield variables with their reasons, in which names of settings are code."""
    keys = {*setting_by_variable().values(), *SECRETS, "mail.tls", "signOn.saml", "infisical.readReplicas"}
    pattern = "|".join(rf"\b{re.escape(key)}\b" for key in sorted(keys, key=len, reverse=True))
    for name, why in sorted(variables.items()):
        yield f"`{name}`", re.sub(pattern, r"`\g<0>`", sentences(why))


def _rows(field: FieldInfo) -> Iterator[tuple[str, ...]]:
    """Yield a row for every setting in the sections that a field may hold."""
    if not sections_in(field):
        yield ("`NAME`", "text", "", _reasons(field), "`NAME`")
    for section in sections_in(field):
        yield from _rows_of(section, "")


def _rows_of(section: type[Section], above: str) -> Iterator[tuple[str, ...]]:
    """Yield a row for every setting of a section and of those inside, one by one or in a list."""
    for name, field in section.by_key().items():
        key = f"{above}{name}"
        if not (inside := sections_in(field)):
            yield _row(section, key, field)
        for part in inside:
            kind = part.model_fields.get("kind")
            shape = "section" if sections(field) else "list of sections"
            tag = f" of kind `{kind.default}`" if kind else ""
            default = "**required**" if field.is_required() else _default_kind(field, kind)
            yield (f"`{key}`", f"{shape}{tag}", default, sentences(field.description, part.__doc__), "")
            yield from (row for row in _rows_of(part, f"{key}.") if not row[0].endswith(".kind`"))


def _row(section: type[Section], key: str, field: FieldInfo) -> tuple[str, ...]:
    default = "**required**" if field.is_required() else _shown(field.default)
    node = _node(section, key.rpartition(".")[2])
    return (f"`{key}`", _type(node), default, _why(field), _variable(field))


def _type(node: Schema) -> str:
    """Return the type in words."""
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"] if isinstance(choice, str))
    if node.get("contentMediaType") == PEM:
        return "PEM, several lines"
    if "allOf" in node:
        return "as in a pod"
    match node.get("type"):
        case "boolean":
            return "`true`, `false`"
        case "integer":
            low, high = node.get("minimum"), node.get("maximum")
            return f"number, {low} to {high}" if high is not None else f"number, at least {low}"
        case "array":
            items = node["items"]
            return "list" if "allOf" in items or "$ref" in items else f"list of {_type(items)}"
        case "object":
            return "variables"
        case _:
            return "text"


def _why(field: FieldInfo) -> str:
    return sentences(field.description, _reasons(field))


def _reasons(field: FieldInfo) -> str:
    return " ".join(dict.fromkeys(sentences(form.reason) for form in _forms(field.annotation, *field.metadata)))


def _forms(annotation: Any, *metadata: object) -> Iterator[Form]:
    """Yield the checks of a field's type, wherever in it they are."""
    yield from (item for item in metadata if isinstance(item, Form))
    if get_origin(annotation) is Annotated:
        yield from _forms(annotation.__origin__, *annotation.__metadata__)
    else:
        for argument in get_args(annotation):
            yield from _forms(argument)


def _variable(field: FieldInfo) -> str:
    variable = variable_of(field)
    if not variable:
        return ""
    return f"`{variable.name}`" + (f" since {variable.since}" if variable.since else "")


def _shown(default: object) -> str:
    if default in (None, (), {}) or isinstance(default, Section):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _default_kind(field: FieldInfo, kind: FieldInfo | None) -> str:
    """Return which of several sections a stack has when it gives none."""
    return "default" if kind and getattr(field.default, "kind", None) == kind.default else ""


def _node(section: type[Section], key: str) -> Schema:
    return edited(section.model_json_schema(by_alias=True))["properties"][key]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
