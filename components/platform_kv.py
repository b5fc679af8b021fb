"""Run Redis under Sentinel with the OT-CONTAINER-KIT redis-operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pulumi import (
    ComponentResource,
    Input,
    Output,
    ResourceHookArgs,
    ResourceHookBinding,
    ResourceOptions,
    RunError,
    get_project,
    get_stack,
)
from pulumi_kubernetes import core, meta
from pulumi_kubernetes.apiextensions import CustomResource
from pydantic import SecretStr

from components.base.content import content_addressed, versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.names import REDIS_REPLICATION, type_token
from components.base.password import password
from components.base.pod import SecretKey, Step
from components.base.rbac import PolicyRule
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.redis_login import PASSWORD
from components.redis_specs import (
    AUTH,
    MASTER_GROUP,
    REDIS_PORT,
    SENTINEL,
    SENTINEL_PORT,
    SENTINELS,
    replication_spec,
    sentinel_spec,
    workloads,
)
from components.stack_identity import StackIdentity
from settings import Commands, Settings
from settings.cluster import JobSettings
from settings.names import Names
from settings.redis import RedisSettings

_API_VERSION = "redis.redis.opstreelabs.in/v1beta2"


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisConfig:
    """The directives of redis.conf that this program sets, as values.

    Redis knows no comment behind a directive: `maxmemory 96mb # why` is accepted when it is written, and ends the
    server at its next start. So nobody writes text here.
    """

    max_memory_mib: int
    max_memory_policy: Literal["noeviction"] = "noeviction"  # queues live here, and an evicted job is a lost job
    append_fsync: Literal["everysec", "always"] = "everysec"

    def render(self) -> str:
        """Return the text of redis.conf, one directive a line."""
        directives = {
            "maxmemory": f"{self.max_memory_mib}mb",
            "maxmemory-policy": self.max_memory_policy,
            "appendonly": "yes",
            "appendfsync": self.append_fsync,
        }
        return "".join(f"{name} {value}\n" for name, value in directives.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformKvArgs:
    """The size of Redis and of its Sentinels, and the password of both."""

    redis: RedisSettings
    password: SecretStr | None  # None: generated
    jobs: JobSettings
    names: Names
    identity: StackIdentity  # whose the namespace is
    paths: Sequence[Path]  # who may reach whom
    protect: bool
    deadline_seconds: int  # of the gate

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity) -> PlatformKvArgs:
        """Return the arguments that a stack's settings make."""
        assert isinstance(settings.redis, RedisSettings)
        return cls(
            redis=settings.redis,
            password=settings.redis_password,
            jobs=settings.jobs,
            names=settings.cluster.names,
            identity=identity,
            paths=network_paths(settings),
            protect=settings.cluster.protect,
            # A roll takes a minute a server, and the setting has time for three.
            deadline_seconds=(settings.redis.deadline_minutes + max(0, settings.redis.instances - 3)) * 60,
        )


class PlatformKv(ComponentResource):
    """Create a Redis that fails over, with the password that Infisical uses.

    Creates a Namespace, the password and its Secret, the configuration (a ConfigMap named by its content: neither
    Redis nor its operator notices an edited one), a RedisReplication, a RedisSentinel and a Gate that asks every
    Sentinel and the master itself. A changed password is made known to every running Redis and Sentinel first.
    """

    password: Output[str]
    sentinel_host: str

    def __init__(self, name: str, args: PlatformKvArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("PlatformKv"), name, None, opts)
        self.sentinel_host = f"{SENTINEL}-sentinel.{args.names.redis}.svc"

        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        own, self._closed = closed_namespace(name, args.names.redis, annotations, args.paths, protected)
        self._namespace = own.metadata.name
        new = password(f"{name}-password", args.password, args.redis.password_rotation, parent=self)
        login = versioned_secret(f"{name}-gate-login", self._namespace, {"password": new}, parent=self)
        rotates = args.password is not None or args.redis.password_rotation > 1
        auth = core.v1.Secret(
            f"{name}-auth",
            metadata=self._metadata(AUTH),
            string_data={"password": new},
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                depends_on=[self._rotation(name, args, login)] if rotates else [],
                hooks=None if rotates else ResourceHookBinding(before_update=[_refuse_another_password]),
            ),
        )
        # Whoever uses the password waits for the Secret, and so until Redis has learned the password.
        self.password = auth.id.apply(lambda _: new)
        config = {"redis-additional.conf": RedisConfig(max_memory_mib=args.redis.max_memory_mib).render()}
        config_map = content_addressed(f"{name}-config", self._namespace, config, parent=self)
        replication = CustomResource(
            f"{name}-replication",
            api_version=_API_VERSION,
            kind="RedisReplication",
            metadata=self._metadata(REDIS_REPLICATION),
            spec=replication_spec(args.redis, config_map.metadata.name),
            opts=ResourceOptions(
                parent=self, depends_on=[auth, self._closed], protect=args.protect, delete_before_replace=True
            ),
        )
        sentinel = CustomResource(
            f"{name}-sentinel",
            api_version=_API_VERSION,
            kind="RedisSentinel",
            metadata=self._metadata(SENTINEL),
            spec=sentinel_spec(args.redis),
            opts=ResourceOptions(parent=self, depends_on=[replication], delete_before_replace=True),
        )
        self._gate(name, args, login, config_map.metadata.name, sentinel)
        self.register_outputs({"sentinel": f"{self.sentinel_host}:{SENTINEL_PORT}"})

    @property
    def variables(self) -> dict[str, Input[str]]:
        """Return the variables that lead Infisical to it. REDIS_URL is not among them: it would win over Sentinel."""
        return {
            "REDIS_SENTINEL_HOSTS": f"{self.sentinel_host}:{SENTINEL_PORT}",
            "REDIS_SENTINEL_MASTER_NAME": MASTER_GROUP,
            "REDIS_PASSWORD": self.password,
        }

    @property
    def address(self) -> dict[str, str]:
        """Return where it is, for others who ask the stack."""
        return {"sentinels": f"{self.sentinel_host}:{SENTINEL_PORT}", "masterName": MASTER_GROUP}

    @property
    def login(self) -> dict[str, Input[str]]:
        """Return what a Job logs in with."""
        return {PASSWORD: self.password}

    def queues(self, _: str) -> dict[str, object]:
        """Return how a restore finds the master."""
        return {"sentinel_host": self.sentinel_host, "sentinel_port": SENTINEL_PORT, "master_name": MASTER_GROUP}

    @property
    def namespace(self) -> Output[str]:
        """Return the name of the namespace, known once it is there."""
        return self._namespace

    def _metadata(self, name: str) -> meta.v1.ObjectMetaArgs:
        """Return metadata in the component's namespace, so that the object waits for it.

        There are no annotations, because the operator copies them into the pods: a change would restart every Sentinel.
        """
        return meta.v1.ObjectMetaArgs(name=name, namespace=self._namespace)

    def _rotation(self, name: str, args: PlatformKvArgs, login: core.v1.Secret) -> Gate:
        """Have every running Redis and Sentinel take the new password beside the old, before the Secret changes."""
        learn = Step(
            name="rotation",
            image=args.jobs.python_image,
            script="platform_kv/redis_rotation.py",
            rules=_ROTATION_RULES,
            config={
                "namespace": args.names.redis,
                "secret": AUTH,
                "replication": REDIS_REPLICATION,
                "redis_port": REDIS_PORT,
                "sentinel": SENTINELS,
                "sentinel_port": SENTINEL_PORT,
                "master_name": MASTER_GROUP,
                "deadline_seconds": args.deadline_seconds,
            },
            env={"REDIS_PASSWORD": SecretKey(secret=login.metadata.name, key="password")},
        )
        return Gate(
            f"{name}-rotation",
            GateArgs(
                namespace=self._namespace,
                steps=[learn],
                triggers=None,
                deadline_seconds=args.deadline_seconds,
                after=[self._closed],
            ),
            ResourceOptions(parent=self),
        )

    def _gate(
        self,
        name: str,
        args: PlatformKvArgs,
        login: core.v1.Secret,
        config_map: Output[str],
        sentinel: CustomResource,
    ) -> None:
        gate = f"{name}-gate"
        ask = Step(
            name="redis",
            image=args.jobs.python_image,
            script="platform_kv/redis_ready.py",
            rules=_READY_RULES,
            config={
                "namespace": args.names.redis,
                "workloads": workloads(args.redis),
                "sentinels_host": f"{SENTINEL}-sentinel-headless.{args.names.redis}.svc",
                "sentinel_port": SENTINEL_PORT,
                "sentinels": args.redis.sentinels,
                "master_name": MASTER_GROUP,
                "replicas": args.redis.instances - 1,
                "operator_patience_seconds": 90,  # after an error it tries again in 60
                "deadline_seconds": args.deadline_seconds,
            },
            env={
                "CONFIG_MAP": config_map,
                "REDIS_PASSWORD": SecretKey(secret=login.metadata.name, key="password"),
            },
        )
        Gate(
            gate,
            GateArgs(
                namespace=self._namespace,
                steps=[ask],
                triggers=[replication_spec(args.redis, config_map), sentinel_spec(args.redis)],
                deadline_seconds=args.deadline_seconds,
                after=[sentinel],
            ),
            ResourceOptions(parent=self),
        )


_READY_RULES = (
    PolicyRule(group="apps", resource="statefulsets", verbs=["get"], names=[REDIS_REPLICATION, SENTINELS]),
    PolicyRule(group="", resource="pods", verbs=["list"]),
    PolicyRule(group="", resource="events", verbs=["list"]),
)
_ROTATION_RULES = (
    PolicyRule(group="", resource="secrets", verbs=["get"], names=[AUTH]),
    PolicyRule(group="", resource="pods", verbs=["list"]),
)


def _refuse_another_password(change: ResourceHookArgs) -> None:
    """Refuse to replace the first generated password, for which there is no rotation step. Raises RunError."""
    # Both keys are compared, because the provider turns the one into the other before it asks.
    old, new = (
        [(inputs or {}).get(key) for key in ("data", "stringData")] for inputs in (change.old_inputs, change.new_inputs)
    )
    if old != new:
        commands = Commands(get_project(), get_stack())
        raise RunError(
            "redis.passwordRotation: it was lowered to 1, or redisPassword was removed, and Redis would not know the "
            f"password that replaces it; set a higher number: {commands.set('redis.passwordRotation', '2')}"
        )
