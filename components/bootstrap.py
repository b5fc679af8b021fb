"""Give the instance its first organisation before anybody can reach it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pulumi import ComponentResource, Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core, meta
from pulumi_random import RandomPassword
from pydantic import SecretStr

from components.base.job import data_annotation, run_once
from components.base.names import ADMIN_SECRET, BOOTSTRAP_SECRET, STACK_ID_ANNOTATION, type_token
from components.base.pod import SecretKey, Step, pod_template
from components.base.rbac import PolicyRule, role_binding, service_account, token_reviewer
from components.base.references import SecretRef
from components.base.scripts import scripts_map
from components.infisical_release import InfisicalRelease
from components.infisical_secrets import InfisicalSecrets
from components.stack_identity import StackIdentity
from settings import Settings
from settings.names import Names
from settings.organization import OrganizationSettings

PROVISIONER = "infisical-provisioner"
_SETTLE_SECONDS = 61  # servers cache what they have read for a minute


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapArgs:
    """Which organisation there is to be, and where Infisical is."""

    organization: OrganizationSettings
    password: SecretStr | None
    token: SecretStr | None  # of an instance that was set up long ago
    namespace: str
    names: Names
    address: str
    stack_id: Input[str]
    protect: bool
    python_image: str
    release: InfisicalRelease
    data: str | None  # where the database's data came from, if not from this instance: it may have other log-ins

    @classmethod
    def of(
        cls, settings: Settings, identity: StackIdentity, secrets: InfisicalSecrets, release: InfisicalRelease
    ) -> BootstrapArgs | None:
        """Build the arguments from the stack's settings. None where they name no organisation."""
        if not settings.organization:
            return None
        return cls(
            organization=settings.organization,
            password=settings.admin_password,
            token=settings.organization_token,
            namespace=secrets.ref.namespace,
            names=settings.cluster.names,
            address=release.address,
            stack_id=identity.annotations[STACK_ID_ANNOTATION],
            protect=settings.cluster.protect,
            python_image=settings.jobs.python_image,
            release=release,
            data=settings.data_from,
        )


class Bootstrap(ComponentResource):
    """Create a Job that makes the first organisation and admin, closes sign-up, and leaves the stack's own identity.

    The Secret `infisical-bootstrap` is made empty, before the token that is shown only once. The Job fills it: a
    field that the program never sets is never compared. In the end it holds no token, but the provisioner's id.
    """

    ref: SecretRef
    account: Output[str]
    machine_auth: Literal["kubernetes", "universal"]

    def __init__(self, name: str, args: BootstrapArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("Bootstrap"), name, None, opts)
        self.ref = SecretRef(namespace=args.namespace, name=BOOTSTRAP_SECRET)
        self.machine_auth = args.organization.machine_auth
        protected = ResourceOptions(parent=self, protect=args.protect)
        admin = self._admin(name, args, protected)
        kept = core.v1.Secret(
            f"{name}-kept",
            metadata=meta.v1.ObjectMetaArgs(name=BOOTSTRAP_SECRET, namespace=args.namespace),
            opts=protected,
        )
        account = service_account(PROVISIONER, args.namespace, parent=self)
        self.account = account.metadata.name.apply(str)
        rules = [PolicyRule(group="", resource="secrets", verbs=["get", "patch"], names=[BOOTSTRAP_SECRET])]
        rights: list[Resource] = [role_binding(PROVISIONER, args.namespace, rules, account, parent=self)]
        if args.organization.machine_auth == "kubernetes":
            rights.append(token_reviewer(PROVISIONER, account, in_cluster=args.names.own(PROVISIONER), parent=self))
        step = _step(args, admin.metadata.name)
        scripts = scripts_map(f"{name}-scripts", args.namespace, [step.script], parent=self)
        run_once(
            name,
            args.namespace,
            pod_template(
                step,
                job=name,
                scripts_map=scripts.metadata.name,
                service_account=self.account,
                annotations=data_annotation(args.data),
            ),
            args.organization.deadline_minutes * 60,
            parent=self,
            depends_on=[kept, *rights, args.release],
        )
        self.register_outputs({"secret": BOOTSTRAP_SECRET})

    @classmethod
    def wanted(cls, name: str, args: BootstrapArgs | None, opts: ResourceOptions) -> Bootstrap | None:
        """Create it where the stack names an organisation."""
        return cls(name, args, opts) if args else None

    def _admin(self, name: str, args: BootstrapArgs, opts: ResourceOptions) -> core.v1.Secret:
        """Create the Secret with the admin's first password, and the token where there is one."""
        # Always made: a password that may be in use can't be taken out of the stack again.
        generated = RandomPassword(f"{name}-admin-password", length=32, special=False, opts=opts).result
        password = args.password.get_secret_value() if args.password else generated
        data: dict[str, Input[str]] = {"email": args.organization.admin, "password": password}
        if args.token:
            data["organizationToken"] = args.token.get_secret_value()
        return core.v1.Secret(
            f"{name}-admin",
            metadata=meta.v1.ObjectMetaArgs(name=ADMIN_SECRET, namespace=args.namespace),
            string_data=data,
            opts=ResourceOptions(parent=self),
        )


def _step(args: BootstrapArgs, admin: Input[str]) -> Step:
    env: dict[str, Input[str] | SecretKey] = {
        "ADMIN_PASSWORD": SecretKey(secret=admin, key="password"),
        "STACK_ID": args.stack_id,
    }
    if args.token:
        env["ORGANIZATION_TOKEN"] = SecretKey(secret=admin, key="organizationToken")
    return Step(
        name="bootstrap",
        image=args.python_image,
        script="bootstrap/bootstrap.py",
        config={
            "url": args.address,
            "namespace": args.namespace,
            "secret": BOOTSTRAP_SECRET,
            "account": PROVISIONER,
            "organization": args.organization.name,
            "admin": args.organization.admin,
            "machine_auth": args.organization.machine_auth,
            "mode": "adopt" if args.token else "create",
            "runbook": "docs/runbooks/bootstrap.md",
            "settle_seconds": _SETTLE_SECONDS,
            "deadline_seconds": args.organization.deadline_minutes * 60,
            **({"data": args.data} if args.data else {}),
        },
        env=env,
    )
