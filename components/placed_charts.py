"""Say where an operator's pods run, in the values that its chart has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.operator_values import RELEASES
from components.secrets_operator import RELEASE as SECRETS_OPERATOR

Json = dict[str, Any]


def _of(fields: Mapping[str, Any], *names: str) -> Json:
    return {name: fields[name] for name in names if name in fields}


def _secrets_operator(fields: Mapping[str, Any]) -> Json:
    """Return the values of Infisical's secrets operator. Its chart has none for a priority class."""
    manager = _of(fields, "tolerations", "nodeSelector")
    return {**({"controllerManager": manager} if manager else {}), **_of(fields, "imagePullSecrets")}


def _postgres(fields: Mapping[str, Any]) -> Json:
    return dict(fields)


def _redis(fields: Mapping[str, Any]) -> Json:
    pulls = _of(fields, "imagePullSecrets")
    others = _of(fields, "tolerations", "nodeSelector", "priorityClassName")
    return {**({"redisOperator": pulls} if pulls else {}), **others}


def _cert_manager(fields: Mapping[str, Any]) -> Json:
    """Return the values of cert-manager. Each part has tolerations of its own, and the rest is for all of them."""
    shared = _of(fields, "nodeSelector", "priorityClassName", "imagePullSecrets")
    borne = _of(fields, "tolerations")
    parts: Json = {**borne, "webhook": borne, "cainjector": borne} if borne else {}
    return {**({"global": shared} if shared else {}), **parts}


# The releases, and what each takes from the fields of a pod that say where it runs.
CHARTS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    SECRETS_OPERATOR: _secrets_operator,
    RELEASES["postgres"]: _postgres,
    RELEASES["redis"]: _redis,
    RELEASES["certManager"]: _cert_manager,
}


def merged(values: Json, more: Json) -> Json:
    """Return the values of a chart with more of them, at any depth."""
    found = dict(values)
    for key, value in more.items():
        found[key] = merged(found[key], value) if isinstance(found.get(key), dict) else value
    return found
