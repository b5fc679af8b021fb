"""Read a Secret from a file."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from operations.errors import OperationError


def read(file: Path) -> tuple[dict[str, str], dict[str, str], dict[str, Any]]:
    """Return the variables of the one Secret in a manifest, the reason for each entry that is not text, and an escrow.

    The latter is what `make escrow` writes before the Secret, empty where there is none. Raises OperationError.
    """
    found = list(_objects(_documents(file)))
    escrow = next((item for item in found if "kind" not in item and isinstance(item.get("settings"), dict)), {})
    secrets = [item for item in found if item.get("kind") == "Secret"]
    if len(secrets) != 1:
        if any(item.get("kind") == "SealedSecret" for item in found):
            raise OperationError(
                f"{file} has a SealedSecret, which only its cluster can open: take the Secret that came out of it, "
                "kubectl get secret NAME -n NAMESPACE -o yaml"
            )
        raise OperationError(f"{file} has {len(secrets) or 'no'} Secret{'s' * (len(secrets) > 1)}: give exactly one")
    variables: dict[str, str] = {}
    not_text: dict[str, str] = {}
    for name, value in _section(secrets[0], "data", file).items():
        try:
            variables[name] = base64.b64decode("".join(value.split()), validate=True).decode()
        except UnicodeDecodeError:
            not_text[name] = "it is no text, so it is no variable"
        except (binascii.Error, ValueError):
            raise OperationError(f"{file}: data.{name} is not base64; text belongs to stringData") from None
    variables |= _section(secrets[0], "stringData", file)
    if not variables:
        raise OperationError(f"{file} has a Secret without data")
    return variables, {name: reason for name, reason in not_text.items() if name not in variables}, escrow


def _documents(file: Path) -> list[Any]:
    try:
        text = file.read_text()
    except OSError as error:
        raise OperationError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperationError(f"{file} is not text") from None
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        pass
    try:
        # Every scalar is read as text: here an unquoted 0123 or yes is neither a number nor a switch.
        return list(yaml.load_all(text, yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        where = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise OperationError(f"{file} is neither YAML nor JSON{where}") from None
    except (yaml.YAMLError, RecursionError):
        raise OperationError(f"{file} is neither YAML nor JSON") from None


def _objects(documents: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        match document:
            case {"kind": str(kind), "items": list(items)} if kind.endswith("List"):
                yield from _objects(items)
            case dict():
                yield document
            case _:
                pass  # an empty document


def _section(secret: Mapping[str, Any], name: str, file: Path) -> dict[str, str]:
    section = secret.get(name) or {}
    if not isinstance(section, dict):
        raise OperationError(f"{file}: {name} of the Secret holds no variables")
    for key, value in section.items():
        if not isinstance(value, str):
            raise OperationError(f"{file}: {name}.{key} is not text: put it in quotes")
    return section
