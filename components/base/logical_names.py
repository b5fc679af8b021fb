"""Pulumi's own names of what safeguards look for in the state of the last update.

The parts are built with these names, and safeguards ask for the same ones: a name written in two places would disarm a
refusal as soon as one of them changes. They are also in users' states, so a change makes the resource anew.
"""

from __future__ import annotations

# The parts, as __main__.py calls them.
CLUSTER_OPERATORS = "cluster-operators"
STACK_IDENTITY = "stack-identity"
DATABASE = "platform-db"
REDIS = "platform-kv"
INFISICAL_SECRETS = "infisical-secrets"
APPLICATION_SECRETS = "application-secrets"
DELIVERY = "secret-delivery"
KUBERNETES = "kubernetes"  # the provider

OPERATOR_STEP, LOGIN_STEP = "operator", "login"  # of the database's gate


def namespace_name(part: str) -> str:
    """Return the name of the Namespace of a part."""
    return f"{part}-namespace"


def encryption_key_name(part: str) -> str:
    """Return the name of the RandomPassword that InfisicalSecrets uses when it is given no key."""
    return f"{part}-encryption-key"


def database_cluster_name(part: str) -> str:
    """Return the name of the postgresql resource of PlatformDb."""
    return f"{part}-cluster"


def external_database_name(part: str) -> str:
    """Return the name of the Secret that ExternalDb makes once it has logged in."""
    return f"{part}-external"


def gate_name(part: str) -> str:
    """Return the name of the Gate that a part ends with."""
    return f"{part}-gate"


def step_name(gate: str, step: str) -> str:
    """Return the name of the Job of one of several steps of a Gate."""
    return f"{gate}-{step}"


def password_name(part: str) -> str:
    """Return the name of the RandomPassword of a database or of Redis, where none is given."""
    return f"{part}-password"


def redis_config_name(part: str) -> str:
    """Return the name of the ConfigMap with the configuration of Redis."""
    return f"{part}-config"


def redis_replication_name(part: str) -> str:
    """Return the name of the RedisReplication of PlatformKv."""
    return f"{part}-replication"


def redis_servers_gate_name(part: str) -> str:
    """Return the name of the Gate that compares the servers of Redis with what was asked for."""
    return f"{part}-servers"


def redis_login_name(part: str) -> str:
    """Return the name of the Secret with which ExternalKv logs in."""
    return f"{part}-login-secret"


def delivery_name(part: str, namespace: str, secret: str) -> str:
    """Return the name of the resource that has an operator write a Secret."""
    return f"{part}-{namespace}-{secret}"
