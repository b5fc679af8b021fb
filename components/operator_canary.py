"""Prove the operator by a secret of the stack's own, which arrives, changes in Infisical, and arrives again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pulumi import ComponentResource, Input, Resource, ResourceOptions
from pulumi_kubernetes import rbac

from components.base.content import digest
from components.base.job import run_once
from components.base.names import type_token
from components.base.pod import SecretFiles, Step, pod_template
from components.base.rbac import PolicyRule, role_binding
from components.base.references import SecretRef
from components.base.scripts import scripts_map
from components.secrets_operator import SecretsOperator
from settings.applications import CANARY, ApplicationSettings

REFRESH_SECONDS = 5  # the least that the operator takes
_ENVIRONMENT, _KEY = "canary", "CANARY"


def canary(namespace: str) -> ApplicationSettings:
    """Return the application whose secret it is, delivered into the operator's own namespace.

    Its value is people's, as far as the provisioner goes, so that it is never put back.
    """
    return ApplicationSettings.model_validate(
        {
            "environments": {_ENVIRONMENT: "Canary"},
            "secrets": {_ENVIRONMENT: {"/": {_KEY: {"owner": "people", "initial": "not a secret"}}}},
            "deliver": [{"environment": _ENVIRONMENT, "namespace": namespace, "secret": CANARY}],
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class OperatorCanaryArgs:
    """What is proven, and who changes the secret."""

    operator: SecretsOperator
    account: Input[str]  # ServiceAccount of the provisioner
    bootstrap: SecretRef  # what it logs in with
    server: str  # image of Infisical: with a different one the operator is proven again
    machine_auth: Literal["kubernetes", "universal"]  # how the operator logs in: so it is with another way
    data: str | None  # where the database's data came from, if not from this instance
    after: Sequence[Resource]  # what has the secret delivered
    python_image: str


class OperatorCanary(ComponentResource):
    """Create a Job that changes the canary in Infisical and waits until the operator has brought the change.

    It runs again when the operator, its log-in or the server is a different one, and not when applications change.
    """

    def __init__(self, name: str, args: OperatorCanaryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("OperatorCanary"), name, None, opts)
        operator, namespace = args.operator, args.bootstrap.namespace
        provisioner = rbac.v1.SubjectArgs(kind="ServiceAccount", name=args.account, namespace=namespace)
        reads = [PolicyRule(group="", resource="secrets", verbs=["get"], names=[CANARY])]
        right = role_binding(name, operator.namespace, reads, provisioner, parent=self)
        deadline = operator.settings.delivery_minutes * 60
        step = _step(args, deadline)
        scripts = scripts_map(f"{name}-scripts", namespace, [step.script], parent=self)
        proven = [operator.revision, args.server, args.machine_auth, *([args.data] if args.data else [])]
        template = pod_template(
            step,
            job=name,
            scripts_map=scripts.metadata.name,
            service_account=args.account,
            annotations={"infisical-platform/triggers": digest(proven)},
        )
        run_once(name, namespace, template, deadline, parent=self, depends_on=[right, *args.after])
        self.register_outputs({})


def _step(args: OperatorCanaryArgs, deadline: int) -> Step:
    operator = args.operator
    installed = operator.settings.kind == "infisical"
    job = f"kubectl delete job application-secrets -n {args.bootstrap.namespace}"
    why = f"logs deployment/{operator.deployment}" if installed else f"describe externalsecret {CANARY}"
    return Step(
        name="canary",
        image=args.python_image,
        script="application_secrets/operator_canary.py",
        config={
            "address": operator.address,
            "project": CANARY,
            "environment": _ENVIRONMENT,
            "key": _KEY,
            "namespace": operator.namespace,
            "secret": CANARY,
            "why": f"kubectl {why} -n {operator.namespace}",
            "anew": f"`{job}`, `make refresh STACK=NAME`, `pulumi up --stack NAME`",
            "deadline_seconds": deadline,
        },
        files=[SecretFiles(secret=args.bootstrap.name, folder="/bootstrap")],
    )
