"""Deliver through the External Secrets Operator that a cluster has already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pulumi import Input, Resource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components.secrets_operator import SecretsOperator

if TYPE_CHECKING:
    from components.secret_delivery import DeliveredSecret, SecretDeliveryArgs

_API_VERSION = "external-secrets.io/v1"


def store(logical: str, delivery: DeliveredSecret, operator: SecretsOperator, opts: ResourceOptions) -> CustomResource:
    """Create the way to a folder. It holds for one namespace, and its log-in stays in the operator's namespace.

    A SecretStore would need the application's log-in in the namespace of its pods, where more people read Secrets.
    """
    secret = f"infisical-identity-{delivery.application}"

    def reference(key: str) -> dict[str, str]:
        return {"name": secret, "namespace": operator.namespace, "key": key}

    return CustomResource(
        logical,
        api_version=_API_VERSION,
        kind="ClusterSecretStore",
        metadata={"name": store_name(delivery, operator)},
        spec={
            "conditions": [{"namespaces": [delivery.namespace]}],
            "provider": {
                "infisical": {
                    "hostAPI": operator.address,
                    "auth": {
                        "universalAuthCredentials": {
                            "clientId": reference("clientId"),
                            "clientSecret": reference("clientSecret"),
                        }
                    },
                    "secretsScope": {
                        "projectSlug": delivery.project,
                        "environmentSlug": delivery.environment,
                        "secretsPath": delivery.path,
                    },
                }
            },
        },
        opts=opts,
    )


def external_secret(
    logical: str,
    delivery: DeliveredSecret,
    marks: Mapping[str, Mapping[str, Input[str]]],
    through: CustomResource,
    args: SecretDeliveryArgs,
    parent: Resource,
) -> CustomResource:
    """Create the ExternalSecret. That operator heals what somebody edits, and writes nothing while one is missing."""
    data = [
        {
            "secretKey": key.key,
            "remoteRef": {"key": key.secret, "decodingStrategy": "Base64" if key.encoded else "None"},
        }
        # It says the first that is missing. One of people's may be, and must not hide one of the stack's.
        for key in sorted(delivery.keys, key=lambda each: each.owner == "people")
    ]
    return CustomResource(
        logical,
        api_version=_API_VERSION,
        kind="ExternalSecret",
        metadata={
            "name": delivery.secret,
            "namespace": delivery.namespace,
            "annotations": {"infisical-platform/wish": args.wish},
        },
        spec={
            "refreshInterval": delivery.interval(args.operator),
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": store_name(delivery, args.operator)},
            "target": {
                "name": delivery.secret,
                "creationPolicy": "Orphan" if args.keep else "Owner",
                "template": {"type": delivery.type, "metadata": marks},
            },
            "data": data,
        },
        opts=ResourceOptions(parent=parent, depends_on=[through], delete_before_replace=True),
    )


def store_name(delivery: DeliveredSecret, operator: SecretsOperator) -> str:
    """Return the name of a delivery's store. The cluster has one store of a name."""
    return operator.names.own(f"infisical.{delivery.namespace}.{delivery.secret}")
