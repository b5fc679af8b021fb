"""Bring every application's project in Infisical to what the stack says, and notice when it isn't any more."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core, meta, rbac
from pulumi_random import RandomPassword
from pydantic import SecretStr

from components.application_wish import file_of, wishes
from components.base.content import content_addressed, digest
from components.base.job import data_annotation, run_on_schedule, run_once
from components.base.logical_names import DELIVERY
from components.base.names import DRIFT_STATUS, STACK_ID_ANNOTATION, type_token
from components.base.pod import SecretFiles, Step, pod_template
from components.base.rbac import PolicyRule, role_binding, service_account, token_reviewer
from components.base.references import SecretRef
from components.base.scripts import scripts_map
from components.bootstrap import Bootstrap
from components.deliveries import deliveries_of
from components.infisical_release import InfisicalRelease
from components.operator_canary import OperatorCanary, OperatorCanaryArgs, canary
from components.secret_delivery import SecretDelivery, SecretDeliveryArgs
from components.secrets_operator import SecretsOperator
from components.stack_identity import StackIdentity
from settings import Settings
from settings.applications import (
    CANARY,
    ApplicationSettings,
    Encrypted,
    Generated,
    Named,
    secrets_of,
)

_SCHEDULE = "23 * * * *"


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplicationSecretsArgs:
    """What applications ask for, and the account that brings Infisical to it."""

    applications: Mapping[str, ApplicationSettings]  # the stack's own among them, where it proves its operator
    account: Input[str]  # ServiceAccount of the provisioner
    bootstrap: SecretRef  # what the provisioner logs in with
    machine_auth: Literal["kubernetes", "universal"]  # how the operator logs in
    operator: SecretsOperator | None  # None where nothing is delivered
    address: str  # of Infisical, within the cluster
    server: str  # image of Infisical
    identity: Mapping[str, Input[str]]  # annotations that tell whose a delivered Secret is
    state: Input[str]  # id of the state that generates values
    generated: Mapping[str, SecretStr]  # by a state that is lost, by their files
    protect: bool
    python_image: str
    deadline_seconds: int
    data: str | None  # where the database's data came from, if not from this instance

    @classmethod
    def of(
        cls,
        settings: Settings,
        identity: StackIdentity,
        release: InfisicalRelease,
        bootstrap: Bootstrap | None,
        operator: SecretsOperator | None,
    ) -> ApplicationSecretsArgs | None:
        """Build the arguments from the stack's settings. None where there is nothing to provision."""
        applications = dict(settings.applications)
        if operator and settings.proves_operator:
            applications[CANARY] = canary(operator.namespace)
        if not applications:
            return None
        assert bootstrap  # settings require it
        external = operator and operator.settings.kind == "externalSecrets"
        return cls(
            applications=applications,
            account=bootstrap.account,
            bootstrap=bootstrap.ref,
            machine_auth="universal" if external else bootstrap.machine_auth,  # the only one that it has in common
            operator=operator,
            address=release.address,
            server=settings.infisical.image,
            identity=identity.annotations,
            state=identity.state,
            generated=settings.generated_values,
            protect=settings.cluster.protect,
            python_image=settings.jobs.python_image,
            deadline_seconds=settings.jobs.applications_minutes * 60,
            data=settings.data_from,
        )


class ApplicationSecrets(ComponentResource):
    """Create the wish, a Job that provisions it, a CronJob that notices drift, the delivery and the operator's proof.

    The structure is a ConfigMap and the values are a Secret. Both are named by what they hold, so that a change makes
    a new pod of the Job. Generated values are made once and protected, because what they open would be closed.
    """

    def __init__(self, name: str, args: ApplicationSecretsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("ApplicationSecrets"), name, None, opts)
        namespace = args.bootstrap.namespace
        wish = content_addressed(f"{name}-wish", namespace, wishes(args.applications), parent=self)
        values = core.v1.Secret(
            f"{name}-values",
            metadata=meta.v1.ObjectMetaArgs(namespace=namespace),
            data=self._values(name, args),
            immutable=True,
            opts=ResourceOptions(parent=self),
        )
        rights = self._rights(name, args, self._accounts(args))
        step, again = (_step(args, _name(wish), _name(values), run) for run in ("up", "schedule"))
        scripts = scripts_map(f"{name}-scripts", namespace, [step.script], parent=self)
        pods = partial(pod_template, job=name, scripts_map=scripts.metadata.name, service_account=args.account)
        seconds = args.deadline_seconds
        done = run_once(
            name, namespace, pods(step, annotations=data_annotation(args.data)), seconds, parent=self, depends_on=rights
        )
        run_on_schedule(DRIFT_STATUS, namespace, _SCHEDULE, pods(again), seconds, parent=self, depends_on=[done])
        # An operator that logs in otherwise has to deliver once more, though nothing else is different.
        told = Output.all(_name(wish), _name(values), args.machine_auth, *([args.data] if args.data else []))
        self._deliver(args, told.apply(digest), _name(values), done)
        self.register_outputs({"applications": sorted({*_living(args.applications)} - {CANARY})})

    @classmethod
    def wanted(cls, name: str, args: ApplicationSecretsArgs | None, opts: ResourceOptions) -> ApplicationSecrets | None:
        """Create it where the stack has applications."""
        return cls(name, args, opts) if args else None

    def _accounts(self, args: ApplicationSecretsArgs) -> list[Resource]:
        """Create an account for each application, and the Secret that the Job fills with who it logs in as.

        The Secret is made empty: a field that the program never sets is never compared.
        """
        if not args.operator:
            return []
        namespace, made = args.operator.namespace, list[Resource]()
        for each in _living(args.applications):
            own = f"infisical-{each}"
            account = service_account(own, namespace, parent=self)
            if args.machine_auth == "kubernetes":
                made.append(token_reviewer(own, account, in_cluster=args.operator.names.own(own), parent=self))
            metadata = meta.v1.ObjectMetaArgs(name=f"infisical-identity-{each}", namespace=namespace)
            made.append(
                core.v1.Secret(f"infisical-identity-{each}", metadata=metadata, opts=ResourceOptions(parent=self))
            )
        return made

    def _rights(self, name: str, args: ApplicationSecretsArgs, accounts: Sequence[Resource]) -> list[Resource]:
        """Let the provisioner read the wish, write what it found, and fill the Secrets of identities."""
        namespace = args.bootstrap.namespace
        drift = core.v1.ConfigMap(
            f"{name}-drift",
            metadata=meta.v1.ObjectMetaArgs(name=DRIFT_STATUS, namespace=namespace),  # empty, as those Secrets are
            opts=ResourceOptions(parent=self),
        )
        rules = [
            PolicyRule(group="", resource="configmaps", verbs=["get"]),
            PolicyRule(group="", resource="configmaps", verbs=["patch"], names=[DRIFT_STATUS]),
        ]
        provisioner = rbac.v1.SubjectArgs(kind="ServiceAccount", name=args.account, namespace=namespace)
        rights: list[Resource] = [drift, *accounts, role_binding(name, namespace, rules, provisioner, parent=self)]
        names = [f"infisical-identity-{each}" for each in _living(args.applications)]
        if args.operator and names:
            fill = [PolicyRule(group="", resource="secrets", verbs=["get", "patch"], names=names)]
            rights.append(role_binding(f"{name}-identities", args.operator.namespace, fill, provisioner, parent=self))
        return rights

    def _deliver(
        self, args: ApplicationSecretsArgs, wish: Output[str], values: Output[str], provisioned: Resource
    ) -> None:
        """Deliver what applications ask for, once the Job has provisioned it."""
        deliveries = deliveries_of(args.applications, file_of)
        if not deliveries:
            return
        assert args.operator  # settings require it
        delivery = SecretDeliveryArgs(
            operator=args.operator,
            deliveries=deliveries,
            machine_auth=args.machine_auth,
            identity=args.identity,
            wish=wish,
            values=values,
            namespace=args.bootstrap.namespace,
            after=[provisioned],
            keep=args.protect,
            python_image=args.python_image,
        )
        delivered = SecretDelivery(DELIVERY, delivery, ResourceOptions(parent=self))
        if CANARY in args.applications:
            proof = OperatorCanaryArgs(
                operator=args.operator,
                account=args.account,
                bootstrap=args.bootstrap,
                server=args.server,
                machine_auth=args.machine_auth,
                data=args.data,
                after=[delivered],
                python_image=args.python_image,
            )
            OperatorCanary(CANARY, proof, ResourceOptions(parent=self))

    def _values(self, name: str, args: ApplicationSecretsArgs) -> dict[str, Input[str]]:
        """Return every value that the stack has, in base64, by the name of its file."""
        found: dict[str, Input[str]] = {}
        for application, secret in _all(args.applications):
            match secret.source:
                case str() as text:
                    found[file_of(application, secret)] = _base64(text.encode())
                case Encrypted() as source:
                    found[file_of(application, secret)] = _base64(source.bytes)
                case Generated() as source:
                    file = file_of(application, secret)
                    # Always made: what was given may be taken out of the stack file again, and then it's this one.
                    made = self._generated(name, application, secret, source.generate, protect=args.protect)
                    if given := args.generated.get(file):
                        found[file] = _base64(given.get_secret_value().encode())
                    else:
                        found[file] = made.apply(lambda text: _base64(text.encode()))
                case None:
                    pass
        for application, secret in _all(args.applications, retired=True):
            if isinstance(secret.source, Generated):  # nothing protected can be deleted, so it is unprotected first
                self._generated(name, application, secret, secret.source.generate, protect=False)
        return found

    def _generated(self, name: str, application: str, secret: Named, length: int, *, protect: bool) -> Output[str]:
        options, logical = ResourceOptions(parent=self, protect=protect), f"{name}-{file_of(application, secret)}"
        return RandomPassword(logical, length=length, special=False, opts=options).result


def _living(applications: Mapping[str, ApplicationSettings]) -> Sequence[str]:
    return [name for name, application in applications.items() if not application.retired]


def _all(applications: Mapping[str, ApplicationSettings], *, retired: bool = False) -> list[tuple[str, Named]]:
    return [
        (name, secret) for name, each in applications.items() if each.retired == retired for secret in secrets_of(each)
    ]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _name(resource: core.v1.ConfigMap | core.v1.Secret) -> Output[str]:
    return resource.metadata.apply(lambda metadata: metadata.name or "")


def _step(args: ApplicationSecretsArgs, wish: Input[str], values: Input[str], run: str) -> Step:
    return Step(
        name="provision",
        image=args.python_image,
        script="application_secrets/application_secrets.py",
        config={
            "address": args.address,
            "namespace": args.bootstrap.namespace,
            "drift": DRIFT_STATUS,
            "auth": args.machine_auth,
            "deadline_seconds": args.deadline_seconds,
            "run": run,
            "canary": CANARY,
            **({"data": args.data} if args.data else {}),
            **({"operator_namespace": args.operator.namespace} if args.operator else {}),
        },
        env={
            "WISH": wish,
            "VALUES": values,
            "STACK_ID": args.identity[STACK_ID_ANNOTATION],
            "STATE_ID": args.state,
        },
        files=[
            SecretFiles(secret=values, folder="/values"),
            SecretFiles(secret=args.bootstrap.name, folder="/bootstrap"),
        ],
    )
