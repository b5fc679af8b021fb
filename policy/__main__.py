"""Run the policy pack of `pulumi preview --policy-pack policy`. rules.py says what is right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml
from declared import Path as Place
from declared import Resource, Stack, Unknown, is_name, names_of, secrets_of, strings, where
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from rules import RULES, Rule

PROJECT = Path(__file__).parent.parent / "Pulumi.yaml"


def policy(rule: Rule) -> Policy:
    """Return a rule as Pulumi runs it, on each resource before it is made or on all once the last is declared."""
    about: dict[str, Any] = {"name": rule.name, "description": rule.description, "remediation_steps": rule.remedy}

    def resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for message in rule.messages(_resource(args), Stack(protects=_protects(), prefix=_prefix())):
            report(message, None)

    def stack(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = {declared.urn: _resource(declared) for declared in args.resources}
        known = Stack(
            protects=_protects(),
            prefix=_prefix(),
            secrets=[*_encrypted(), *secrets_of(resources.values())],
            plain={*_plainly(), *names_of(resources.values())},
        )
        for urn, declared in resources.items():
            for message in rule.messages(declared, known):
                report(message, urn)

    if rule.whole_stack:
        return StackValidationPolicy(validate=stack, **about)
    return ResourceValidationPolicy(validate=resource, **about)


def _protects() -> bool:
    """Return cluster.protect, which is on where it is not set."""
    return (pulumi.Config().get_object("cluster") or {}).get("protect", True)


def _prefix() -> str:
    """Return cluster.namePrefix."""
    return (pulumi.Config().get_object("cluster") or {}).get("namePrefix") or ""


def _encrypted() -> Iterator[tuple[str, str]]:
    """Yield the stack's encrypted keys, which Pulumi.yaml declares as secret, and their values."""
    for path, text in _texts(secret=True):
        if not is_name(path):
            yield where(path), text


def _plainly() -> Iterator[str]:
    """Yield what the stack says in plain."""
    yield from (text for _, text in _texts(secret=False))


def _texts(*, secret: bool) -> Iterator[tuple[Place, str]]:
    """Yield the texts of the keys that Pulumi.yaml declares, and where they are."""
    project = yaml.safe_load(PROJECT.read_text())
    for name, declared in project["config"].items():
        if isinstance(declared, Mapping) and bool(declared.get("secret")) is secret:
            key = name.removeprefix(f"{project['name']}:")
            yield from strings(key, _given(key))


def _given(key: str) -> object:
    try:
        return pulumi.Config().get_object(key)
    except pulumi.ConfigTypeError:  # not JSON: the text itself
        return pulumi.Config().get(key)


def _resource(declared: ResourceValidationArgs | PolicyResource) -> Resource:
    return Resource(
        type=declared.resource_type,
        name=declared.name,
        props=_plain(declared.props),
        protect=declared.opts.protect,
        provider=declared.provider.name if declared.provider else "",
    )


def _plain(value: Any) -> Any:
    """Return plain data with Unknown for what a preview can't tell, where Pulumi's views raise an error."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, number) for number in range(len(value))]
    return value


def _item(container: Any, key: str | int) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return Unknown.VALUE


if __name__ == "__main__":
    PolicyPack(
        name="infisical-platform",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[policy(rule) for rule in RULES],
    )
