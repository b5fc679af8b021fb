"""NetworkPolicies: who reaches whom, and that nobody else does."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.harness import SHAPES, audit_logs_in, platform, shape
from tests.unit.network import Network, Pod
from tests.unit.network_pods import (
    ASKING_REDIS,
    CERT_SYNC,
    CONTROLLER,
    DATABASE,
    DATABASE_LOGIN,
    DATABASE_NS,
    DATABASE_READY,
    INFISICAL,
    INFISICAL_NS,
    INFISICAL_READY,
    JOBS,
    MEMBERS,
    MIGRATION,
    OLD_CHART,
    OWN,
    PODS,
    POOLER,
    POSTGRES_OPERATOR,
    REDIS,
    REDIS_NS,
    REDIS_OPERATOR,
    REDIS_ROLLED,
    REPLICA,
    RESOLVER,
    ROUTE_MOVED,
    SENTINEL,
    SOLVER,
    STRANGERS,
)

PORTS = (53, 443, 5432, 6379, 6443, 8008, 8080, 8089, 9121, 9187, 9464, 26379)

# Everything that stack dev allows between pods, without DNS.
PATHS = {
    *((source, target, 8080) for source in (CONTROLLER, INFISICAL_READY) for target in (INFISICAL, OLD_CHART)),
    (CONTROLLER, SOLVER, 8089),
    *((source, POOLER, 5432) for source in (INFISICAL, OLD_CHART, DATABASE_LOGIN, CERT_SYNC)),
    *(
        (source, target, 5432)
        for source in (POOLER, *MEMBERS, MIGRATION, DATABASE_LOGIN, CERT_SYNC, POSTGRES_OPERATOR)
        for target in MEMBERS
    ),
    *((source, target, 8008) for source in (*MEMBERS, POSTGRES_OPERATOR) for target in MEMBERS),
    *((source, REDIS, 6379) for source in (INFISICAL, OLD_CHART, REDIS, SENTINEL, *ASKING_REDIS, REDIS_OPERATOR)),
    *((source, SENTINEL, 26379) for source in (INFISICAL, OLD_CHART, REDIS, SENTINEL, *ASKING_REDIS, REDIS_OPERATOR)),
}


def test_nobody_reaches_anything_that_is_not_in_the_table() -> None:
    """Every pair of pods and every port; what a pod outside may do with another one outside is not ours to say."""
    network = Network(platform())
    ours = {*OWN, *(pod for pod in STRANGERS if pod.namespace in (INFISICAL_NS, DATABASE_NS, REDIS_NS))}
    found = {
        (source, target, port)
        for source, target, port in itertools.product(PODS, PODS, PORTS)
        if (source in ours or target in ours) and port != 53 and network.allows(source, target, port)
    }
    to_any_address = {(source, target, port) for source, target, port in found if target not in ours}
    assert {path: path in PATHS for path in found - to_any_address} == dict.fromkeys(PATHS, True)
    assert {port for _, _, port in to_any_address} <= {443, 6443}  # the API server's and the web's, at any address


@pytest.mark.parametrize("pod", [*OWN])
def test_every_pod_asks_the_cluster_for_names_and_nobody_else(pod: Pod) -> None:
    network = Network(platform())
    asks = pod is not SOLVER
    for protocol in ("UDP", "TCP"):
        assert network.allows(pod, RESOLVER, 53, protocol) == asks
        assert not network.allows(pod, Pod("default"), 53, protocol)
    assert Network(platform(networkPolicies={"dns": []})).allows(pod, "169.254.20.10", 53, "UDP") == asks


@pytest.mark.parametrize(
    ("pod", "calls"),
    [
        (DATABASE, True),
        (DATABASE_READY, True),
        (CERT_SYNC, True),
        (REDIS_ROLLED, True),
        *((asking, True) for asking in ASKING_REDIS),
        (INFISICAL_READY, True),
        (ROUTE_MOVED, True),
        (INFISICAL, True),
        (POOLER, False),
        (REDIS, False),
        (SENTINEL, False),
        (DATABASE_LOGIN, False),
        (MIGRATION, False),
    ],
)
def test_who_calls_the_api_server(pod: Pod, calls: bool) -> None:
    assert Network(platform()).allows(pod, "10.0.0.1", 6443) == calls


def test_the_api_servers_addresses_are_any_until_they_are_known() -> None:
    """Patroni gives up the database when it does not reach them."""
    assert Network(platform()).allows(DATABASE, "203.0.113.9", 6443)
    narrow = Network(platform(networkPolicies={"apiServer": {"cidrs": ["10.0.0.0/28"], "ports": [6443]}}))
    assert narrow.allows(DATABASE, "10.0.0.1", 6443)
    assert not narrow.allows(DATABASE, "203.0.113.9", 6443)
    assert not narrow.allows(DATABASE, "10.0.0.1", 443)


@pytest.mark.parametrize(
    ("stack", "changes", "target", "port", "allowed"),
    [
        ("minimal", {}, "203.0.113.9", 3306, True),  # a rotation of a database elsewhere
        ("minimal", {}, "10.1.2.3", 443, True),
        ("minimal", {}, "10.1.2.3", 636, True),  # LDAP is set up in Infisical itself
        ("minimal", {}, "10.1.2.3", 3306, False),
        ("minimal", {}, "169.254.169.254", 80, False),
        ("minimal", {}, "2001:db8::1", 3306, True),
        ("minimal", {}, "fd00::1", 3306, False),
        ("minimal", {"infisical": {"allowInternalIpConnections": True}}, "10.1.2.3", 3306, True),
        ("minimal", {"networkPolicies": {"outbound": "listed"}}, "203.0.113.9", 3306, False),
        ("minimal", {"networkPolicies": {"outbound": "listed"}}, "203.0.113.9", 443, True),
        ("minimal", {"networkPolicies": {"outbound": "listed"}}, "10.1.2.3", 587, False),
        ("prod", {"networkPolicies": {"outbound": "listed"}}, "10.1.2.3", 587, True),  # the relay of mail
        ("minimal", {"extraEnvironment": {"HTTPS_PROXY": "http://proxy.example.org:3128"}}, "10.1.2.3", 3128, True),
        ("minimal", {"extraEnvironment": {"SALT_ROUNDS": "12", "SOME": "http://[broken"}}, "10.1.2.3", 12, False),
        (
            "minimal",
            {
                "databaseReadReplicas": '[{"uri": "postgresql://u:p@r.example.org/i", '
                '"authority": "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n"}]'
            },
            "10.1.2.3",
            5432,
            True,
        ),
    ],
)
def test_where_infisical_may_go(stack: str, changes: dict, target: str, port: int, allowed: bool) -> None:
    assert Network(platform(stack, **changes)).allows(INFISICAL, target, port) == allowed


@pytest.mark.parametrize(("address", "port"), [("audit.example.org/logs", 5432), ("audit.example.org:6432/logs", 6432)])
@pytest.mark.parametrize("outbound", ["public", "listed"])
def test_the_migration_reaches_the_audit_logs_own_database(address: str, port: int, outbound: str) -> None:
    audit_logs = audit_logs_in(address)
    network = Network(platform("minimal", extraSecrets=audit_logs, networkPolicies={"outbound": outbound}))
    for pod in (MIGRATION, INFISICAL):
        assert network.allows(pod, "10.1.2.3", port)
    assert not network.allows(MIGRATION, "10.1.2.3", 443)
    assert not Network(platform("minimal")).allows(MIGRATION, "10.1.2.3", port)


def test_reads_of_replicas_have_a_path() -> None:
    network = Network(platform(database={"instances": 3}, infisical={"readReplicas": "cluster"}))
    assert network.allows(INFISICAL, REPLICA, 5432)


def test_what_is_not_known_of_a_cluster_stays_open() -> None:
    """An ingress controller on the nodes' network, or a load balancer, has no pod that a rule could name."""
    network = Network(platform("minimal"))
    for visitor in (Pod("anywhere"), "10.0.0.1", "203.0.113.9"):
        assert network.allows(visitor, INFISICAL, 8080)
        assert network.allows(visitor, SOLVER, 8089)
    assert not network.allows(Pod("anywhere"), INFISICAL, 9464)


def test_who_reads_metrics_is_a_setting() -> None:
    scraper, metrics = Pod("monitoring"), [{"namespace": "monitoring"}]
    for pod, ports in {
        INFISICAL: [9464],
        DATABASE: [8008, 9187],
        POOLER: [9127],
        REDIS: [9121],
        SENTINEL: [9121],
    }.items():
        for port in ports:
            assert Network(platform(networkPolicies={"metrics": metrics})).allows(scraper, pod, port)
            assert not Network(platform()).allows(scraper, pod, port)
    assert not Network(platform(networkPolicies={"metrics": metrics})).allows(scraper, DATABASE, 5432)


def test_more_paths_are_a_setting() -> None:
    extra = {"part": "jobs", "peer": {"namespace": "proxies", "labels": {"app": "squid"}}, "ports": [3128]}
    network = Network(platform(networkPolicies={"extraEgress": [extra], "extraIngress": [extra]}))
    squid, other = Pod("proxies", {"app": "squid"}), Pod("proxies", {"app": "other"})
    for pod in JOBS:
        assert network.allows(pod, squid, 3128)
        assert network.allows(squid, pod, 3128)
        assert not network.allows(pod, other, 3128)
    assert not network.allows(DATABASE, squid, 3128)


@pytest.mark.parametrize("name", SHAPES)
def test_every_pod_of_the_program_has_a_policy_of_its_own(name: str) -> None:
    """`others` selects it too, and allows nothing."""
    graph = shape(name)
    network, seen = Network(graph), 0
    for resource in graph.objects:
        spec = resource.inputs.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template") if isinstance(spec, dict) else None
        if template and "labels" in template.get("metadata", {}):
            pod = Pod(resource["metadata", "namespace"], template["metadata"]["labels"])
            assert len(network.policies_of(pod)) == 2, f"{resource} needs its pods and paths in network_paths.py"
            seen += 1
    assert seen >= 7


def test_pods_come_after_policies_and_the_last_policy_closes_the_namespace() -> None:
    """Each policy is whole by itself, so a running platform is never cut off by the order in which they are made."""
    graph = platform()
    for part, first in {
        "platform-db": ["postgresql/platform-db-cluster"],
        "platform-kv": ["RedisReplication/platform-kv-replication"],
        "infisical-secrets": ["Job/infisical-migration", "Release/infisical"],
    }.items():
        others = f"NetworkPolicy/{part}-policies-others"
        policies = [str(r) for r in graph.made_by(f"{part}-policies") if str(r) != others]
        assert len(policies) >= 4
        for policy in policies:
            assert graph.waits(others, for_=policy)
        for pods in first:
            assert graph.waits(pods, for_=others)


@pytest.mark.parametrize(
    ("kind", "caller"),
    [
        ("infisical", Pod("infisical-secrets-operator", {"app.kubernetes.io/instance": "infisical-secrets-operator"})),
        ("externalSecrets", Pod("eso")),
    ],
)
def test_the_secrets_operator_reaches_infisical_alone(kind: str, caller: Pod) -> None:
    chart = {"path": "embedded/charts/secrets-operator"}
    installed = {"chart": chart} if kind == "infisical" else {}
    policies = {"ingressController": [{"namespace": "ingress"}], "operators": {"externalSecrets": "eso"}}
    graph = platform(secretsOperator={"kind": kind} | installed, networkPolicies=policies)
    network = Network(graph)
    reached = {(str(pod), port) for pod in OWN for port in PORTS if network.allows(caller, pod, port)}
    assert reached == {(str(INFISICAL), 8080), (str(OLD_CHART), 8080)}
    assert network.allows(caller, "10.0.0.1", 6443)
    if kind == "infisical":
        assert graph.waits("Release/secrets-operator", for_="NetworkPolicy/secrets-operator-policies-others")
        assert not network.allows(Pod("default"), caller, 8080)
    assert not Network(platform()).allows(caller, INFISICAL, 8080)


def test_the_rotation_of_redis_comes_after_the_policies() -> None:
    graph = shape("rotated")
    assert graph.waits("Job/platform-kv-rotation", for_="NetworkPolicy/platform-kv-policies-others")


def test_without_policies_there_are_none_and_nothing_else_changes() -> None:
    with_, without = platform(), platform(networkPolicies={"enabled": False})
    assert without.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy") == []
    kept = {str(r): r.inputs for r in with_ if r.kind != "NetworkPolicy"}
    assert {str(r): r.inputs for r in without} == kept


@pytest.mark.parametrize("name", SHAPES)
def test_no_policy_has_an_empty_list_of_rules(name: str) -> None:
    """Kubernetes reads it as "nothing", and not every program that enforces policies does."""
    for policy in shape(name).of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy"):
        assert [] not in (policy["spec"].get("ingress"), policy["spec"].get("egress")), policy
