"""The schemas of the custom resources, out of the operators' own modules, and what an API server refuses by them.

versions.json is the matrix: the version which the embedded cluster runs, and a newer one where the module proxy serves
one. Only modules are downloaded, nothing is built.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from embedded.programs import SOURCES

Json = dict[str, Any]
Kind = tuple[str, str]  # apiVersion, kind

_METADATA: Json = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "namespace"],
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253},
        "namespace": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
    },
}


_IDENTITY: Json = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}


@dataclass(frozen=True)
class Release:
    """One version of a module with CRDs."""

    module: str
    pinned_by: str  # folder of embedded/programs
    crds: str  # folder inside of the module
    version: str = ""  # empty: the one which is pinned
    sum: str = ""

    def __str__(self) -> str:
        return f"{self.module.rpartition('/')[2]} {self.version or 'as pinned'}"

    @cache  # noqa: B019
    def schemas(self) -> Mapping[Kind, Json]:
        """Of every version that is served of every kind. Raises AssertionError without the module."""
        found: dict[Kind, Json] = {}
        for crd in self._documents():
            spec = crd["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    schema = version["schema"]["openAPIV3Schema"]
                    done = strict({**schema, "properties": {**schema.get("properties", {}), **_IDENTITY}})
                    done["properties"]["metadata"] = _METADATA
                    found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = done
        return found

    def _documents(self) -> Iterator[Json]:
        with zipfile.ZipFile(self._archive()) as archive:
            for name in sorted(archive.namelist()):
                folder, _, file = name.partition("@")[2].partition("/")[2].rpartition("/")
                if folder == self.crds and file.endswith(".yaml"):
                    documents = yaml.load_all(archive.read(name), yaml.CSafeLoader)
                    yield from (d for d in documents if d and d.get("kind") == "CustomResourceDefinition")

    def _archive(self) -> Path:
        """Go checks what is pinned against go.sum, and we the rest; of a module for a newer Go there is the archive."""
        module = f"{self.module}@{self.version}" if self.version else self.module
        command = ["go", "mod", "download", "-json", module]
        # Outside of any module the versions which one requires don't count.
        folder = Path("/") if self.version else SOURCES / self.pinned_by
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        answer: Json = json.loads(done.stdout) if done.stdout else {"Error": done.stderr}
        assert "Zip" in answer, f"{self}: {answer.get('Error')}"
        assert answer["Sum"] == (self.sum or answer["Sum"]), f"{self} is not what versions.json says"
        return Path(answer["Zip"])


def releases() -> list[Release]:
    """The matrix."""
    found: list[Release] = []
    for entry in json.loads(Path(__file__).with_name("versions.json").read_text()):
        newest = entry.pop("newest")
        found.append(Release(**entry))
        if newest:
            found.append(Release(**entry, **newest))
    return found


def strict(schema: Json) -> Json:
    """A structural schema as JSON Schema that refuses unknown fields, as strict field validation does."""
    if schema.get("x-kubernetes-embedded-resource"):
        raise NotImplementedError("a resource inside of a resource: none of ours has any")
    done = {
        key: value for key, value in schema.items() if not key.startswith("x-") and key not in ("nullable", "format")
    }
    if schema.get("x-kubernetes-int-or-string"):
        done["type"] = ["integer", "string"]
    if isinstance(schema.get("exclusiveMinimum"), bool):  # of draft 4, which OpenAPI 3.0 follows
        done.pop("exclusiveMinimum")
        if schema["exclusiveMinimum"]:
            done["exclusiveMinimum"] = done.pop("minimum")
    properties: Json = schema.get("properties", {})
    if properties:
        done["properties"] = {name: strict(child) for name, child in properties.items()}
        # Defaults are filled in before anything is checked.
        done["required"] = [name for name in schema.get("required", []) if "default" not in properties.get(name, {})]
    if isinstance(schema.get("additionalProperties"), dict):
        done["additionalProperties"] = strict(schema["additionalProperties"])
    elif schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields"):
        done["additionalProperties"] = bool(schema.get("additionalProperties", False))
    if "items" in schema:
        done["items"] = strict(schema["items"])
    if schema.get("nullable"):
        done = {"anyOf": [{"type": "null"}, done]}
    return done


def faults(release: Release, manifest: Json) -> list[str]:
    """Object, field, version of the schema, and what is allowed; for everything that the API server would refuse."""
    kind = manifest["apiVersion"], manifest["kind"]
    where = f"{manifest['kind']}/{manifest.get('metadata', {}).get('name')}"
    known = release.schemas()
    if kind not in known:
        served = ", ".join(sorted(version for version, name in known if name == kind[1])) or "nothing of that kind"
        return [f"{where}: {kind[0]} is not served by {release}, but {served}"]
    errors: Iterator[ValidationError] = Draft7Validator(known[kind]).iter_errors(manifest)
    return [f"{where} {_path(error)}: {_allowed(error)} ({kind[0]} of {release})" for error in errors]


def _path(error: ValidationError) -> str:
    return error.json_path.removeprefix("$.").removeprefix("$") or "itself"


def _allowed(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and isinstance(error.schema, dict):
        return f"{error.message}; allowed: {', '.join(sorted(error.schema.get('properties', ())))}"
    return f"{error.message}; allowed: {error.validator} {json.dumps(error.validator_value)[:200]}"
