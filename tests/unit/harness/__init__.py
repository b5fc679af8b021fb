"""Run a Pulumi program, or one component of it, on mocks, and answer questions about the graph that it declares.

    graph = platform("prod", redis={"sentinels": 5})
    assert graph.waits("infisical", for_="cert-sync")
    assert graph.parallel("platform-db", "platform-kv")
    assert graph.secret("Secret/infisical-secrets", "stringData", "ENCRYPTION_KEY")
    assert graph["RedisSentinel/platform-kv-sentinel"]["spec", "clusterSize"] == 5

Pulumi's own mocks see a resource's inputs; what orders, protects and replaces it stands in the request to the engine.
So a monitor records every request whole. A failed assertion prints the path between two resources, or what is missing
from it; a name that nobody has prints the names that are like it.

`recording` runs and records, `graph` asks: both know nothing of this project and can be copied. `project` is this
program with the configuration of a stack, and the shapes that a stack may have.
"""

from tests.unit.harness.graph import Answer, Graph, Leaf, Resource
from tests.unit.harness.project import (
    AUTHORITY,
    BUCKET,
    CLUSTER,
    COMMANDS,
    EXTERNAL_DATABASE,
    EXTERNAL_REDIS,
    EXTERNAL_SENTINELS,
    INSTALLED,
    OPERATOR,
    ORGANIZATION,
    OTHER_SERVER,
    OUTSIDE,
    PROJECT,
    RECIPIENT,
    ROOT,
    SHAPES,
    SHOP,
    THROW_AWAY,
    audit_logs_in,
    configuration,
    encrypted,
    everything,
    external,
    in_a_bucket,
    moved_in,
    platform,
    sample,
    settings_of,
    shape,
    with_applications,
    with_sentinels,
)
from tests.unit.harness.recording import Computed, State, made_name, run

__all__ = [
    "AUTHORITY",
    "BUCKET",
    "CLUSTER",
    "COMMANDS",
    "EXTERNAL_DATABASE",
    "EXTERNAL_REDIS",
    "EXTERNAL_SENTINELS",
    "INSTALLED",
    "OPERATOR",
    "ORGANIZATION",
    "OTHER_SERVER",
    "OUTSIDE",
    "PROJECT",
    "RECIPIENT",
    "ROOT",
    "SHAPES",
    "SHOP",
    "THROW_AWAY",
    "Answer",
    "Computed",
    "Graph",
    "Leaf",
    "Resource",
    "State",
    "audit_logs_in",
    "configuration",
    "encrypted",
    "everything",
    "external",
    "in_a_bucket",
    "made_name",
    "moved_in",
    "platform",
    "run",
    "sample",
    "settings_of",
    "shape",
    "with_applications",
    "with_sentinels",
]
