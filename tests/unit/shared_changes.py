"""What others have in the same database cluster, with a different value. Only the `postgresql` says it."""

from __future__ import annotations

from tests.unit.changes import DATABASE, change

SHARED = (
    change("database.shared.users", {"reports": ["createdb"]}, DATABASE, "createdb"),
    change(
        "database.shared.databases",
        None,
        DATABASE,
        "shop",
        database={
            "instances": 3,
            "storageClass": "large",
            "shared": {"users": {"shop": []}, "databases": {"o": "shop"}},
        },
    ),
    change("database.shared.parameters", {"max_connections": 150}, DATABASE, "150"),
)
