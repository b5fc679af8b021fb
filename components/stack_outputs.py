"""Export what other stacks, scripts and people ask of a stack: docs/consumers.md."""

from __future__ import annotations

from pathlib import Path

from pulumi import export, get_organization

from components.backup import Backup
from components.base.names import DATABASE_CLUSTER, INFISICAL_SECRET
from components.databases import Database, ExternalDb, Redis
from components.infisical_release import InfisicalRelease
from components.infisical_secrets import InfisicalSecrets
from settings import Settings

_NOBODYS = "nobody's yet, unless somebody has claimed it: see README, The first organisation"
_EXTERNAL = "external"  # whoever runs it knows the version
_README = Path(__file__).parent.parent / "Pulumi.README.md"
_NO_CLOUD = "organization"  # what Pulumi calls it where the state is in a bucket or a folder


def export_outputs(
    settings: Settings,
    db: Database,
    kv: Redis,
    secrets: InfisicalSecrets,
    release: InfisicalRelease,
    backup: Backup | None,
) -> None:
    """Export addresses, names and versions. None is secret: passwords stay in the cluster's Secrets.

    Pulumi Cloud shows the output `readme` on the stack's page, with the other outputs filled in. Elsewhere nobody
    would, and each `up` would print it.
    """
    chart = settings.infisical.chart
    export("url", settings.infisical.site_url)
    names = settings.cluster.names
    export("namespaces", {"infisical": names.infisical, "database": names.database, "redis": names.redis})
    export("infisical", {"service": release.service, "address": release.address, "secret": INFISICAL_SECRET})
    export(
        "database",
        {
            **({} if isinstance(db, ExternalDb) else {"cluster": DATABASE_CLUSTER}),
            "pooler": f"{db.pooler.host}:{db.pooler.port}",
            "primary": f"{db.primary.host}:{db.primary.port}",
            "authority": f"{db.authority.namespace}/{db.authority.name}",
        },
    )
    export("redis", kv.address)
    export(
        "versions",
        {
            "infisical": settings.infisical.image,
            "chart": f"{chart.flavour} {chart.version}",
            "postgresql": settings.database.version if settings.database.kind == "operator" else _EXTERNAL,
            "redis": settings.redis.image if settings.redis.kind == "operator" else _EXTERNAL,
        },
    )
    export("keyLabel", secrets.key_label)
    export("organization", settings.organization.name if settings.organization else _NOBODYS)
    if backup:
        export("backup", backup.summary)
    if get_organization() != _NO_CLOUD:
        export("readme", _README.read_text())
