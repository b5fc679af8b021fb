"""Further variables of Infisical: what would end it, or be passed over in silence, is refused with the reason."""

from __future__ import annotations

import base64
import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.database_services import dns_names
from settings import environment_of
from settings.machinery.variable_forms import FORMS, PROXIES
from tests.unit.configurations import PEM, Config, errors, load, with_
from tests.unit.harness import AUTHORITY, audit_logs_in

URI = "postgresql://u:p@audit.example.org/logs"


@pytest.mark.parametrize("section", ["extraEnvironment", "extraSecrets"])
def test_the_heap_follows_from_the_memory_limit(section: str) -> None:
    """A heap that is larger than the limit ends in the kernel's kill, and a smaller one in an early end."""
    value = "--dns-result-order=ipv4first --max-old-space-size=4096"
    [line] = errors(with_((f"{section}.NODE_OPTIONS", value)))
    assert line.startswith(f"- {section}.NODE_OPTIONS: the heap follows infisical.memoryLimit")
    load(with_(("extraEnvironment.NODE_OPTIONS", "--dns-result-order=ipv4first")))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_WORKERS_ENABLED", "True"),  # false in silence: no mail, no sync, no rotation
        ("INFISICAL_RUN_MODES", "api"),
        ("QUEUE_WORKER_PROFILE", "standard"),
        ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
        ("NODE_EXTRA_CA_CERTS", "/etc/ca.pem"),
        ("HOST", "::"),
        ("HSM_LIB_PATH", "/usr/lib/hsm.so"),
        ("BCRYPT_SALT_ROUND", "12"),
        ("REDIS_READ_REPLICAS", "redis-1"),
        ("REDIS_CLUSTER_ENABLE_TLS", "1"),
        ("MAINTENANCE_MODE", "yes"),
        ("INTERNAL_REGION", "asia"),
        ("CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS", "async_insert=1"),
        ("PARAMS_FOLDER_SECRET_DETECTION_PATHS", "/a"),
        ("OTEL_OTLP_PUSH_INTERVAL", "30s"),
        ("AUDIT_LOGS_DB_CONNECTION_URI", URI),
        ("AUDIT_LOG_STREAMS_ENABLED", "yes"),
        ("DISABLE_POSTGRES_AUDIT_LOG_STORAGE", "1"),
        ("JWT_AUTH_LIFETIME", "864000"),  # milliseconds: nobody stays logged in for a quarter of an hour
        ("CLICKHOUSE_URL", "clickhouse:8123"),
        ("OTEL_EXPORT_OTLP_ENDPOINT", "otel-collector:4318"),
    ],
)
def test_a_variable_is_refused_by_its_name(name: str, value: str) -> None:
    [line] = errors(with_((f"extraEnvironment.{name}", value)))
    assert line.startswith(f"- extraEnvironment.{name}: ")


DETECTION = "PARAMS_FOLDER_SECRET_DETECTION_PATHS"
OVERRIDES = "ACME_DEVELOPMENT_HTTP01_CHALLENGE_HOST_OVERRIDES"
INSERTS = "CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("CORS_ALLOWED_HEADERS", ['["x-a"]', "[]", ' ["x",\n"y"] '], ["[x-a]", '["x-a",]', '{"x": 1}', "[1]", '[""]']),
        (INSERTS, ['{"async_insert": 1}', "{}", '{"a": "b", "c": true}'], ["{a}", '["a"]', '{"a": {}}', '{"a": NaN}']),
        (DETECTION, ['[{"secretPath": "/a", "projectId": "p"}]', "[]"], ["[/a]", '["/a"]', '[{"secretPath": "/a"}]']),
        (
            "ACME_DEVELOPMENT_HTTP01_CHALLENGE_HOST_OVERRIDES",
            ['{"a": "b"}'],
            ["{}}", '{"a": 1}', "[" * 5000 + "]" * 5000],
        ),
    ],
)
def test_json_is_read_and_its_shape_looked_at(name: str, right: list[str], wrong: list[str]) -> None:
    """Brackets alone let through what ends Infisical at its start."""
    for value in right:
        load(with_((f"extraEnvironment.{name}", value)))
    for value in wrong:
        [line] = errors(with_((f"extraEnvironment.{name}", value)))
        assert line.startswith(f"- extraEnvironment.{name}: Infisical accepts nothing but a JSON ")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.text(), lambda below: st.lists(below) | st.dictionaries(st.text(), below)
    )
)
def test_a_list_of_texts_and_nothing_else_is_a_list_of_texts(value: object) -> None:
    texts = isinstance(value, list) and all(isinstance(entry, str) and entry.strip() for entry in value)
    assert FORMS["CORS_ALLOWED_HEADERS"].accepts(json.dumps(value)) == texts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLICKHOUSE_URL", "https://user:hunter2@clickhouse.example.org:8443/audit"),
        ("CLICKHOUSE_URL", "https://clickhouse.example.org:8443/audit?password=hunter2"),
        ("POSTHOG_HOST", "https://hunter2@posthog.example.org"),
        ("SENTRY_DSN", "https://hunter2@sentry.example.org/1"),
        ("AUDIT_LOGS_DB_CONNECTION_URI", "postgresql://u:hunter2@audit.example.org/logs"),
        ("OTEL_EXPORT_OTLP_ENDPOINT", "https://u:hunter2@otel.example.org"),
        ("SECRET_SCANNING_WEBHOOK_PROXY", "https://a.example.org,https://u:hunter2@b.example.org"),
        ("OTEL_COLLECTOR_BASIC_AUTH_PASSWORD", "hunter2"),
        ("CLIENT_SECRET_GOOGLE_LOGIN", "hunter2"),
        ("LICENSE_KEY", "hunter2"),
        ("GATEWAY_RELAY_AUTH_SECRET", "hunter2"),
        ("GITHUB_API_TOKEN", "hunter2"),
        ("CLIENT_PRIVATE_KEY_GITHUB_APP", "hunter2"),
        ("ANYTHING", "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----\n"),
        ("GCP_JSON", '{"private_key": "-----BEGIN PRIVATE KEY-----\\nhunter2\\n-----END PRIVATE KEY-----"}'),
        *((name, "http://u:hunter2@10.1.2.3:3128") for name in PROXIES),
        *((name, "u:hunter2@10.1.2.3:3128") for name in PROXIES),
    ],
)
def test_what_contains_a_password_is_refused_in_plain_text_with_the_command_that_encrypts_it(
    name: str, value: str
) -> None:
    [line] = errors(with_((f"extraEnvironment.{name}", value)))
    assert "hunter2" not in line
    encrypt = (
        f"set it encrypted: pulumi config set --stack dev --path --secret 'infisical-platform:extraSecrets.{name}'"
    )
    assert line.endswith(encrypt)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLICKHOUSE_URL", "http://clickhouse.example.org:8123"),
        ("POSTHOG_HOST", "https://posthog.example.org/a@b"),
        ("KUBERNETES_AUTO_FETCH_SERVICE_ACCOUNT_TOKEN", "true"),
        ("SECRET_SCANNING_ORG_WHITELIST", "acme"),
        ("CLIENT_ID_GOOGLE_LOGIN", "id"),
        ("CAPTCHA_SITE_KEY", "site"),
        ("JWT_AUTH_LIFETIME", "10d"),
    ],
)
def test_what_contains_none_may_stand_in_plain_text(name: str, value: str) -> None:
    load(with_((f"extraEnvironment.{name}", value)))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECTIONS = ["extraEnvironment", "extraSecrets"]


@pytest.mark.parametrize("switched", SECTIONS)
@pytest.mark.parametrize("exported", SECTIONS)
def test_metrics_without_an_exporter_end_infisical(switched: str, exported: str) -> None:
    on = (f"{switched}.OTEL_TELEMETRY_COLLECTION_ENABLED", "true")
    [line] = errors(with_(on))
    assert line.startswith("- extraEnvironment.OTEL_EXPORT_TYPE: required")
    load(with_(on, (f"{exported}.OTEL_EXPORT_TYPE", "prometheus")))


@pytest.mark.parametrize("section", SECTIONS)
def test_metrics_that_are_sent_need_an_address(section: str) -> None:
    on = ("extraEnvironment.OTEL_TELEMETRY_COLLECTION_ENABLED", "true")
    otlp = ("extraEnvironment.OTEL_EXPORT_TYPE", "otlp")
    [line] = errors(with_(on, otlp))
    assert line.startswith("- extraEnvironment.OTEL_EXPORT_OTLP_ENDPOINT: required")
    load(with_(on, otlp, (f"{section}.OTEL_EXPORT_OTLP_ENDPOINT", "http://otel-collector:4318/v1/metrics")))
    load(with_(otlp))


@pytest.mark.parametrize("uri", [f"{URI}?sslmode=require", "mysql://u:p@h/i"])
def test_the_audit_database_is_held_to_what_replicas_are_held_to(uri: str) -> None:
    authority = ("extraEnvironment.AUDIT_LOGS_DB_ROOT_CERT", encoded(PEM))
    [line] = errors(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", uri), authority))
    assert line.startswith("- extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI: ")
    assert uri not in line
    load(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", URI), authority))


@pytest.mark.parametrize("section", ["extraEnvironment", "extraSecrets"])
def test_the_audit_databases_authority_is_a_pem_in_base64(section: str) -> None:
    """Node decodes anything, finds no authority in it, and says that the server's is unknown."""
    uri, key = ("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", URI), f"{section}.AUDIT_LOGS_DB_ROOT_CERT"
    for right in (encoded(PEM), "\n".join(textwrap.wrap(encoded(PEM * 3), 76))):
        load(with_(uri, (key, right)))
    for wrong in (PEM, "AAAA", encoded("a"), encoded(PEM.replace("CERTIFICATE", "PUBLIC KEY")), "/etc/ca.crt"):
        [line] = errors(with_(uri, (key, wrong)))
        assert line.startswith(f"- {key}: Infisical accepts nothing but the PEM of an authority in base64")


def test_the_audit_database_needs_an_authority() -> None:
    [line] = errors(with_(("extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI", URI)))
    assert line.startswith("- extraEnvironment.AUDIT_LOGS_DB_ROOT_CERT: required")


OWN_DATABASE = "this is the database that Infisical has already"
EXTERNAL = {"kind": "external", "host": "db.example.org", "name": "my_secrets", "authority": AUTHORITY}


def audited(address: str, *more: tuple[str, object]) -> Config:
    return with_(*more, ("extraSecrets", audit_logs_in(address)))


@pytest.mark.parametrize(
    "host",
    [
        *(name for name in dns_names("platform-db-pg") if "." in name),
        "PLATFORM-DB-CLUSTER.platform-db-pg.svc.",
        "platform-db-cluster-0.platform-db-cluster.platform-db-pg.svc.corp.internal",
    ],
)
def test_the_audit_database_is_not_infisicals_own(host: str) -> None:
    """The migration takes its turn in one after the other, and would wait for itself until its deadline."""
    for name in ("infisical", "infisica%6C"):
        [line] = errors(audited(f"{host}:5432/{name}"))
        assert line.startswith(f"- extraSecrets.AUDIT_LOGS_DB_CONNECTION_URI: {OWN_DATABASE}")
        assert "pulumi config rm" in line
        assert host.lower() not in line.lower(), "the address is a secret"
    load(audited(f"{host}/reports"))
    load(audited(f"{host}/infisical", ("cluster.namePrefix", "blue")))


@pytest.mark.parametrize(
    ("address", "same"),
    [
        ("db.example.org/my%5Fsecrets", True),
        ("DB.example.org.:5432/my%5Fsecrets", True),
        ("db.example.org:5433/my%5Fsecrets", False),
        ("db.example.org/audit", False),
        ("a.example.org/my%5Fsecrets", False),
    ],
)
def test_the_audit_database_is_not_the_external_one(address: str, *, same: bool) -> None:
    stack = audited(address, ("database", EXTERNAL), ("databasePassword", "throw-away-database"))
    if not same:
        load(stack)
        return
    assert [line for line in errors(stack) if OWN_DATABASE in line]


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_is_not_asked_for_what_is_in_the_cluster(section: str, name: str) -> None:
    proxy = (f"{section}.{name}", "http://proxy.example.org:3128")
    own = "localhost,127.0.0.1,[::1],.svc,.cluster.local,kubernetes.default"
    assert environment_of(load(with_(proxy))).plain["NO_PROXY"] == own
    said = ("extraEnvironment.NO_PROXY", "10.96.0.1, .svc,git.example.org,")
    ranges = ("networkPolicies.apiServer.cidrs", ["10.0.0.0/24", "10.0.1.7/32", "fd00::7/128"])
    assert environment_of(load(with_(proxy, said, ranges))).plain["NO_PROXY"] == (
        f"{own},10.0.1.7,[fd00::7],10.96.0.1,git.example.org"
    ), "a range of several addresses would have no effect"


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_has_a_scheme(section: str, name: str) -> None:
    """Without one, its port stays closed, and Infisical speaks TLS to it for addresses with https."""
    for wrong in ("proxy.example.org:3128", "10.1.2.3:3128", "socks5://proxy.example.org:1080"):
        [line] = errors(with_((f"{section}.{name}", wrong)))
        assert line.startswith(f"- {section}.{name}: Infisical accepts nothing but an address that begins with https")


def test_an_address_of_ipv6_is_written_as_a_url_has_it() -> None:
    """proxy-from-env, by which axios decides, reads `fd00::7` as the host `fd00:` with port 7."""
    proxy = ("extraEnvironment.HTTPS_PROXY", "http://proxy.example.org:3128")
    said = ("extraEnvironment.NO_PROXY", "fd00::7 [fd00::8]:6443,FD00:0::9,a.org:443")
    told = environment_of(load(with_(proxy, said))).plain["NO_PROXY"]
    assert told.endswith(",kubernetes.default,[fd00::7],[fd00::8]:6443,[fd00::9],a.org:443")


def test_without_a_proxy_nothing_is_said_of_one() -> None:
    assert "NO_PROXY" not in environment_of(load(with_())).plain
    assert environment_of(load(with_(("extraEnvironment.NO_PROXY", "a.org")))).plain["NO_PROXY"] == "a.org"


def test_what_no_proxy_is_asked_for_is_no_secret() -> None:
    [line] = errors(with_(("extraSecrets.NO_PROXY", "a.org")))
    assert line.startswith("- extraSecrets.NO_PROXY: ")
