"""The environment that a stack makes, written down from the documentation and not from the components."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import quote

from pydantic import SecretStr

import settings
from components.infisical_secrets import CERTIFICATE_HEADERS
from settings import Settings
from settings.external import ExternalDatabase, ExternalRedis


def made(name: str) -> str:
    """What the random provider of the harness makes for a logical name."""
    length = 32 if name.endswith(("password", "encryption-key")) else 64
    return hashlib.shake_256(name.encode()).hexdigest(length)[:length]


def environment(stack: Settings) -> dict[str, str]:
    """The Secret infisical-secrets as InfisicalSecrets makes it."""
    told = settings.environment_of(stack)
    given = {name: value.get_secret_value() for name, value in told.secret.items()}
    generated = {
        "ENCRYPTION_KEY": made("infisical-secrets-encryption-key"),
        "AUTH_SECRET": made("infisical-secrets-auth-secret"),
        "COOKIE_SECRET_SIGN_KEY": made("infisical-secrets-cookie-secret"),
        **dict.fromkeys(CERTIFICATE_HEADERS, f"x-client-certificate-{made('infisical-secrets-header')[:32]}"),
    }
    if "ROOT_ENCRYPTION_KEY" in given:  # where ENCRYPTION_KEY is given too, that is there all the same
        del generated["ENCRYPTION_KEY"]
    password = stack.database_password.get_secret_value() if stack.database_password else made("platform-db-password")
    redis_password = stack.redis_password.get_secret_value() if stack.redis_password else made("platform-kv-password")

    def uri(service: str) -> str:
        host = f"platform-db-cluster{service}.platform-db-pg.svc"
        return f"postgresql://infisical_user:{quote(password, safe='')}@{host}:5432/infisical"

    connections: dict[str, str] = {
        "DB_CONNECTION_URI": uri("-pooler"),
        "REDIS_SENTINEL_HOSTS": "platform-kv-sentinel-sentinel.platform-kv-redis-cluster.svc:26379",
        "REDIS_SENTINEL_MASTER_NAME": "platform-kv-master",
        "REDIS_PASSWORD": redis_password,
    }
    if isinstance(stack.database, ExternalDatabase):
        where = stack.database
        login, address = f"{where.user}:{quote(password, safe='')}", f"{where.host}:{where.port}/{where.name}"
        connections |= {
            "DB_CONNECTION_URI": f"postgresql://{login}@{address}",
            "DB_ROOT_CERT": base64.b64encode(where.authority.encode()).decode(),
        }
    if isinstance(stack.redis, ExternalRedis):
        for name in [name for name in connections if name.startswith("REDIS_")]:
            del connections[name]
        connections |= redis_outside(stack.redis, redis_password, stack.redis_sentinel_password)
    if stack.infisical.read_replicas == "cluster":
        connections["DB_READ_REPLICAS"] = json.dumps([{"DB_CONNECTION_URI": uri("-repl")}])
    return {**generated, **told.plain, **given, **connections}


def redis_outside(redis: ExternalRedis, password: str, sentinel: SecretStr | None) -> dict[str, str]:
    if redis.host:
        login = f"{quote(redis.username or '', safe='')}:{quote(password, safe='')}"
        return {"REDIS_URL": f"redis{'s' * redis.tls}://{login}@{redis.host}:{redis.port}"}
    told = {
        "REDIS_SENTINEL_HOSTS": ",".join(redis.sentinel_hosts),
        "REDIS_SENTINEL_MASTER_NAME": redis.master_name or "",
        "REDIS_PASSWORD": password,
        "REDIS_USERNAME": redis.username or "",
        "REDIS_SENTINEL_PASSWORD": sentinel.get_secret_value() if sentinel else "",
    }
    return {name: value for name, value in told.items() if value}
