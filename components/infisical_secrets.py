"""Write the environment of Infisical into one Secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_kubernetes import core, meta
from pulumi_random import RandomPassword

from components.base.logical_names import encryption_key_name
from components.base.names import INFISICAL_SECRET, type_token
from components.base.references import SecretRef
from components.databases import Database, Redis
from components.external_db import ExternalDb
from components.external_kv import ExternalKv
from components.network_paths import Path, network_paths
from components.network_policies import closed_namespace
from components.platform_db import PlatformDb
from components.stack_identity import StackIdentity
from settings import ENCRYPTION_KEYS, Environment, Settings, environment_of, key_label
from settings.names import Names

CA_KEY = "DB_ROOT_CERT"  # CertSync alone sets it, where the database is the stack's own
# Infisical takes the certificate in these headers for one that a proxy has verified, whoever sends it. A name that
# nobody can guess closes that. A stack whose proxy does set them names them in extraEnvironment.
CERTIFICATE_HEADERS = ("IDENTITY_TLS_CERT_AUTH_CLIENT_CERTIFICATE_HEADER_KEY", "SSL_CLIENT_CERTIFICATE_HEADER_KEY")


@dataclass(frozen=True, kw_only=True, slots=True)
class InfisicalSecretsArgs:
    """What Infisical is told. Upstream's backend/src/lib/config/env.ts defines the variables and their forms."""

    environment: Environment  # given keys take the place of generated ones
    read_replicas: bool  # whether the database's own replicas are read from
    database: Database
    redis: Redis
    names: Names
    identity: StackIdentity  # whose the namespace is
    paths: Sequence[Path]  # who may reach whom
    protect: bool

    @classmethod
    def of(cls, settings: Settings, identity: StackIdentity, database: Database, redis: Redis) -> InfisicalSecretsArgs:
        """Build the arguments from the stack's settings."""
        return cls(
            environment=environment_of(settings),
            read_replicas=settings.infisical.read_replicas == "cluster",
            database=database,
            redis=redis,
            names=settings.cluster.names,
            identity=identity,
            paths=network_paths(settings),
            protect=settings.cluster.protect,
        )


class InfisicalSecrets(ComponentResource):
    """Create the namespace, the keys that are made once and kept, and the Secret `infisical-secrets`.

    ENCRYPTION_KEY encrypts everything that users store. If the key is lost or changed, all of it is gone for good. So
    the key is generated once if it is not given, kept in the stack's (encrypted) state, and protected.
    """

    ref: SecretRef
    encryption_keys: Output[dict[str, str]]
    key_label: Output[str]
    uid: Output[str]
    fingerprint: Output[str]

    def __init__(self, name: str, args: InfisicalSecretsArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("InfisicalSecrets"), name, None, opts)
        self.ref = SecretRef(namespace=args.names.infisical, name=INFISICAL_SECRET)

        protected = ResourceOptions(parent=self, protect=args.protect)
        annotations = args.identity.annotations
        self.namespace, _ = closed_namespace(name, args.names.infisical, annotations, args.paths, protected)
        # Always made: a key that may be in use can't be taken out of the stack again.
        generated = {
            "ENCRYPTION_KEY": _random_hex(encryption_key_name(name), 32, protected),  # used as 32 bytes, not decoded
            "AUTH_SECRET": _random_hex(f"{name}-auth-secret", 64, protected),
            "COOKIE_SECRET_SIGN_KEY": _random_hex(f"{name}-cookie-secret", 64, protected),
        }
        header = _random_hex(f"{name}-header", 32, ResourceOptions(parent=self))
        named = {variable: Output.concat("x-client-certificate-", header) for variable in CERTIFICATE_HEADERS}
        given = {variable: value.get_secret_value() for variable, value in args.environment.secret.items()}
        if "ROOT_ENCRYPTION_KEY" in given:
            del generated["ENCRYPTION_KEY"]
        environment = {**generated, **named, **args.environment.plain, **given, **_connections(args)}
        keys = {variable: environment[variable] for variable in ENCRYPTION_KEYS if variable in environment}
        self.encryption_keys = Output.all(**keys)
        self.key_label = Output.unsecret(self.encryption_keys.apply(_label))
        # A password of somebody else's server is published once that server has taken it, and so is one that PostgreSQL
        # has to learn. Redis learns a new one first by itself.
        proven = [
            part
            for part in (args.database, args.redis)
            if isinstance(part, ExternalDb | ExternalKv) or (isinstance(part, PlatformDb) and part.rotates)
        ]
        secret = core.v1.Secret(
            name,
            metadata=meta.v1.ObjectMetaArgs(name=INFISICAL_SECRET, namespace=self.namespace.metadata.name),
            string_data=environment,
            opts=ResourceOptions(parent=self, protect=args.protect, depends_on=list(proven)),
        )
        self.uid = secret.metadata.apply(lambda metadata: metadata.uid or "")
        # Keyed: the digest stands in an annotation, where it must not help anybody to guess a value.
        key = _random_hex(f"{name}-fingerprint-key", 64, ResourceOptions(parent=self))
        self.fingerprint = Output.unsecret(Output.all(key=key, environment=environment).apply(_fingerprint))
        self.register_outputs({"secret": INFISICAL_SECRET, "keyLabel": self.key_label})


def _random_hex(name: str, length: int, opts: ResourceOptions) -> Output[str]:
    """Return `length` hexadecimal digits. Secret.

    RandomBytes would not do: its id is its value, and ids are plain text in the state (computeRandomBytesID of
    pulumi/pulumi-random).
    """
    return RandomPassword(
        name,
        length=length,
        lower=False,
        upper=False,
        numeric=False,
        special=True,
        override_special="0123456789abcdef",
        opts=opts,
    ).result


def _label(keys: Mapping[str, str]) -> str:
    """Return the label of the key that opens the database, which is the first of the two."""
    return key_label(*next(iter(keys.items())))


def _fingerprint(parts: Mapping[str, object]) -> str:
    environment = json.dumps(parts["environment"], sort_keys=True).encode()
    return hmac.new(str(parts["key"]).encode(), environment, hashlib.sha256).hexdigest()[:16]


def _connections(args: InfisicalSecretsArgs) -> dict[str, Input[str]]:
    """Return the variables that lead to both databases."""
    connections: dict[str, Input[str]] = {
        "DB_CONNECTION_URI": args.database.uri(args.database.pooler),
        **args.redis.variables,
    }
    if isinstance(args.database, ExternalDb):
        connections[CA_KEY] = args.database.root_certificate
    elif args.read_replicas:
        replica = args.database.uri(args.database.replicas)
        connections["DB_READ_REPLICAS"] = replica.apply(lambda uri: json.dumps([{"DB_CONNECTION_URI": uri}]))
    return connections
