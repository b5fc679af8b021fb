"""Reads a stack's configuration whole and reports all that is wrong with it at once."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field, ValidationError, model_validator

from settings.cluster import ClusterSettings, JobSettings
from settings.database import DatabaseSettings
from settings.infisical import InfisicalSettings
from settings.ingress import IngressSettings, LetsEncrypt
from settings.redis import RedisSettings
from settings.types import Section

_TAGS = {"existing", "letsEncrypt", "ingress", "gateway"}


class Settings(Section):
    """A whole stack."""

    cluster: ClusterSettings = ClusterSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    infisical: InfisicalSettings = Field(description="Needs at least siteUrl.")
    ingress: IngressSettings = Field(description="Needs at least issuer.")
    jobs: JobSettings = JobSettings()

    @model_validator(mode="after")
    def _parts_fit(self) -> Settings:
        if self.infisical.read_replicas and self.database.instances < 2:
            raise ValueError("infisical.readReplicas: database.instances is 1, so there is no replica to read from")
        if isinstance(self.ingress.issuer, LetsEncrypt) and self.ingress.route.kind == "gateway":
            raise ValueError("ingress.issuer.kind: HTTP-01 is answered through an Ingress; take an existing issuer")
        return self


class SettingsError(Exception):
    """Everything that is wrong with a stack's configuration, one line a key, sorted; never a value."""


def load(project: str, configuration: Mapping[str, str]) -> Settings:
    """Parses `configuration`, as the engine hands it over: "project:key" to a string, JSON where it is structured.

    Raises SettingsError.
    """
    prefix = f"{project}:"
    # What is missing is reported by the keys that a user can set, so the required sections are there in any case.
    own: dict[str, Any] = {"infisical": {}, "ingress": {}}
    own |= {key.removeprefix(prefix): _parse(value) for key, value in configuration.items() if key.startswith(prefix)}
    if isinstance(own["ingress"], dict):
        own["ingress"] = {"issuer": {}} | cast("dict[str, Any]", own["ingress"])
    try:
        return Settings.model_validate(own)
    except ValidationError as error:
        lines = sorted({_line(project, dict(entry)) for entry in error.errors(include_input=False, include_url=False)})
        raise SettingsError("this stack's configuration can't be used:\n" + "\n".join(lines)) from None


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _line(project: str, error: dict[str, Any]) -> str:
    location = [f"[{part}]" if isinstance(part, int) else part for part in error["loc"]]
    # A choice puts its tag into the location; the stack file has no such level.
    path = location[:1] + [part for part in location[1:] if part not in _TAGS]
    message = error["msg"].removeprefix("Value error, ")
    if rule := re.match(r"([a-zA-Z.]+): ", message):  # a rule over several keys names the one to change
        path, message = path + rule[1].split("."), message[rule.end() :]
    if error["type"] == "union_tag_invalid":
        path, message = [*path, "kind"], f"input should be {error['ctx']['expected_tags']}"
    if error["type"] == "union_tag_not_found":
        path, error["type"] = [*path, "kind"], "missing"
    key = _key(path)
    if error["type"] == "extra_forbidden":
        return f"- {key}: no such key{_suggestion(path)}; remove it: {_command('rm', project, path)}"
    if error["type"] == "missing":
        return f"- {key}: required, but not set; set it: {_command('set', project, path)} VALUE"
    return f"- {key}: {message[:1].lower()}{message[1:]}; change it: {_command('set', project, path)} VALUE"


def _key(path: list[str]) -> str:
    return ".".join(path).replace(".[", "[")


def _command(verb: str, project: str, path: list[str]) -> str:
    key = _key(path)
    flag = " --path" if len(path) > 1 else ""
    return f"pulumi config {verb}{flag} '{project}:{key}'"


def _suggestion(path: list[str]) -> str:
    section: Any = Settings
    for part in path[:-1]:
        field = next((f for f in section.model_fields.values() if f.alias == part), None)
        section = field.annotation if field else None
        if not (isinstance(section, type) and issubclass(section, Section)):
            return ""
    known = [field.alias or name for name, field in section.model_fields.items()]
    close = difflib.get_close_matches(path[-1], known, 1, 0.5)
    return f" (did you mean {close[0]}?)" if close else ""
