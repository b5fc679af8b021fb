"""What the last update may have made: Pulumi's type and logical name, as `LastState.outputs` takes both."""

from __future__ import annotations

from components.base import logical_names as names

Made = tuple[str, str]

_JOB = "kubernetes:batch/v1:Job"
_RANDOM = "random:index/randomPassword:RandomPassword"
_CORE = "kubernetes:core/v1"
_GATE = names.gate_name(names.DATABASE)

KUBERNETES: Made = ("pulumi:providers:kubernetes", names.KUBERNETES)
STACK_ID: Made = ("random:index/randomUuid:RandomUuid", names.STACK_IDENTITY)
ENCRYPTION_KEY: Made = (_RANDOM, names.encryption_key_name(names.INFISICAL_SECRETS))
INFISICAL_NAMESPACE: Made = (f"{_CORE}:Namespace", names.namespace_name(names.INFISICAL_SECRETS))
NAMESPACES: tuple[Made, ...] = (
    (f"{_CORE}:Namespace", names.namespace_name(names.DATABASE)),
    (f"{_CORE}:Namespace", names.namespace_name(names.REDIS)),
    INFISICAL_NAMESPACE,
)

DATABASE: Made = ("kubernetes:acid.zalan.do/v1:postgresql", names.database_cluster_name(names.DATABASE))
DATABASE_PASSWORD: Made = (_RANDOM, names.password_name(names.DATABASE))
DATABASE_COMPARED: Made = (_JOB, names.step_name(_GATE, names.OPERATOR_STEP))
DATABASE_LOGGED_IN: Made = (_JOB, names.step_name(_GATE, names.LOGIN_STEP))
EXTERNAL_DATABASE: Made = (f"{_CORE}:Secret", names.external_database_name(names.DATABASE))

REDIS: Made = (
    "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication",
    names.redis_replication_name(names.REDIS),
)
REDIS_PASSWORD: Made = (_RANDOM, names.password_name(names.REDIS))
REDIS_COMPARED: Made = (_JOB, names.redis_servers_gate_name(names.REDIS))
EXTERNAL_REDIS: Made = (f"{_CORE}:Secret", names.redis_login_name(names.REDIS))

CLUSTER_OPERATORS: Made = ("infisical-platform:components:ClusterOperators", names.CLUSTER_OPERATORS)
APPLICATIONS: Made = ("infisical-platform:components:ApplicationSecrets", names.APPLICATION_SECRETS)
