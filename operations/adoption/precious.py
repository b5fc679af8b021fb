"""Refuse to adopt while a key or password would be generated anew, or changed. Values are compared, never shown."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping

from pydantic import SecretStr

from components.base.names import (
    ADMIN_SECRET,
    BACKUP_STORE,
    DATABASE_CREDENTIALS,
    INFISICAL_SECRET,
)
from components.redis_specs import AUTH
from operations.cluster import Cluster
from operations.field_managers import Key
from operations.pulumi import Stack
from settings import Settings, environment_of

_KEYS = ("ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY", "AUTH_SECRET", "COOKIE_SECRET_SIGN_KEY")


def lost_secrets(stack: Stack, cluster: Cluster, settings: Settings, made: Collection[Key]) -> Iterator[str]:
    """Yield a sentence for each key and password that `up` would not keep. Raises Unanswered.

    `made` are the objects that it makes. What the stack has already is in its state, and the settings may not say it.
    """
    names = settings.cluster.names

    def deployed(namespace: str, name: str) -> Mapping[str, str]:
        return _data(cluster, namespace, name) if Key(namespace, "Secret.v1.", name) in made else {}

    environment = deployed(names.infisical, INFISICAL_SECRET)
    known = environment_of(settings).secret
    wrong = [name for name in _KEYS if name in environment and not _same(known.get(name), environment[name])]
    passwords = {
        "databasePassword": (settings.database_password, deployed(names.database, DATABASE_CREDENTIALS)),
        "redisPassword": (settings.redis_password, deployed(names.redis, AUTH)),
    }
    source = cluster.kubectl(f"get secret {INFISICAL_SECRET} --namespace {names.infisical} --output yaml")
    take = f"`{source} | {stack.commands.make('import-secrets', FILE='/dev/stdin')}`"
    for name in wrong:
        yield f"{name} of {INFISICAL_SECRET} is not the stack's, and `up` would replace it: {take}"
    opening = deployed(names.database, BACKUP_STORE).get("passphrase")
    if opening and not _same(settings.backup_passphrase, opening):
        setting = stack.commands.set("backupPassphrase", secret=True)
        read = cluster.kubectl(f"get secret {BACKUP_STORE} --namespace {names.database}")
        take = f"`{read} --output jsonpath='{{.data.passphrase}}' | base64 --decode | {setting}`"
        yield f"backupPassphrase is not what the cluster has, and opens the backups that are there: {take}"
    first = deployed(names.infisical, ADMIN_SECRET).get("password")
    if first and not _same(settings.admin_password, first):
        setting = stack.commands.set("adminPassword", secret=True)
        read = cluster.kubectl(f"get secret {ADMIN_SECRET} --namespace {names.infisical}")
        take = f"`{read} --output jsonpath='{{.data.password}}' | base64 --decode | {setting}`"
        yield f"adminPassword is not what the cluster has, which is the only copy of the admin's first password: {take}"
    for key, (own, live) in passwords.items():
        if "password" in live and not _same(own, live["password"]):
            yield f"{key} is not what the cluster has: {take}; or by hand, {stack.commands.set(key, secret=True)}"


def _same(own: SecretStr | None, live: str) -> bool:
    return own is not None and own.get_secret_value() == live


def _data(cluster: Cluster, namespace: str, name: str) -> Mapping[str, str]:
    found = cluster.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    data = (found or {}).get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
