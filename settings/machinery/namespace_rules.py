"""Rules over the namespaces that a stack makes for operators. It closes what it makes, and deletes it in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from settings.cluster import ClusterSettings
from settings.machinery.finding import Finding
from settings.network_policies import NetworkPolicySettings
from settings.operators import OperatorSettings
from settings.secrets_operator import SecretsOperatorSettings

Findings = Iterator[Finding]

_LONGEST = 63  # of a namespace's name
_CERT_MANAGER = "cert-manager"


def made_for_operators(
    cluster: ClusterSettings,
    operators: OperatorSettings,
    network_policies: NetworkPolicySettings,
    secrets_operator: SecretsOperatorSettings | None,
) -> Iterator[tuple[str, str]]:
    """Yield the setting and the name of each namespace that the stack makes for an operator."""
    if secrets_operator:
        yield "secretsOperator.namespace", cluster.names.own(secrets_operator.namespace)
    if operators.postgres == "install":
        yield "networkPolicies.operators.postgres", network_policies.operators.postgres
    if operators.redis == "install":
        yield "networkPolicies.operators.redis", network_policies.operators.redis
    if operators.cert_manager == "install":
        yield "operators.certManager", _CERT_MANAGER


def operators_have_namespaces_of_their_own(
    cluster: ClusterSettings,
    operators: OperatorSettings,
    network_policies: NetworkPolicySettings,
    secrets_operator: SecretsOperatorSettings | None,
) -> Findings:
    """Refuse to make a namespace that somebody else has, because it would be closed, taken over and deleted."""
    made = [*made_for_operators(cluster, operators, network_policies, secrets_operator)]
    for key, name in made:
        if key == "operators.certManager":
            continue  # nobody can choose its name
        others = {other: of for of, other in made if of != key}
        if whose := _whose(name, cluster, network_policies, key) or others.get(name):
            reason = (
                f"{name} is the namespace of {whose}. What the stack makes for an operator it closes to everything "
                "else, and deletes with all that is in it. Name one that nobody else uses"
            )
            yield Finding(key, reason)


def _whose(name: str, cluster: ClusterSettings, network_policies: NetworkPolicySettings, key: str) -> str:
    others = network_policies.operators
    known: Mapping[str, str] = {
        **dict.fromkeys(cluster.names.namespaces, "the platform itself"),
        _CERT_MANAGER: "cert-manager",
        "default": "whoever names none",
    }
    places = {
        "networkPolicies.operators.postgres": others.postgres,
        "networkPolicies.operators.redis": others.redis,
        "networkPolicies.operators.externalSecrets": others.external_secrets,
    }
    told = next((place for place, there in places.items() if there == name and place != key), "")
    return known.get(name) or ("Kubernetes itself" if name.startswith("kube-") else told)


def names_of_operators_fit(cluster: ClusterSettings, secrets_operator: SecretsOperatorSettings | None) -> Findings:
    """Refuse a name that is too long together with the stack's prefix."""
    if secrets_operator and len(name := cluster.names.own(secrets_operator.namespace)) > _LONGEST:
        reason = (
            f"with cluster.namePrefix it is {name}, which has {len(name)} characters, and Kubernetes takes no "
            f"namespace of more than {_LONGEST}"
        )
        yield Finding("secretsOperator.namespace", reason)


NAMESPACE_RULES = (operators_have_namespaces_of_their_own, names_of_operators_fit)
