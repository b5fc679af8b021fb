"""Constrained types of what a cluster asks of pods: labels, registries and the log-in to them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from settings.machinery.forms import DNS_NAME, as_written, matching

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_FOLDER = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"
_PREFIX = rf"(?=[^/]{{1,253}}/){DNS_NAME}"

LabelKey = Annotated[
    str,
    matching(
        rf"({_PREFIX}/)?{_NAME}",
        "Write a label's name, with or without a prefix: team, or example.org/team. Each part begins and ends with a "
        "letter or digit",
    ),
]
LabelValue = Annotated[
    str,
    BeforeValidator(as_written),
    matching(rf"({_NAME})?", "Write at most 63 letters, digits, '-', '_' and '.'. No other value is a label's"),
]
Registry = Annotated[
    str,
    matching(
        rf"(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))(:\d+)?(/{_FOLDER})*",
        "Write a registry's host, with or without port and folder, as in registry.example.org:5000/mirror",
    ),
]


def _docker_config(value: SecretStr) -> SecretStr:
    reason = (
        'Write the JSON of a docker config.json: {"auths": {"registry.example.org": {"username": …, "password": …}}}, '
        "as `kubectl create secret docker-registry --dry-run=client -o json` makes it"
    )
    try:
        found: Any = json.loads(value.get_secret_value())
        auths = found["auths"]
        whole = bool(auths) and all(
            each.get("auth") or (each.get("username") and each.get("password")) for each in auths.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(reason) from None
    if not whole:
        raise ValueError(reason)
    return value


RegistryCredentials = Annotated[SecretStr, AfterValidator(_docker_config)]
