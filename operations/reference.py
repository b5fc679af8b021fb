"""Writes down what a stack may say, as the settings have it: for readers, for editors, and for Pulumi's engine."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from operations.pulumi import PROJECT, ROOT, Stack
from settings import Settings
from settings.machinery.environment import homes, parts, variable_of
from settings.machinery.types import PEM, Form, Section
from settings.machinery.variables import FORMS, OWNED, REFUSED
from settings.secrets import SECRETS, Secrets

Schema = dict[str, Any]  # JSON Schema

MARKDOWN, SCHEMA, PROJECT_FILE = "docs/configuration.md", "docs/stack.schema.json", "Pulumi.yaml"
_DEFINITIONS = "#/definitions/"


def run(stack: Stack | None, arguments: argparse.Namespace) -> int:
    """Rewrites the files; 0."""
    for file, text in files(ROOT).items():
        file.write_text(text)
    return 0


def files(root: Path) -> Mapping[Path, str]:
    """What each of the files is to contain."""
    head, _, _ = (root / PROJECT_FILE).read_text().partition("\nconfig:\n")
    return {
        root / MARKDOWN: markdown(),
        root / SCHEMA: schema(),
        root / PROJECT_FILE: f"{head.rstrip()}\n{project_config()}",
    }


# --- for the engine --------------------------------------------------------------------------------------------------


def project_config() -> str:
    """The block `config:` of Pulumi.yaml: every key, so that `pulumi config` knows it and keeps secrets encrypted."""
    lines = [
        "config:",
        "  # The ambient kubectl context would decide where a resource goes that names no provider.",
        '  pulumi:disable-default-providers: {value: ["*"]}',
        f"  # What follows is made by `make reference` from settings/; {MARKDOWN} says more.",
    ]
    for key, field in _settings().items():
        lines.append(f"  {PROJECT}:{key}:")
        # A type would have the engine refuse a stack without the key: it takes the default for an unencrypted value.
        lines += ["    secret: true", '    default: ""'] if key in SECRETS else ["    type: object", "    default: {}"]
        lines.append(f"    description: {json.dumps(_about(field), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


# --- for editors -----------------------------------------------------------------------------------------------------


def schema() -> str:
    """JSON Schema, draft 7, of Pulumi.<stack>.yaml. Of rules over several keys it knows nothing."""
    model = _edited(Settings.model_json_schema(by_alias=True))
    properties: Schema = model["properties"]
    for key in SECRETS:
        properties[key] = _encrypted(properties[key])
    for key, field in _settings().items():
        properties[key]["description"] = _about(field)
    whole: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"A stack of {PROJECT}",
        "type": "object",
        "additionalProperties": False,
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "additionalProperties": False,
                "required": [f"{PROJECT}:{key}" for key in model["required"]],
                "properties": {f"{PROJECT}:{key}": value for key, value in properties.items()},
                "patternProperties": {rf"^(?!{PROJECT}:)[^:]+:.+$": {}},
            },
            "encryptionsalt": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "secretsprovider": {"type": "string"},
            "environment": {"type": ["array", "object"], "description": "Environments of Pulumi ESC."},
        },
        "definitions": {"encrypted": _ENCRYPTED, **model["$defs"]},
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


_ENCRYPTED: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["secure"],
    "properties": {"secure": {"type": "string"}},
    "errorMessage": "Secrets are encrypted: pulumi config set --secret",
}


def _encrypted(node: Schema) -> Schema:
    """The whole encrypted, or of a list or a mapping each secret in it."""
    secure: Schema = {"$ref": f"{_DEFINITIONS}encrypted"}
    if "$ref" in node.get("items", {}):
        replica: Schema = {
            "type": "object",
            "additionalProperties": False,
            "required": ["uri"],
            "properties": {"uri": secure, "authority": {"anyOf": [{"type": "string"}, secure]}},
        }
        return {"anyOf": [secure, {"type": "array", "items": replica}]}
    if patterns := node.get("patternProperties"):
        each: Schema = {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": dict.fromkeys(patterns, secure),
        }
        return {"anyOf": [secure, {**each, "not": {"required": ["secure"]}}]}
    return {"allOf": [secure]}


def _edited(node: Any, name: str = "") -> Any:
    """Draft 7, and as lenient as the loader is."""
    if isinstance(node, list):
        return [_edited(item) for item in node]
    if not isinstance(node, dict):
        return node
    if name in ("properties", "$defs", "patternProperties"):
        return {key: _edited(value) for key, value in node.items()}
    found = {key: _edited(value, key) for key, value in node.items()
             if key not in ("title", "discriminator", "format", "writeOnly", "propertyNames")}  # fmt: skip
    if isinstance(found.get("default"), dict | list) or found.get("default", "") is None:
        del found["default"]
    choices = [choice for choice in found.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del found["anyOf"]
        found = {**choices[0], **found}
    if "$ref" in found:
        reference = found.pop("$ref").replace("#/$defs/", _DEFINITIONS)
        found = {"allOf": [{"$ref": reference}], **found} if found else {"$ref": reference}
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if "const" in found.get("properties", {}).get("kind", {}):
        found["required"] = ["kind", *found.get("required", [])]
    return _with_numbers(found)


def _with_numbers(node: Schema) -> Schema:
    """`pulumi config set --path` writes 2 for "2"; the loader takes it back wherever a text of digits is meant."""
    if node.get("type") != "string" or "const" in node:
        return node
    if "enum" in node:
        numbers = [int(choice) for choice in node["enum"] if choice.isdigit()]
        return {**node, "type": ["string", "integer"], "enum": node["enum"] + numbers} if numbers else node
    digits = ("2" * length for length in range(1, 16))  # which a number of JSON keeps as they are
    fits = any(re.search(node.get("pattern", ""), number) for number in digits)
    return {**node, "type": ["string", "number"]} if fits else node


# --- for readers -----------------------------------------------------------------------------------------------------

_INTRODUCTION = f"""\
# What a stack may say

Made from [settings/](../settings) by `make reference`; change the settings, not this file.

A stack is `Pulumi.<stack>.yaml`. Each key below stands under `config:` as `{PROJECT}:<key>`. Edit the file, with an
editor that checks it while you type ([stack.schema.json](stack.schema.json)), or use
`pulumi config set --path '{PROJECT}:database.storage' 20Gi`. Whatever is wrong is reported at once, with
the command that puts it right, before anything is created.

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
    """docs/configuration.md."""
    text = [_INTRODUCTION % _plain(ROOT / "Pulumi.prod.yaml")]
    for key, field in _settings().items():
        if key not in SECRETS:
            text += [f"## {key}\n", f"{_about(field)}\n"]
            text += [_table(_COLUMNS, _rows(field)), ""]
    return "\n".join([*text, *_secrets(), *_variables()]).rstrip() + "\n"


def _plain(stack: Path) -> str:
    """The configuration of a stack file as it stands there, without comments, encrypted keys and what decrypts them."""
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
        path = {"extraSecrets": ".NAME", "databaseReadReplicas": "[0].uri"}.get(key, "")
        command = f"pulumi config set{' --path' if path else ''} --secret '{PROJECT}:{key}{path}'"
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
    takes = ((f"`{name}`", words) for name, (_, words) in sorted(FORMS.items()))
    yield _table(("Variable", "What it takes"), takes)


def _reasoned(variables: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Names of settings as code."""
    keys = {*homes().values(), *SECRETS, "mail.tls", "signOn.saml", "infisical.readReplicas"}
    pattern = "|".join(rf"\b{re.escape(key)}\b" for key in sorted(keys, key=len, reverse=True))
    for name, why in sorted(variables.items()):
        yield f"`{name}`", re.sub(pattern, r"`\g<0>`", _sentences(why))


def _rows(field: FieldInfo, above: str = "") -> Iterator[tuple[str, ...]]:
    """Every setting in the sections that a field may hold."""
    if not parts(field):
        yield ("`NAME`", "text", "", _reasons(field), "`NAME`")
    for part in parts(field):
        for name, inner in part.by_key().items():
            key = f"{above}{name}"
            if inside := _sections(inner):
                for section in inside:
                    kind = section.model_fields.get("kind")
                    tag = f" of kind `{kind.default}`" if kind else ""
                    default = "**required**" if inner.is_required() else _default_kind(inner, kind)
                    yield (f"`{key}`", f"section{tag}", default, _sentences(inner.description, section.__doc__), "")
                    yield from (row for row in _rows_of(section, f"{key}.") if not row[0].endswith(".kind`"))
            else:
                yield _row(part, key, inner)


def _rows_of(section: type[Section], above: str) -> Iterator[tuple[str, ...]]:
    for key, field in section.by_key().items():
        yield _row(section, f"{above}{key}", field)


def _row(section: type[Section], key: str, field: FieldInfo) -> tuple[str, ...]:
    default = "**required**" if field.is_required() else _shown(field.default)
    node = _node(section, key.rpartition(".")[2])
    return (f"`{key}`", _type(node), default, _why(field), _variable(field))


def _type(node: Schema) -> str:
    """In words."""
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"] if isinstance(choice, str))
    if node.get("contentMediaType") == PEM:
        return "PEM, several lines"
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
    return _sentences(field.description, _reasons(field))


def _reasons(field: FieldInfo) -> str:
    return " ".join(dict.fromkeys(_sentences(form.reason) for form in _forms(field.annotation, *field.metadata)))


def _forms(annotation: Any, *metadata: object) -> Iterator[Form]:
    """The checks of a field's type, wherever in it they are."""
    yield from (item for item in metadata if isinstance(item, Form))
    if get_origin(annotation) is Annotated:
        yield from _forms(annotation.__origin__, *annotation.__metadata__)
    else:
        for argument in get_args(annotation):
            yield from _forms(argument)


def _sentences(*texts: str | None) -> str:
    """Each begins with a capital and ends with a full stop."""
    found = [re.sub(r"\s+", " ", text).strip() for text in texts if text]
    found = [text[0].upper() + text[1:] if re.match(r"[a-z]+[ ,:](?!/)", text) else text for text in found]
    return " ".join(text if text.endswith(".") else f"{text}." for text in found)


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
    """Says which of several sections is there if none is given."""
    return "default" if kind and getattr(field.default, "kind", None) == kind.default else ""


def _sections(field: FieldInfo) -> list[type[Section]]:
    """Those which the field holds itself, not in a list."""
    return [] if get_origin(field.annotation) is tuple else parts(field)


def _node(section: type[Section], key: str) -> Schema:
    return _edited(section.model_json_schema(by_alias=True))["properties"][key]


def _about(field: FieldInfo) -> str:
    """Of a key at the top: what its section says of itself, and what the field adds."""
    sections = _sections(field)
    return _sentences(*(section.__doc__ for section in sections), field.description)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _settings() -> Mapping[str, FieldInfo]:
    """The keys at the top: sections first, the encrypted ones behind them."""
    return dict(sorted(Settings.by_key().items(), key=lambda item: item[0] in SECRETS))
