"""Settings of applications with a different value, and what each changes."""

from __future__ import annotations

import copy
from typing import Any

from tests.unit.changes import CANARY, OPERATOR, Change, Config, change

SHOP: Config = {
    "environments": {"prod": "Production", "test": "Test"},
    "people": {"viewer": ["dev@example.org"]},
    "secrets": {
        "prod": {
            "/": {
                "FEATURES": "search,cart",
                "SESSION_KEY": {"generate": 64},
                "DATABASE_URL": {"from": "shopDatabaseUrl"},
                "CART_URL": {"from": "cartUrl"},
                "STRIPE_KEY": {"owner": "people"},
            },
            "/web": {"FEATURES": "search,cart", "URL": {"from": "shopDatabaseUrl"}},
            "/tls": {"tls.crt": {"owner": "people"}, "tls.key": {"owner": "people"}},
        },
        "test": {"/": {"FEATURES": "search,cart"}},
    },
    "deliver": [
        {"environment": "prod", "namespace": "shop", "secret": "shop-env", "restarts": ["deployment/shop"]},
        {"environment": "prod", "path": "/tls", "namespace": "edge", "secret": "shop-tls"},
    ],
    "roles": {"auditor": {"name": "Auditor", "permissions": [{"subject": "secrets", "actions": ["read"]}]}},
    "approvals": [{"environment": "prod", "path": "/paid", "approvers": ["a@example.org", "b@example.org"]}],
}
WITH_APPLICATIONS: Config = {
    "organization": {"name": "dog", "admin": "ops@example.org"},
    "secretsOperator": {"chart": {"path": "embedded/charts/secrets-operator"}},
    "applications": {"shop": SHOP},
    "extraSecrets": '{"LICENSE_KEY": "throw-away"}',
    "shopDatabaseUrl": "dGhyb3ctYXdheQ==",  # text and base64 alike
    "cartUrl": "dGhyb3ctYXdheS10b28=",
}

STATIC = "InfisicalStaticSecret/secret-delivery-shop-shop-env"
TLS = "InfisicalStaticSecret/secret-delivery-edge-shop-tls"
# The wish is a ConfigMap named by its content, and its name reaches all who act on it.
WISH = (
    "ConfigMap/application-secrets-wish Job/application-secrets CronJob/infisical-drift-schedule "
    f"{STATIC} {TLS} {CANARY} Job/secret-delivery-gate"
)
VALUES = "Secret/application-secrets-values"
BOTH = "Job/secret-delivery-free Job/secret-delivery-gate"
GATES = f"ConfigMap/secret-delivery-wish {BOTH}"
DELIVERY = f"{STATIC} {GATES}"
TARGET = "Role/secret-delivery-free-shop Role/secret-delivery-gate-shop"
MOVED = f"{DELIVERY} InfisicalStaticSecret/secret-delivery-store-shop-env {OPERATOR} " + " ".join(
    f"{kind}/secret-delivery-{gate}-{namespace}"
    for kind in ("Role", "RoleBinding")
    for gate in ("free", "gate")
    for namespace in ("shop", "store")
)
# Its accounts, its delivery and its values. The proof of the operator stays.
ENDED = (
    f"{WISH} {VALUES} {DELIVERY} {TARGET} {OPERATOR}"
    """
    ClusterRole/infisical-shop-token-review ClusterRoleBinding/infisical-shop-token-review
    InfisicalAuth/secret-delivery-auth-shop RandomPassword/application-secrets-shop-cca7d477636d
    Role/secret-delivery-free-edge Role/secret-delivery-gate-edge RoleBinding/secret-delivery-free-edge
    RoleBinding/secret-delivery-gate-edge Role/application-secrets-identities
    Role/secret-delivery-gate-infisical-secrets-operator RoleBinding/secret-delivery-free-shop
    RoleBinding/secret-delivery-gate-shop Secret/infisical-identity-shop ServiceAccount/infisical-shop
"""
)


def _each(key: str, place: str, value: Any, changed: str = WISH, shown: str | None = "") -> Change:
    """Return a change of the shop, at a place in which parts are divided by blanks."""
    shop = copy.deepcopy(SHOP)
    *parents, last = place.split()
    section: Any = shop
    for parent in parents:
        section = section[int(parent)] if isinstance(section, list) else section.setdefault(parent, {})
    section[int(last) if isinstance(section, list) else last] = value
    return change(f"applications.{key}", None, changed, value if shown == "" else shown, applications={"shop": shop})


_ROOT = "secrets prod /"
APPLICATIONS = (
    _each("project", "project", "other-shop"),
    _each("secrets.from", f"{_ROOT} DATABASE_URL", {"from": "cartUrl"}, VALUES, None),
    _each(
        "secrets.encoding",
        f"{_ROOT} DATABASE_URL",
        {"from": "shopDatabaseUrl", "encoding": "base64"},
        f"{WISH} {VALUES}",
        None,
    ),
    _each(
        "secrets.generate",
        f"{_ROOT} SESSION_KEY",
        {"generate": 65},
        f"{VALUES} RandomPassword/application-secrets-shop-cca7d477636d",
        "65",
    ),
    _each(
        "secrets.owner",
        f"{_ROOT} FEATURES",
        {"owner": "people", "initial": "search,cart"},
        f"{WISH} Job/secret-delivery-free ConfigMap/secret-delivery-wish",
        None,
    ),
    _each(
        "secrets.initial.from",
        f"{_ROOT} STRIPE_KEY",
        {"owner": "people", "initial": {"from": "cartUrl"}},
        f"{WISH} {VALUES}",
        None,
    ),
    _each(
        "secrets.initial.generate",
        f"{_ROOT} STRIPE_KEY",
        {"owner": "people", "initial": {"generate": 33}},
        f"{WISH} {VALUES} RandomPassword/application-secrets-shop-86964e44abd7",
        "33",
    ),
    _each("deliver.environment", "deliver 0 environment", "test", DELIVERY),
    _each("deliver.path", "deliver 0 path", "/web", DELIVERY),
    _each("deliver.namespace", "deliver 0 namespace", "store", MOVED),
    _each(
        "deliver.secret",
        "deliver 0 secret",
        "other-env",
        f"{DELIVERY} {TARGET} InfisicalStaticSecret/secret-delivery-shop-other-env",
    ),
    _each(
        "deliver.type",
        "deliver 1 type",
        "kubernetes.io/tls",
        f"{TLS} {GATES}",
    ),
    _each("deliver.keys", "deliver 0 keys", {"features.txt": "FEATURES"}, DELIVERY, "features.txt"),
    _each(
        "deliver.restarts",
        "deliver 0 restarts",
        ["deployment/other-shop"],
        f"{GATES} Role/secret-delivery-gate-shop",
        "other-shop",
    ),
    _each("retired", "retired", True, ENDED, None),
    change("jobs.applicationsMinutes", 17, "Job/application-secrets CronJob/infisical-drift-schedule", None),
    change("secretsOperator.deliveryMinutes", 19, f"{BOTH} Job/operator-canary", None),
)
# These reach nothing but the wish, which test_application_secrets.py compares without a graph.
WISHES = (
    _each("environments", "environments prod", "Live"),
    _each("people", "people viewer", ["x@example.org"], shown="x@example.org"),
    _each("removed", "removed", {"prod": {"/": ["OLD_KEY"]}}, shown="OLD_KEY"),
    _each("roles.name", "roles auditor name", "Inspector"),
    _each("roles.permissions.subject", "roles auditor permissions 0 subject", "secret-folders"),
    _each("roles.permissions.actions", "roles auditor permissions 0 actions", ["create"], shown="create"),
    _each("roles.permissions.environments", "roles auditor permissions 0 environments", ["test"], shown=None),
    _each("roles.permissions.paths", "roles auditor permissions 0 paths", ["/paths/**"], shown="/paths/**"),
    _each("groups", "groups", {"auditor": ["team-of-four"]}, shown="team-of-four"),
    _each("approvals.environment", "approvals 0 environment", "test", shown=None),
    _each("approvals.path", "approvals 0 path", "/costly"),
    _each("approvals.approvers", "approvals 0 approvers", ["c@example.org"], shown="c@example.org"),
    _each("approvals.required", "approvals 0 required", 2, shown=None),
)
