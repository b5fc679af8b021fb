"""Have an operator copy applications' secrets into the namespaces of their pods, and prove that they arrived."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes.apiextensions import CustomResource

from components.base.content import content_addressed
from components.base.gate import Gate, GateArgs
from components.base.logical_names import delivery_name
from components.base.names import STACK_ANNOTATION, STACK_ID_ANNOTATION, type_token
from components.base.pod import MapFolder, SecretFiles, Step
from components.base.rbac import PolicyRule
from components.external_delivery import external_secret, store
from components.secrets_operator import SecretsOperator

CONNECTION = "infisical"
MARK = "infisical-platform/application"
WISH = "infisical-platform/wish"
_API_VERSION = "secrets.infisical.com/v1beta1"
_GROUP = "secrets.infisical.com"
_VALUES, _WISH = "/values", "/wish"
# The operator (v0.11.5) makes a Secret its delivery's when it creates it, and never takes that back.
_KEPT = {"pulumi.com/deletionPropagationPolicy": "orphan"}
_RESOURCES = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredKey:
    """A key of a Secret, and the secret of Infisical that it is a copy of."""

    key: str
    secret: str
    owner: Literal["stack", "people"] = "stack"
    encoded: bool = False  # stored in base64, which the delivery decodes
    file: str | None = None  # key of the Secret with the stack's values, where it has this one


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredSecret:
    """A Secret of the cluster that follows a folder of an application."""

    application: str
    project: str  # slug
    environment: str
    path: str
    namespace: str
    secret: str
    type: str
    keys: Sequence[DeliveredKey]
    restarts: Sequence[str] = ()  # as deployment/name
    refresh_seconds: int | None = None  # None: as often as the operator looks at all others

    def interval(self, operator: SecretsOperator) -> str:
        """Return how often the operator asks Infisical for it."""
        return f"{self.refresh_seconds or operator.settings.refresh_seconds}s"


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretDeliveryArgs:
    """What is delivered, and by which accounts."""

    operator: SecretsOperator
    deliveries: Sequence[DeliveredSecret]
    machine_auth: Literal["kubernetes", "universal"]
    identity: Mapping[str, Input[str]]  # annotations that tell whose a delivered Secret is
    wish: Input[str]  # changes with every value and with the log-in; it tells nothing about either
    values: Input[str]  # Secret in `namespace` with the values that the stack owns
    namespace: Input[str]  # of the Jobs
    after: Sequence[Resource] = ()  # what writes the values: nothing is delivered before
    keep: bool  # what was delivered stays when its delivery goes
    python_image: str


class SecretDelivery(ComponentResource):
    """Create the custom resources of a delivery between two Gates.

    The first Gate refuses targets that the operator would harm: it overwrites any Secret of that name. The second waits
    until every key of every Secret has the bytes that the stack asks for, because the operator says True in any case.
    """

    def __init__(self, name: str, args: SecretDeliveryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("SecretDelivery"), name, None, opts)
        wish = content_addressed(f"{name}-wish", args.namespace, _wish(args.deliveries), parent=self)
        wished = wish.metadata.name.apply(str)
        free = self._gate(name, "free", args, wished, [])
        after: list[Resource] = [free, args.operator, *args.after]
        external = args.operator.settings.kind == "externalSecrets"
        made = (self._external if external else self._infisical)(name, args, after)
        self._gate(name, "gate", args, wished, made)
        self.register_outputs({})

    def _infisical(self, name: str, args: SecretDeliveryArgs, after: Sequence[Resource]) -> list[Resource]:
        options = ResourceOptions(parent=self, depends_on=list(after), delete_before_replace=True)
        namespace = args.operator.namespace
        connection = CustomResource(
            f"{name}-connection",
            api_version=_API_VERSION,
            kind="InfisicalConnection",
            metadata={"name": CONNECTION, "namespace": namespace},
            spec={"address": args.operator.address},
            opts=options,
        )
        auths = {
            application: CustomResource(
                f"{name}-auth-{application}",
                api_version=_API_VERSION,
                kind="InfisicalAuth",
                metadata={"name": f"infisical-{application}", "namespace": namespace},
                spec=auth_spec(application, namespace, args.machine_auth),
                opts=ResourceOptions(parent=self, depends_on=[connection], delete_before_replace=True),
            )
            for application in sorted({delivery.application for delivery in args.deliveries})
        }
        return [
            CustomResource(
                delivery_name(name, delivery.namespace, delivery.secret),
                api_version=_API_VERSION,
                kind="InfisicalStaticSecret",
                # The operator looks at once when an annotation changes, and otherwise when its time has come.
                metadata={
                    "name": delivery.secret,
                    "namespace": delivery.namespace,
                    "annotations": {WISH: args.wish, **(_KEPT if args.keep else {})},
                },
                spec=static_spec(delivery, args),
                opts=ResourceOptions(parent=self, depends_on=[auths[delivery.application]], delete_before_replace=True),
            )
            for delivery in args.deliveries
        ]

    def _external(self, name: str, args: SecretDeliveryArgs, after: Sequence[Resource]) -> list[Resource]:
        options = ResourceOptions(parent=self, depends_on=list(after), delete_before_replace=True)
        return [
            external_secret(
                delivery_name(name, delivery.namespace, delivery.secret),
                delivery,
                marks(delivery, args.identity),
                store(f"{name}-store-{delivery.namespace}-{delivery.secret}", delivery, args.operator, options),
                args,
                self,
            )
            for delivery in args.deliveries
        ]

    def _gate(
        self,
        name: str,
        suffix: Literal["free", "gate"],
        args: SecretDeliveryArgs,
        wish: Output[str],
        after: Sequence[Resource],
    ) -> Gate:
        proves = suffix == "gate"
        installed = args.operator.settings.kind == "infisical"
        deadline = args.operator.settings.delivery_minutes * 60
        config: dict[str, object] = {"wish": _WISH, "deadline_seconds": deadline}
        if proves:
            config["values"] = _VALUES
            if installed:
                config["operator"] = {
                    "namespace": args.operator.namespace,
                    "deployment": args.operator.deployment,
                    "connection": CONNECTION,
                    "method": args.machine_auth,
                }
        step = Step(
            name=suffix,
            image=args.python_image,
            script=f"secret_delivery/{'delivered' if proves else 'targets_free'}.py",
            config=config,
            env={"STACK_ID": args.identity[STACK_ID_ANNOTATION]},
            wish=MapFolder(config_map=wish, folder=_WISH),
            files=[SecretFiles(secret=args.values, folder=_VALUES)] if proves else [],
            rules_in=_rules(args, proves, installed),
        )
        gate = GateArgs(
            namespace=args.namespace,
            steps=[step],
            triggers={"wish": args.wish} if proves else {},  # the deliveries are in the name of their ConfigMap
            deadline_seconds=deadline,
            after=after,
        )
        return Gate(f"{name}-{suffix}", gate, ResourceOptions(parent=self))


def auth_spec(application: str, namespace: str, method: Literal["kubernetes", "universal"]) -> dict[str, object]:
    """Return the spec of an InfisicalAuth: the application's own account, pinned by name and namespace."""

    def reference(key: str) -> dict[str, str]:
        return {"name": f"infisical-identity-{application}", "namespace": namespace, "key": key}

    spec: dict[str, object] = {"infisicalConnectionRef": {"name": CONNECTION, "namespace": namespace}, "method": method}
    if method == "kubernetes":
        account = {"name": f"infisical-{application}", "namespace": namespace}
        return {**spec, "kubernetes": {"identityIdRef": reference("identityId"), "serviceAccountRef": account}}
    client = {"clientIdRef": reference("clientId"), "clientSecretRef": reference("clientSecret")}
    return {**spec, "universal": client}


def static_spec(delivery: DeliveredSecret, args: SecretDeliveryArgs) -> dict[str, Input[object]]:
    """Return the spec of an InfisicalStaticSecret with one source and one target.

    One target each: the first that fails stops those after it. With metadata, the operator copies none of ours. The
    wish is among it, because the operator puts an edited Secret right only when Infisical or an annotation has changed.
    """
    namespace = args.operator.namespace
    metadata = marks(delivery, args.identity)
    metadata["annotations"] = {**metadata["annotations"], WISH: args.wish}
    return {
        "infisicalAuthRef": {"name": f"infisical-{delivery.application}", "namespace": namespace},
        "syncOptions": {"refreshInterval": delivery.interval(args.operator)},
        "sources": [
            {
                "projectSlug": delivery.project,
                "environmentSlug": delivery.environment,
                "secretPath": delivery.path,
            }
        ],
        "targets": [
            {
                "name": delivery.secret,
                "namespace": delivery.namespace,
                "kind": "Secret",
                "secretType": delivery.type,
                "creationPolicy": "Orphan" if args.keep else "Owner",
                "metadata": metadata,
                "template": {"engineVersion": "v1", "data": {key.key: template(key) for key in delivery.keys}},
            }
        ],
    }


def template(key: DeliveredKey) -> str:
    """Return the template of a key. It fails where the secret is missing, so that the Secret stays as it was.

    The operator writes `<no value>` for a missing secret otherwise, and empties a Secret when its folder is empty.
    """
    found = f'{{{{ $found := index . "{key.secret}" }}}}'
    missing = f'{{{{ if not $found.Value }}}}{{{{ fail "{key.secret} has no value in Infisical" }}}}{{{{ end }}}}'
    decoded = " | decodeBase64ToBytes" if key.encoded else ""
    return f"{found}{missing}{{{{ $found.Value{decoded} }}}}"


def marks(delivery: DeliveredSecret, identity: Mapping[str, Input[str]]) -> dict[str, Mapping[str, Input[str]]]:
    """Return labels and annotations of a delivered Secret, by which it is told from everybody else's."""
    annotations = {key: identity[key] for key in (STACK_ANNOTATION, STACK_ID_ANNOTATION)}
    return {"labels": {MARK: delivery.application}, "annotations": annotations}


def _wish(deliveries: Sequence[DeliveredSecret]) -> dict[str, str]:
    return {"deliveries.json": json.dumps([_plain(delivery) for delivery in deliveries], sort_keys=True)}


def _plain(delivery: DeliveredSecret) -> dict[str, object]:
    """Return a delivery as its scripts read it."""
    keys = [
        {"key": key.key, "secret": key.secret, "owner": key.owner, **({"file": key.file} if key.file else {})}
        for key in delivery.keys
    ]
    named = ("application", "environment", "path", "namespace", "secret", "type")
    plain: dict[str, object] = {**{field: getattr(delivery, field) for field in named}, "keys": keys}
    return {**plain, **({"restarts": list(delivery.restarts)} if delivery.restarts else {})}


def _rules(args: SecretDeliveryArgs, proves: bool, installed: bool) -> Mapping[str, Sequence[PolicyRule]]:
    """Return what a Gate may ask, by namespace: the Secrets by name, and what tells why one is not as it should be."""
    rules: dict[str, list[PolicyRule]] = {}
    for namespace in sorted({delivery.namespace for delivery in args.deliveries}):
        here = [delivery for delivery in args.deliveries if delivery.namespace == namespace]
        names = sorted(delivery.secret for delivery in here)
        rules[namespace] = [PolicyRule(group="", resource="secrets", verbs=["get"], names=names)]
        if not proves:
            continue
        group, kind = (_GROUP, "infisicalstaticsecrets") if installed else ("external-secrets.io", "externalsecrets")
        rules[namespace].append(PolicyRule(group=group, resource=kind, verbs=["get"], names=names))
        if not installed:
            rules[namespace].append(PolicyRule(group="", resource="events", verbs=["list"]))
            continue
        restarted = sorted({each for delivery in here for each in delivery.restarts})
        if restarted:
            rules[namespace].append(PolicyRule(group="", resource="pods", verbs=["list"]))
        for workload, resource in _RESOURCES.items():
            if named := [each.partition("/")[2] for each in restarted if each.startswith(f"{workload}/")]:
                rules[namespace] += [PolicyRule(group="apps", resource=resource, verbs=["get", "patch"], names=named)]
    if proves and installed:
        auths = sorted({f"infisical-{delivery.application}" for delivery in args.deliveries})
        rules.setdefault(args.operator.namespace, []).extend(
            [
                PolicyRule(group="apps", resource="deployments", verbs=["get"], names=[args.operator.deployment]),
                PolicyRule(group=_GROUP, resource="infisicalconnections", verbs=["get"], names=[CONNECTION]),
                PolicyRule(group=_GROUP, resource="infisicalauths", verbs=["get"], names=auths),
            ]
        )
    return rules
