"""Export what other stacks, scripts and people ask of a stack: docs/consumers.md."""

from __future__ import annotations

from pathlib import Path

from pulumi import export, get_organization

from components.base.names import (
    DATABASE_CLUSTER,
    DATABASE_NAMESPACE,
    INFISICAL_NAMESPACE,
    INFISICAL_SECRET,
    REDIS_NAMESPACE,
)
from components.infisical_release import InfisicalRelease
from components.infisical_secrets import InfisicalSecrets
from components.platform_db import PlatformDb
from components.platform_kv import PlatformKv
from components.redis_specs import MASTER_GROUP, SENTINEL_PORT
from settings import Settings

_README = Path(__file__).parent.parent / "Pulumi.README.md"
_NO_CLOUD = "organization"  # what Pulumi calls it where the state is in a bucket or a folder


def export_outputs(
    settings: Settings, db: PlatformDb, kv: PlatformKv, secrets: InfisicalSecrets, release: InfisicalRelease
) -> None:
    """Export addresses, names and versions. None is secret: passwords stay in the cluster's Secrets.

    Pulumi Cloud shows the output `readme` on the stack's page, with the other outputs filled in. Elsewhere nobody
    would, and each `up` would print it.
    """
    chart = settings.infisical.chart
    export("url", settings.infisical.site_url)
    export("namespaces", {"infisical": INFISICAL_NAMESPACE, "database": DATABASE_NAMESPACE, "redis": REDIS_NAMESPACE})
    export("infisical", {"service": release.service, "address": release.address, "secret": INFISICAL_SECRET})
    export(
        "database",
        {
            "cluster": DATABASE_CLUSTER,
            "pooler": f"{db.pooler.host}:{db.pooler.port}",
            "primary": f"{db.primary.host}:{db.primary.port}",
            "authority": f"{db.authority.namespace}/{db.authority.name}",
        },
    )
    export("redis", {"sentinels": f"{kv.sentinel_host}:{SENTINEL_PORT}", "masterName": MASTER_GROUP})
    export(
        "versions",
        {
            "infisical": settings.infisical.image,
            "chart": f"{chart.flavour} {chart.version}",
            "postgresql": str(settings.database.version),
            "redis": settings.redis.image,
        },
    )
    export("keyLabel", secrets.key_label)
    if get_organization() != _NO_CLOUD:
        export("readme", _README.read_text())
