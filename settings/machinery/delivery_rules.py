"""Rules over what is delivered, and by which operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from settings.applications import ApplicationSettings
from settings.cluster import ClusterSettings
from settings.machinery.finding import Finding, key_path
from settings.secrets_operator import SecretsOperatorSettings

Findings = Iterator[Finding]
Applications = Mapping[str, ApplicationSettings]


def somebody_delivers(applications: Applications, secrets_operator: SecretsOperatorSettings | None) -> Findings:
    """Require an operator where an application delivers something."""
    delivering = [name for name, each in applications.items() if each.deliver and not each.retired]
    if delivering and not secrets_operator:
        reason = f"required, but not set, and {', '.join(delivering)} delivers secrets into the cluster. {{}} is enough"
        yield Finding("secretsOperator", reason, "set")


def the_operators_namespace_is_its_own(
    applications: Applications, secrets_operator: SecretsOperatorSettings | None, cluster: ClusterSettings
) -> Findings:
    """Refuse deliveries into the operator's namespace, which has every application's log-in."""
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            if secrets_operator and delivery.namespace == cluster.names.own(secrets_operator.namespace):
                reason = "it is the operator's own namespace, which has every application's log-in. Use the pods' own"
                yield Finding(key_path("applications", name, "deliver", number, "namespace"), reason)


def somebody_restarts(applications: Applications, secrets_operator: SecretsOperatorSettings | None) -> Findings:
    """Refuse restarts that nobody would make."""
    if not secrets_operator or secrets_operator.kind == "infisical":
        return
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            if delivery.restarts:
                reason = "External Secrets Operator restarts nothing. Use secretsOperator.kind infisical, or a reloader"
                yield Finding(key_path("applications", name, "deliver", number, "restarts"), reason, "remove")


DELIVERY_RULES = (somebody_delivers, the_operators_namespace_is_its_own, somebody_restarts)
