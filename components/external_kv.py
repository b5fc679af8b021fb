"""Log in to a Redis that somebody else runs, verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pydantic import SecretStr

from components.base.content import versioned_secret
from components.base.gate import Gate, GateArgs
from components.base.logical_names import redis_login_name
from components.base.names import type_token
from components.base.pod import SecretFiles, Step
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.redis_login import CA, PASSWORD, SENTINEL_PASSWORD, redis_variables
from components.stack_identity import StackIdentity
from settings import Settings
from settings.cluster import JobSettings
from settings.external import ExternalRedis
from settings.names import Names

_FOLDER = "/authority"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalKvArgs:
    """Where Redis is, the authority that it is verified with, and the passwords that it and its Sentinels have."""

    redis: ExternalRedis
    password: SecretStr
    sentinel_password: SecretStr | None
    jobs: JobSettings
    names: Names
    identity: StackIdentity  # whose the namespace is
    paths: Sequence[Path]  # who may reach whom
    protect: bool
    deadline_seconds: int = 60  # the gate's: the server is there, or somebody has to mend it

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity) -> ExternalKvArgs:
        """Build the arguments from the stack's settings."""
        assert isinstance(settings.redis, ExternalRedis)
        assert settings.redis_password
        return cls(
            redis=settings.redis,
            password=settings.redis_password,
            sentinel_password=settings.redis_sentinel_password,
            jobs=settings.jobs,
            names=settings.cluster.names,
            identity=identity,
            paths=network_paths(settings),
            protect=settings.cluster.protect,
        )


class ExternalKv(ComponentResource):
    """Prove that Infisical can use the Redis, before its environment leads there.

    Creates a Namespace for the Job that reaches it, and a Gate that logs in as Infisical will, writes, and asks for the
    version and for what Redis does when it is full.
    """

    sentinels = ""  # whoever runs them replaces them without asking this program

    def __init__(self, name: str, args: ExternalKvArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("ExternalKv"), name, None, opts)
        self._args = args
        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        own, closed = closed_namespace(name, args.names.redis, annotations, args.paths, protected)
        self.namespace: Output[str] = own.metadata.name.apply(str)
        login = versioned_secret(redis_login_name(name), self.namespace, self.login, parent=self)
        step = Step(
            name="redis",
            image=args.jobs.python_image,
            script="platform_kv/external_redis_ready.py",
            config={"redis": self._where(_FOLDER), "deadline_seconds": args.deadline_seconds},
            env=redis_variables(login, self.login),
            files=[
                SecretFiles(secret=login.metadata.name, folder=_FOLDER, keys=[key]) for key in self.login if key == CA
            ],
        )
        Gate(
            f"{name}-login",
            GateArgs(
                namespace=self.namespace,
                steps=[step],
                triggers=None,
                deadline_seconds=args.deadline_seconds,
                after=[closed],
            ),
            ResourceOptions(parent=self),
        )
        self.register_outputs({"host": args.redis.host or args.redis.sentinel_hosts[0]})

    @property
    def variables(self) -> dict[str, Input[str]]:
        """Return the variables that lead Infisical to it. The passwords are secret."""
        redis, password = self._args.redis, self._args.password.get_secret_value()
        if redis.host:
            user = f"{quote(redis.username or '', safe='')}:{quote(password, safe='')}"
            scheme = "rediss" if redis.tls else "redis"
            return {"REDIS_URL": Output.secret(f"{scheme}://{user}@{redis.host}:{redis.port}")}
        sentinel = self._args.sentinel_password
        return {
            "REDIS_SENTINEL_HOSTS": ",".join(redis.sentinel_hosts),
            "REDIS_SENTINEL_MASTER_NAME": redis.master_name or "",
            "REDIS_PASSWORD": Output.secret(password),
            **({"REDIS_USERNAME": redis.username} if redis.username else {}),
            **({"REDIS_SENTINEL_PASSWORD": Output.secret(sentinel.get_secret_value())} if sentinel else {}),
        }

    @property
    def address(self) -> dict[str, str]:
        """Return where it is, for others who ask the stack."""
        redis = self._args.redis
        if redis.host:
            return {"host": f"{redis.host}:{redis.port}"}
        return {"sentinels": ",".join(redis.sentinel_hosts), "masterName": redis.master_name or ""}

    @property
    def login(self) -> dict[str, Input[str]]:
        """Return what a Job logs in with."""
        sentinel, authority = self._args.sentinel_password, self._args.redis.authority
        return {
            PASSWORD: Output.secret(self._args.password.get_secret_value()),
            **({SENTINEL_PASSWORD: Output.secret(sentinel.get_secret_value())} if sentinel else {}),
            **({CA: authority} if authority else {}),
        }

    def queues(self, folder: str) -> dict[str, object]:
        """Return how a restore finds the server, whose authority it has in `folder`."""
        return {"external": self._where(folder)}

    def _where(self, folder: str) -> dict[str, object]:
        redis = self._args.redis
        where: dict[str, object] = {"port": redis.port}
        if redis.username:
            where["username"] = redis.username
        if redis.host:
            where["host"] = redis.host
        else:
            where |= {"sentinels": list(redis.sentinel_hosts), "master_name": redis.master_name}
        if redis.tls:
            where["trust"] = f"{folder}/{CA}" if redis.authority else "public"
        return where
