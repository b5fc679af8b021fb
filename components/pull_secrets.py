"""Hand the credentials of a registry to every pod of the stack."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pulumi import ComponentResource, Input, ResourceOptions
from pulumi_kubernetes import core, meta
from pydantic import SecretStr

from components.base.names import type_token
from components.databases import Database, Redis
from components.external_db import ExternalDb
from components.infisical_secrets import InfisicalSecrets
from components.placement import PULLS
from components.requirements import Requirements
from components.secrets_operator import SecretsOperator

_POD_ACCOUNT = "postgres-pod"  # as the Zalando operator calls it, unless it is configured otherwise


@dataclass(frozen=True, kw_only=True, slots=True)
class PullSecretsArgs:
    """The credentials, and the namespaces that pull with them."""

    credentials: SecretStr
    database: Input[str]  # the names, as Outputs that wait until each is there
    others: Mapping[str, Input[str]]
    kept: Collection[str]  # those whose Secret stays in the cluster when it leaves the stack
    operated: bool  # whether the Zalando operator has pods in the database's namespace

    @classmethod
    def of(
        cls,
        credentials: SecretStr,
        needs: Requirements,
        db: Database,
        kv: Redis,
        secrets: InfisicalSecrets,
        operator: SecretsOperator | None,
    ) -> PullSecretsArgs:
        """Return the arguments for the namespaces that have pods."""
        others: dict[str, Input[str]] = {"platform-kv": kv.namespace, "infisical": secrets.namespace.metadata.name}
        if operator:
            others["secrets-operator"] = operator.made
        installed = needs.operators
        others |= installed.made if installed else {}
        return cls(
            credentials=credentials,
            database=db.namespace,
            others=others,
            kept=[*installed.made] if installed and installed.kept else [],
            operated=not isinstance(db, ExternalDb),
        )


class PullSecrets(ComponentResource):
    """Create the Secret that pods name in `imagePullSecrets`, in each namespace.

    The Zalando operator has no field for it, but its pods take it from their ServiceAccount. The operator makes that
    account only where none is, and so keeps this one.
    """

    def __init__(self, name: str, args: PullSecretsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("PullSecrets"), name, None, opts)
        config = args.credentials.get_secret_value()
        for part, namespace in {"platform-db": args.database, **args.others}.items():
            core.v1.Secret(
                f"{name}-{part}",
                metadata=meta.v1.ObjectMetaArgs(name=PULLS, namespace=namespace),
                type="kubernetes.io/dockerconfigjson",
                string_data={".dockerconfigjson": config},
                opts=ResourceOptions(parent=self, retain_on_delete=part in args.kept),
            )
        if args.operated:
            core.v1.ServiceAccountPatch(
                f"{name}-postgres-pod",
                metadata=meta.v1.ObjectMetaPatchArgs(name=_POD_ACCOUNT, namespace=args.database),
                image_pull_secrets=[core.v1.LocalObjectReferencePatchArgs(name=PULLS)],
                opts=ResourceOptions(parent=self),
            )
        self.register_outputs({})

    @classmethod
    def wanted(
        cls,
        name: str,
        credentials: SecretStr | None,
        parts: tuple[Requirements, Database, Redis, InfisicalSecrets, SecretsOperator | None],
        opts: ResourceOptions,
    ) -> PullSecrets | None:
        """Create them for a stack that has credentials."""
        return cls(name, PullSecretsArgs.of(credentials, *parts), opts) if credentials else None
