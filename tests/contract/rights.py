"""Rights of our Jobs: as docs/rights.md writes them down, and as the Roles of a recorded graph grant them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from components.base.names import DATABASE_CLUSTER, DATABASE_CREDENTIALS
from tests.contract.manifests import manifests
from tests.unit.harness import ROOT, Graph


class Right(NamedTuple):
    """One verb on one resource in one namespace; without a name, on every object of the kind."""

    account: str  # namespace/name
    namespace: str
    verb: str
    resource: str
    name: str


def written(graph: Graph) -> set[Right]:
    """Return the rows of docs/rights.md, the Deployment called what the graph's chart calls it."""
    rows = [line.split("|")[1:-1] for line in (ROOT / "docs" / "rights.md").read_text().splitlines()]
    old = graph["Release/infisical"]["chart"].endswith("/infisical")
    issuers = [resource["metadata", "name"] for resource in graph if resource.name == "ingress-issuer"]
    meant = {**_SHOP, "ISSUER": "".join(issuers), "DEPLOYMENT": "infisical-backend" if old else "infisical"}
    operated = any(component.kind == "PlatformDb" for component in graph.components)
    serves_applications = any(component.kind == "ApplicationSecrets" for component in graph.components)
    return {
        Right(account, _meant(namespace, meant), verb, resource, _meant(name, meant))
        for account, namespace, verbs, resource, name, reason in ([c.strip() for c in row] for row in rows if row)
        if "/" in account
        and ((operated and name != "external-database") or (not operated and name not in _OPERATED))
        and (serves_applications or not reason.startswith("with applications:"))
        and (issuers or not reason.startswith("with Let's Encrypt:"))
        for verb in verbs.split(", ")
    }


_OPERATED = (DATABASE_CLUSTER, DATABASE_CREDENTIALS)
# What the shape `applications` has in the place of these.
_SHOP = {"APPLICATION": "shop", "NAMESPACE": "shop", "SECRET": "shop-env", "WORKLOAD": "shop"}


def _meant(cell: str, meant: Mapping[str, str]) -> str:
    return functools.reduce(lambda text, word: text.replace(word, meant[word]), meant, cell)


def granted(graph: Graph) -> set[Right]:
    """Return what the graph's Roles grant to the accounts that its RoleBindings name."""
    return set(_granted(graph))


def accounts(graph: Graph) -> set[str]:
    """Return the graph's ServiceAccounts, as namespace/name."""
    metadata = [m["metadata"] for m in manifests(graph) if m["kind"] == "ServiceAccount"]
    return {f"{each['namespace']}/{each['name']}" for each in metadata}


def _granted(graph: Graph) -> Iterator[Right]:
    found = list(manifests(graph))
    roles = {_place(m): m["rules"] for m in found if m["kind"] == "Role"}
    for binding in (m for m in found if m["kind"] == "RoleBinding"):
        namespace = binding["metadata"]["namespace"]
        for subject in binding["subjects"]:
            for rule in roles[namespace, binding["roleRef"]["name"]]:
                yield from cells(f"{subject['namespace']}/{subject['name']}", namespace, rule)


def cells(account: str, namespace: str, rule: dict[str, Any]) -> Iterator[Right]:
    """Yield the rights that a rule gives."""
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or [""]:
                    yield Right(account, namespace, verb, f"{resource}.{group}" if group else resource, name)


def _place(manifest: dict[str, Any]) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
