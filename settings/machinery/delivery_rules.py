"""Rules over what is delivered, and by which operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from settings.applications import ApplicationSettings
from settings.cluster import ClusterSettings
from settings.machinery.finding import Finding, key_path
from settings.machinery.namespace_rules import made_for_operators
from settings.network_policies import NetworkPolicySettings
from settings.operators import OperatorSettings
from settings.secrets_operator import SecretsOperatorSettings

Findings = Iterator[Finding]
Applications = Mapping[str, ApplicationSettings]

_LONGEST = 253  # of the name of a kind without a namespace


def somebody_delivers(applications: Applications, secrets_operator: SecretsOperatorSettings | None) -> Findings:
    """Require an operator where an application delivers something."""
    delivering = [name for name, each in applications.items() if each.deliver and not each.retired]
    if delivering and not secrets_operator:
        reason = f"required, but not set, and {', '.join(delivering)} delivers secrets into the cluster. {{}} is enough"
        yield Finding("secretsOperator", reason, "set")


def nothing_is_delivered_to_the_platform(
    applications: Applications,
    secrets_operator: SecretsOperatorSettings | None,
    cluster: ClusterSettings,
    operators: OperatorSettings,
    network_policies: NetworkPolicySettings,
) -> Findings:
    """Refuse deliveries into namespaces of the platform's own, where the operator may read every Secret then."""
    made = made_for_operators(cluster, operators, network_policies, None)
    reasons = {
        **{each: "an operator's namespace, which has its own Secrets" for _, each in made},
        **dict.fromkeys(cluster.names.namespaces, "the platform's own, and the operator would read its keys there"),
    }
    if secrets_operator:
        own = cluster.names.own(secrets_operator.namespace)
        reasons[own] = "the operator's own namespace, which has every application's log-in"
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            if reason := reasons.get(delivery.namespace):
                place = key_path("applications", name, "deliver", number, "namespace")
                yield Finding(place, f"it is {reason}. Use the pods' own")


def stores_have_names(
    applications: Applications, secrets_operator: SecretsOperatorSettings | None, cluster: ClusterSettings
) -> Findings:
    """Refuse names that make a ClusterSecretStore's too long: it has namespace and Secret in its own."""
    if not secrets_operator or secrets_operator.kind == "infisical":
        return
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            length = len(cluster.names.own(f"infisical.{delivery.namespace}.{delivery.secret}"))
            if length > _LONGEST:
                reason = (
                    f"with its namespace it makes a ClusterSecretStore's name of {length} characters, and Kubernetes "
                    f"takes at most {_LONGEST}. Shorten it"
                )
                yield Finding(key_path("applications", name, "deliver", number, "secret"), reason)


def somebody_restarts(applications: Applications, secrets_operator: SecretsOperatorSettings | None) -> Findings:
    """Refuse restarts that nobody would make."""
    if not secrets_operator or secrets_operator.kind == "infisical":
        return
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            if delivery.restarts:
                reason = "External Secrets Operator restarts nothing. Use secretsOperator.kind infisical, or a reloader"
                yield Finding(key_path("applications", name, "deliver", number, "restarts"), reason, "remove")


DELIVERY_RULES = (somebody_delivers, nothing_is_delivered_to_the_platform, stores_have_names, somebody_restarts)
