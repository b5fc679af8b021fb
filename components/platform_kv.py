"""Run Redis under Sentinel with the OT-CONTAINER-KIT redis-operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pulumi import (
    ComponentResource,
    Input,
    Output,
    Resource,
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

from components.base.content import content_addressed, content_name, digest, versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.logical_names import (
    REDIS,
    gate_name,
    password_name,
    redis_config_name,
    redis_replication_name,
    redis_servers_gate_name,
)
from components.base.names import REDIS_REPLICATION, REDIS_SENTINEL, type_token
from components.base.password import password
from components.base.pod import SecretKey, Step
from components.base.ports import SENTINEL_PORT
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.redis_gates import RedisSteps
from components.redis_login import PASSWORD
from components.redis_specs import AUTH, MASTER_GROUP, replication_spec, sentinel_spec
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
        """Build the arguments from the stack's settings."""
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


def _files(redis: RedisSettings) -> dict[str, str]:
    return {"redis-additional.conf": RedisConfig(max_memory_mib=redis.max_memory_mib).render()}


def servers_of(redis: RedisSettings) -> dict[str, Input[object]]:
    """Return what the servers' gate is triggered by, before anything is made."""
    return replication_spec(redis, content_name(redis_config_name(REDIS), _files(redis)))


class PlatformKv(ComponentResource):
    """Create a Redis that fails over, with the password that Infisical uses.

    Creates a Namespace, the password and its Secret, the configuration (a ConfigMap named by its content: neither
    Redis nor its operator notices an edited one), a Gate that makes the first server the master, a RedisReplication,
    a Gate that waits until its servers are rolled, a RedisSentinel and a Gate that asks every Sentinel and the master
    itself. A changed password is made known to every running Redis and Sentinel first.
    """

    password: Output[str]
    sentinel_host: str
    # It changes when the Sentinels are replaced, so that Infisical's pods are, after them: their client of Redis keeps
    # the address of every Sentinel that it has seen, and tries one that is no more for 10 s (D74).
    sentinels: str

    def __init__(self, name: str, args: PlatformKvArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("PlatformKv"), name, None, opts)
        self.sentinel_host = f"{REDIS_SENTINEL}-sentinel.{args.names.redis}.svc"

        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        own, self._closed = closed_namespace(name, args.names.redis, annotations, args.paths, protected)
        self._namespace, self._seconds = own.metadata.name, args.deadline_seconds
        steps = RedisSteps(
            redis=args.redis,
            namespace=args.names.redis,
            image=args.jobs.python_image,
            deadline_seconds=args.deadline_seconds,
        )
        key, auth = self._login(name, args, steps)
        config_map = content_addressed(
            redis_config_name(name), self._namespace, _files(args.redis), parent=self
        ).metadata.name
        servers, sentinels = replication_spec(args.redis, config_map), sentinel_spec(args.redis)
        self.sentinels = digest(sentinels)
        before = self._gate(f"{name}-handover", steps.hand_over(), after=auth, triggers=[servers])
        replication = CustomResource(
            redis_replication_name(name),
            api_version=_API_VERSION,
            kind="RedisReplication",
            metadata=self._metadata(REDIS_REPLICATION),
            spec=servers,
            opts=ResourceOptions(
                parent=self, depends_on=[before, self._closed], protect=args.protect, delete_before_replace=True
            ),
        )
        rolled = self._gate(
            redis_servers_gate_name(name), steps.rolled(config_map), after=replication, triggers=[servers]
        )
        sentinel = CustomResource(
            f"{name}-sentinel",
            api_version=_API_VERSION,
            kind="RedisSentinel",
            metadata=self._metadata(REDIS_SENTINEL),
            spec=sentinels,
            opts=ResourceOptions(parent=self, depends_on=[rolled], delete_before_replace=True),
        )
        self._gate(gate_name(name), steps.ready(config_map, key), after=sentinel, triggers=[servers, sentinels])
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

    def _login(self, name: str, args: PlatformKvArgs, steps: RedisSteps) -> tuple[SecretKey, core.v1.Secret]:
        """Create the password, for Jobs and in the Secret that the servers read. Redis learns a changed one first."""
        new = password(password_name(name), args.password, args.redis.password_rotation, parent=self)
        login = versioned_secret(f"{name}-gate-login", self._namespace, {"password": new}, parent=self)
        key = SecretKey(secret=login.metadata.name, key="password")
        rotates = args.password is not None or args.redis.password_rotation > 1
        auth = core.v1.Secret(
            f"{name}-auth",
            metadata=self._metadata(AUTH),
            string_data={"password": new},
            opts=ResourceOptions(
                parent=self,
                protect=args.protect,
                depends_on=[self._gate(f"{name}-rotation", steps.learn(key), after=self._closed)] if rotates else [],
                hooks=None if rotates else ResourceHookBinding(before_update=[_refuse_another_password]),
            ),
        )
        # Whoever uses the password waits for the Secret, and so until Redis has learned the password.
        self.password = auth.id.apply(lambda _: new)
        return key, auth

    def _gate(self, name: str, step: Step, *, after: Resource, triggers: object = None) -> Gate:
        """Hold up what depends on it until the step has succeeded, which begins once `after` is there."""
        gate = GateArgs(
            namespace=self._namespace,
            steps=[step],
            triggers=triggers,
            deadline_seconds=self._seconds,
            after=[after],
        )
        return Gate(name, gate, ResourceOptions(parent=self))


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
