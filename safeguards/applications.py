"""Refuse to drop an application or an operator that pods may still get their secrets from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.application_wish import file_of
from components.base.logical_names import DELIVERY, delivery_name
from components.secret_delivery import MARK
from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.applications import CANARY, Generated, secrets_of
from settings.machinery.finding import key_path


def refuse_dropped_applications(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when an application of the last state is no longer in the settings, and was not retired first."""
    known: list[str] = state.outputs(*made.APPLICATIONS).get("applications") or []
    dropped = sorted(set(known) - settings.applications.keys())
    if not dropped:
        return
    key = key_path("applications", dropped[0], "retired")
    delivered = "What was delivered stays in the cluster"
    if any(_owned(each) and _application(each) == dropped[0] for each in _deliveries(state)):
        delivered = (
            "What was delivered goes with it, because cluster.protect is false, and pods that start afterwards wait "
            "for their Secret. To keep it, put the application back for one more "
            f"{commands.pulumi('up')} with {commands.set('cluster.protect', 'true')}"
        )
    raise Refusal(
        f"{key_path('applications', dropped[0])}: the stack has this application, and the stack file no longer does. "
        "Pods may still get their secrets from it, and its project would stay without an owner. If it was renamed, "
        f"name it {dropped[0]} again: what people wrote belongs to that name. If nobody needs it any more, retire it, "
        f"which deletes the project, with all that people wrote in it: {commands.set(key, 'true')}, then "
        f"{commands.pulumi('up')}. The key can go afterwards. {delivered}"
    )


def refuse_kept_value(settings: Settings, commands: Commands) -> None:
    """Raise Refusal when a new value is asked for, by its length, and `generatedValues` keeps the one of before."""
    for name, application in settings.applications.items():
        for secret in secrets_of(application):
            file, source = file_of(name, secret), secret.source
            given = settings.generated_values.get(file)
            if given is None or not isinstance(source, Generated) or len(given.get_secret_value()) == source.generate:
                continue
            key, length = key_path("generatedValues", file), len(given.get_secret_value())
            raise Refusal(
                f"{key}: it keeps a value of {length} characters for {secret.environment}:{secret.path.rstrip('/')}/"
                f"{secret.key} of application {name}, which asks for {source.generate}. To go on with it, write "
                f"{{generate: {length}}}. To have a new value: {commands.remove(key)}"
            )


# What the last update has made for each delivery, by the kind of operator.
_DELIVERED = {
    "infisical": "kubernetes:secrets.infisical.com/v1beta1:InfisicalStaticSecret",
    "externalSecrets": "kubernetes:external-secrets.io/v1:ExternalSecret",
}


def refuse_other_operator(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when Secrets would pass to the other kind of operator, and go with what owns them."""
    if not (operator := settings.secrets_operator):
        return
    wanted = {(each.namespace, each.secret) for one in settings.applications.values() for each in one.deliver}
    wanted.add((settings.cluster.names.own(operator.namespace), CANARY))
    for before, type_ in _DELIVERED.items():
        delivered = (state.outputs(type_, delivery_name(DELIVERY, *each)) for each in sorted(wanted))
        if before != operator.kind and any(_owned(each.get("spec") or {}) for each in delivered):
            raise Refusal(
                f"secretsOperator.kind: the Secrets that it delivers belong to {before}, because cluster.protect "
                f"is false, and would go with it. Set it back: {commands.set('secretsOperator.kind', before)}. To have "
                "the other one: take `secretsOperator` and each `deliver` out of the stack file, "
                f"{commands.pulumi('up')}, and set them anew. Pods that start in between wait for their Secrets"
            )


def _deliveries(state: LastState) -> Iterator[Mapping[str, Any]]:
    for type_ in _DELIVERED.values():
        for outputs in state.every(type_):
            yield outputs.get("spec") or {}


def _owned(spec: Mapping[str, Any]) -> bool:
    return _target(spec).get("creationPolicy") == "Owner"


def _application(spec: Mapping[str, Any]) -> str:
    target = _target(spec)
    template: dict[str, Any] = target.get("template") or {}
    metadata: dict[str, Any] = target.get("metadata") or template.get("metadata") or {}
    labels: dict[str, str] = metadata.get("labels") or {}
    return labels.get(MARK, "")


def _target(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a delivery writes, of whichever kind it is."""
    targets: list[dict[str, Any]] = spec.get("targets") or [spec.get("target") or {}]
    return targets[0]
