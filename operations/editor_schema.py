"""Write docs/stack.schema.json, for the editors that check a stack file while it is typed."""

from __future__ import annotations

import json
import re
from typing import Any

from operations.descriptions import about, by_key
from operations.pulumi import PROJECT
from settings import Settings
from settings.secrets import SECRETS

Schema = dict[str, Any]  # JSON Schema

_DEFINITIONS = "#/definitions/"
_UNSAID = "operator"  # the kind of a section that says none (settings/external.py)


def schema() -> str:
    """Return the JSON Schema (draft 7) of Pulumi.<stack>.yaml. It has no rule over several keys."""
    model = edited(Settings.model_json_schema(by_alias=True))
    properties: Schema = model["properties"]
    for key in SECRETS:
        properties[key] = _encrypted(properties[key])
    for key, field in by_key().items():
        properties[key]["description"] = about(field)
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
                "patternProperties": {
                    rf"^(?!{PROJECT}:)[^:]+:.+$": {},
                    rf"^{PROJECT}:(?!({'|'.join(properties)})$)[A-Za-z][A-Za-z0-9_-]*$": _OF_APPLICATIONS,
                },
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
_OF_APPLICATIONS: Schema = {
    **_ENCRYPTED,
    "description": "An encrypted value that applications name: {from: this key}.",
    "errorMessage": "This key is not allowed, unless it is encrypted and applications take a value {from: it}",
}


def _encrypted(node: Schema) -> Schema:
    """Return the schema of a value that is encrypted as a whole, or item by item in a list or a mapping."""
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


def edited(node: Any, name: str = "") -> Any:
    """Return the node in draft 7, and as lenient as the loader is."""
    if isinstance(node, list):
        return [edited(item) for item in node]
    if not isinstance(node, dict):
        return node
    if name in ("properties", "$defs", "patternProperties"):
        return {key: edited(value) for key, value in node.items()}
    found = {
        key: edited(value, key)
        for key, value in node.items()
        if key not in ("title", "discriminator", "format", "writeOnly", "propertyNames")
    }
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
    if found.get("properties", {}).get("kind", {}).get("const", _UNSAID) != _UNSAID:
        found["required"] = ["kind", *found.get("required", [])]
    return _with_numbers(found)


def _with_numbers(node: Schema) -> Schema:
    """Allow numbers where the loader does: `pulumi config set --path` writes 2 for "2"."""
    if node.get("type") != "string" or "const" in node:
        return node
    if "enum" in node:
        numbers = [int(choice) for choice in node["enum"] if choice.isdigit()]
        return {**node, "type": ["string", "integer"], "enum": node["enum"] + numbers} if numbers else node
    digits = ("2" * length for length in range(1, 16))  # a number of JSON keeps these as they are
    fits = any(re.search(node.get("pattern", ""), number) for number in digits)
    return {**node, "type": ["string", "number"]} if fits else node
