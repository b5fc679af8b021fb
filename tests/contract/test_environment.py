"""What a stack may say is what Infisical understands: no configuration that is accepted ends it, or is passed over."""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget

import settings
from settings import Settings
from settings.machinery.schema import fields
from settings.secrets import SECRETS
from tests.contract.expected_environment import environment
from tests.contract.infisical_rules import violations
from tests.contract.stacks import FAULTS, Config, Fault, broken_stacks, handed_over, pem, secret_values, stacks
from tests.unit.harness import COMMANDS, PROJECT, configuration, platform

CERTIFICATE = pem("CERTIFICATE", b"authority" * 10)


def examples(number: int) -> budget:
    """The same ones on every run."""
    return budget(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def load(config: Config, *faults: Fault) -> Settings:
    """As the engine hands it over."""
    plain, encrypted = ([fault.top for fault in faults if getattr(fault, kind)] for kind in ("plain", "encrypted"))
    return settings.load(COMMANDS, *handed_over(config, plain, encrypted))


def seen(stack: Settings) -> dict[str, str]:
    """What Infisical sees, once CertSync has published the authority of a database of the stack's own."""
    return {"DB_ROOT_CERT": base64.b64encode(CERTIFICATE.encode()).decode(), **environment(stack)}


# --- sound stacks ----------------------------------------------------------------------------------------------------


@examples(6500)
@given(config=stacks(outside=True))
def test_infisical_understands_every_stack_that_is_accepted(config: Config) -> None:
    stack = load(config)
    variables = seen(stack)
    assert violations(variables) == []
    saml = stack.sign_on.saml
    assert ("DEFAULT_SAML_ORG_SLUG" in variables) == bool(saml and saml.configured), "nobody can log in too early"


# The chart has to be there, its image, and the API server that policies let through: no variable tells of them.
_PARTS = "cluster database redis certificates ingress jobs networkPolicies"
ELSEWHERE = {"restore", "restoreIdentity", "restorePassword", *_PARTS.split()}


@examples(12)
@given(config=stacks())
def test_the_program_makes_the_environment_that_is_examined_here(config: Config) -> None:
    told = {key: value for key, value in config.items() if key not in ELSEWHERE and "backup" not in key}
    told["infisical"] = {key: value for key, value in config["infisical"].items() if key not in ("chart", "image")}
    told["database"] = {"instances": 3}  # read replicas need them
    told["certificates"] = {"extraNames": config.get("certificates", {}).get("extraNames", [])}
    stack = settings.load(COMMANDS, configuration("dev", **told), [f"{PROJECT}:{key}" for key in told.keys() & SECRETS])
    assert platform("dev", **told)["Secret/infisical-secrets"]["stringData"] == environment(stack)


def test_the_stacks_have_every_setting_somewhere() -> None:
    """A new setting belongs into the strategy, or nothing here is said of it."""
    keys: set[str] = set()

    def collect(section: Mapping[str, object], above: str) -> None:
        for key, value in section.items():
            keys.add(f"{above}{key}")
            for inside in value if isinstance(value, list) else [value]:
                if isinstance(inside, Mapping):
                    collect(cast("Mapping[str, object]", inside), f"{above}{key}.")

    @examples(800)
    @given(config=stacks(outside=True))
    def sample(config: Config) -> None:
        collect(config, "")

    sample()
    known = {".".join(path) for path, _, _ in fields(Settings)}
    no_variable = ("applications", "operators", "secretsOperator", "database.recover")
    elsewhere = {key for key in known if key.startswith(no_variable)}
    assert known - elsewhere - keys == set()


# --- broken ones -----------------------------------------------------------------------------------------------------


def named(config: Config, faults: list[Fault]) -> tuple[set[str], str]:
    """The keys that the error names, and the error."""
    with pytest.raises(settings.SettingsError) as caught:
        load(config, *faults)
    message = str(caught.value)
    return {line.removeprefix("- ").partition(": ")[0] for line in message.splitlines()[1:]}, message


@examples(3500)
@given(broken=broken_stacks())
def test_every_fault_is_named_alone_and_no_secret_repeated(broken: tuple[Config, list[Fault]]) -> None:
    config, faults = broken
    keys, message = named(config, faults)
    assert keys == {fault.key for fault in faults}
    assert [value for value in secret_values(config) if value in message] == []


SMALLEST: Config = {
    "infisical": {"siteUrl": "https://secrets.example.org"},
    "ingress": {"issuer": {"kind": "existing", "name": "ca"}},
}


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number}-{fault}" for number, fault in enumerate(FAULTS)])
def test_each_fault_alone_in_the_smallest_stack_is_named(fault: Fault) -> None:
    config: Config = json.loads(json.dumps(SMALLEST))
    fault.do(config)
    keys, message = named(config, [fault])
    assert keys == {fault.key}
    assert [value for value in secret_values(config) if value in message] == []


@pytest.mark.parametrize("section", sorted({fault.top for fault in FAULTS}))
def test_every_two_faults_of_a_section_are_both_named(section: str) -> None:
    """A given pair is seldom drawn above, so each is tried here."""
    of_it = [fault for fault in FAULTS if fault.top == section]
    for one, two in itertools.permutations(of_it, 2):
        if one.agrees(two):
            config: Config = json.loads(json.dumps(SMALLEST))
            one.do(config)
            two.do(config)
            keys, _ = named(config, [one, two])
            assert keys == {one.key, two.key}, f"{one}, {two}"


# --- the rules -------------------------------------------------------------------------------------------------------

SOUND = seen(load(SMALLEST))
REPLICA = {"DB_CONNECTION_URI": "postgresql://u:p@h/i"}
UNSET = None
METRICS = {"OTEL_TELEMETRY_COLLECTION_ENABLED": "true"}
MAIL = {"SMTP_HOST": "h", "SMTP_FROM_ADDRESS": "a@b.c"}
CASES: list[tuple[str, Mapping[str, str | None], str]] = [
    # what the change is, the change, the variable that is found
    ("31 characters", {"ENCRYPTION_KEY": "a" * 31}, "ENCRYPTION_KEY"),
    ("44 characters", {"ENCRYPTION_KEY": "a" * 43 + "="}, "ENCRYPTION_KEY"),
    ("64 characters", {"ENCRYPTION_KEY": "a" * 64}, "ENCRYPTION_KEY"),
    ("32 characters, 33 bytes", {"ENCRYPTION_KEY": "a" * 31 + "é"}, "ENCRYPTION_KEY"),
    ("no key", {"ENCRYPTION_KEY": UNSET}, "ENCRYPTION_KEY"),
    ("root key of hex", {"ENCRYPTION_KEY": UNSET, "ROOT_ENCRYPTION_KEY": "0" * 32}, "ROOT_ENCRYPTION_KEY"),
    ("no auth secret", {"AUTH_SECRET": UNSET}, "AUTH_SECRET"),
    ("an empty one has no fallback", {"AUTH_SECRET": "", "JWT_AUTH_SECRET": "x"}, "AUTH_SECRET"),
    ("public cookie key", {"COOKIE_SECRET_SIGN_KEY": UNSET}, "COOKIE_SECRET_SIGN_KEY"),
    ("short cookie key", {"COOKIE_SECRET_SIGN_KEY": "short"}, "COOKIE_SECRET_SIGN_KEY"),
    ("host for a site", {"SITE_URL": "secrets.pnats.cloud"}, "SITE_URL"),
    ("empty site", {"SITE_URL": ""}, "SITE_URL"),
    ("insecure cookies", {"HTTPS_ENABLED": "false"}, "HTTPS_ENABLED"),
    ("capital letter", {"HTTPS_ENABLED": "True"}, "HTTPS_ENABLED"),
    ("number for a switch", {"TELEMETRY_ENABLED": "0"}, "TELEMETRY_ENABLED"),
    ("word for a switch", {"ALLOW_INTERNAL_IP_CONNECTIONS": "yes"}, "ALLOW_INTERNAL_IP_CONNECTIONS"),
    ("strict switch", {"STANDALONE_MODE": "True"}, "STANDALONE_MODE"),
    ("strict switch, word", {"DISABLE_SECRET_SCANNING": "yes"}, "DISABLE_SECRET_SCANNING"),
    ("enum, empty", {"OTEL_EXPORT_TYPE": ""}, "OTEL_EXPORT_TYPE"),
    ("enum, unknown", {"OTEL_EXPORT_TYPE": "grafana"}, "OTEL_EXPORT_TYPE"),
    ("strict switch of Redis", {"REDIS_CLUSTER_ENABLE_TLS": "1"}, "REDIS_CLUSTER_ENABLE_TLS"),
    ("no worker", {"QUEUE_WORKERS_ENABLED": "True"}, "QUEUE_WORKERS_ENABLED"),
    ("a newer switch", {"AUDIT_LOG_STREAMS_ENABLED": "on"}, "AUDIT_LOG_STREAMS_ENABLED"),
    ("an unknown region", {"INTERNAL_REGION": "asia"}, "INTERNAL_REGION"),
    ("metrics to nowhere", METRICS, "OTEL_EXPORT_TYPE"),
    ("metrics without an address", METRICS | {"OTEL_EXPORT_TYPE": "otlp"}, "OTEL_EXPORT_OTLP_ENDPOINT"),
    ("a list for an object", {"CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS": "[]"}, "CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS"),
    ("brackets alone", {"PARAMS_FOLDER_SECRET_DETECTION_PATHS": "[/a]"}, "PARAMS_FOLDER_SECRET_DETECTION_PATHS"),
    ("a path by itself", {"PARAMS_FOLDER_SECRET_DETECTION_PATHS": '["/a"]'}, "PARAMS_FOLDER_SECRET_DETECTION_PATHS"),
    ("a time without a unit", {"JWT_AUTH_LIFETIME": "864000"}, "JWT_AUTH_LIFETIME"),
    ("a replica of Redis without a port", {"REDIS_READ_REPLICAS": "redis-1"}, "REDIS_READ_REPLICAS"),
    ("service link", MAIL | {"SMTP_PORT": "tcp://10.0.0.1:25"}, "SMTP_PORT"),
    ("small letters", {"smtp_host": "h"}, "smtp_host"),
    ("origins as a comma list", {"CORS_ALLOWED_ORIGINS": "https://a.b,https://c.d"}, "CORS_ALLOWED_ORIGINS"),
    ("a bare JSON string", {"CORS_ALLOWED_ORIGINS": '"https://a.b"'}, "CORS_ALLOWED_ORIGINS"),
    ("an origin with a path", {"CORS_ALLOWED_ORIGINS": '["https://a.b/"]'}, "CORS_ALLOWED_ORIGINS"),
    ("no database", {"DB_CONNECTION_URI": UNSET}, "DB_CONNECTION_URI"),
    ("raw slash in a password", {"DB_CONNECTION_URI": "postgresql://u:a/b@h/i"}, "DB_CONNECTION_URI"),
    ("raw hash in a password", {"DB_CONNECTION_URI": "postgresql://u:a#b@h/i"}, "DB_CONNECTION_URI"),
    ("raw question mark", {"DB_CONNECTION_URI": "postgresql://u:a?b@h/i"}, "DB_CONNECTION_URI"),
    ("raw per cent", {"DB_CONNECTION_URI": "postgresql://u:a%b@h/i"}, "DB_CONNECTION_URI"),
    ("sslmode beside an authority", {"DB_CONNECTION_URI": "postgresql://u:p@h/i?sslmode=require"}, "DB_CONNECTION_URI"),
    ("ssl beside an authority", {"DB_CONNECTION_URI": "postgresql://u:p@h/i?ssl=true"}, "DB_CONNECTION_URI"),
    ("no authority", {"DB_ROOT_CERT": UNSET}, "DB_ROOT_CERT"),
    ("PEM as it is", {"DB_ROOT_CERT": CERTIFICATE}, "DB_ROOT_CERT"),
    ("base64 of no PEM", {"DB_ROOT_CERT": "eA=="}, "DB_ROOT_CERT"),
    ("host beside an address", {"DB_HOST": "h"}, "DB_HOST"),
    ("replicas not JSON", {"DB_READ_REPLICAS": "postgresql://u:p@h/i"}, "DB_READ_REPLICAS"),
    ("replicas an object", {"DB_READ_REPLICAS": json.dumps(REPLICA)}, "DB_READ_REPLICAS"),
    ("replicas in small letters", {"DB_READ_REPLICAS": '[{"db_connection_uri": "x"}]'}, "DB_READ_REPLICAS"),
    (
        "a replica's sslmode",
        {"DB_READ_REPLICAS": '[{"DB_CONNECTION_URI": "postgresql://u:p@h/i?sslmode=require"}]'},
        "DB_READ_REPLICAS",
    ),
    (
        "a replica's PEM as it is",
        {"DB_READ_REPLICAS": json.dumps([REPLICA | {"DB_ROOT_CERT": CERTIFICATE}])},
        "DB_READ_REPLICAS",
    ),
    ("no Redis", {"REDIS_SENTINEL_HOSTS": UNSET}, "REDIS_SENTINEL_HOSTS"),
    ("Redis twice", {"REDIS_URL": "redis://h"}, "REDIS_SENTINEL_HOSTS"),
    ("cluster over Sentinel", {"REDIS_CLUSTER_HOSTS": "h:6379"}, "REDIS_SENTINEL_HOSTS"),
    ("Sentinel without a port", {"REDIS_SENTINEL_HOSTS": "a:26379,b"}, "REDIS_SENTINEL_HOSTS"),
    ("Sentinel with a word for a port", {"REDIS_SENTINEL_HOSTS": "a:redis"}, "REDIS_SENTINEL_HOSTS"),
    ("group by default", {"REDIS_SENTINEL_MASTER_NAME": UNSET}, "REDIS_SENTINEL_MASTER_NAME"),
    ("Sentinel's TLS", {"REDIS_SENTINEL_ENABLE_TLS": "true"}, "REDIS_SENTINEL_ENABLE_TLS"),
    ("half an account", MAIL | {"SMTP_USERNAME": "u"}, "SMTP_PASSWORD"),
    ("a blank user", MAIL | {"SMTP_USERNAME": " ", "SMTP_PASSWORD": "p"}, "SMTP_USERNAME"),
    ("mail without a server", {"SMTP_FROM_ADDRESS": "a@b.c"}, "SMTP_HOST"),
    ("mail without a sender", {"SMTP_HOST": "h"}, "SMTP_FROM_ADDRESS"),
    ("required and ignored", MAIL | {"SMTP_IGNORE_TLS": "true"}, "SMTP_IGNORE_TLS"),
    (
        "an authority for nothing",
        {
            "SMTP_HOST": "h",
            "SMTP_FROM_ADDRESS": "a@b.c",
            "SMTP_TLS_REJECT_UNAUTHORIZED": "false",
            "SMTP_CUSTOM_CA_CERT": SOUND["DB_ROOT_CERT"],
        },
        "SMTP_CUSTOM_CA_CERT",
    ),
    ("dead", {"SMTP_SECURE": "true"}, "SMTP_SECURE"),
    ("dead for long", {"JWT_SIGNUP_SECRET": "x"}, "JWT_SIGNUP_SECRET"),
    ("half a sign-on", {"CLIENT_ID_GITHUB_LOGIN": "Iv1"}, "CLIENT_SECRET_GITHUB_LOGIN"),
    ("a fifth of an app", {"INF_APP_CONNECTION_GITHUB_APP_ID": "7"}, "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY"),
    (
        "a key on one line",
        {"INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY": "-----BEGIN KEY-----\\nAAAA\\n-----END"},
        "INF_APP_CONNECTION_GITHUB_APP_PRIVATE_KEY",
    ),
    ("half of AWS", {"INF_APP_CONNECTION_AWS_ACCESS_KEY_ID": "A" * 20}, "INF_APP_CONNECTION_AWS_SECRET_ACCESS_KEY"),
    ("a name for a slug", {"DEFAULT_SAML_ORG_SLUG": "Acme Inc"}, "DEFAULT_SAML_ORG_SLUG"),
    ("no room", {"DB_POOL_MIN": "11"}, "DB_POOL_MAX"),
    ("no pool", {"DB_POOL_MAX": "0"}, "DB_POOL_MAX"),
    ("another port", {"PORT": "4000"}, "PORT"),
    ("NUL", {"X": "a\0b"}, "X"),
]


def test_the_rules_accept_a_sound_environment() -> None:
    assert violations(SOUND) == []


@pytest.mark.parametrize(("change", "variable"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_rule_finds_what_it_is_for(change: Mapping[str, str | None], variable: str) -> None:
    changed = {name: value for name, value in {**SOUND, **change}.items() if value is not UNSET}
    found = violations(changed)
    assert variable in {re.split(": ", violation)[0] for violation in found}
    values = [value for value in change.values() if value and len(value) > 8]
    assert not [violation for violation in found if any(value in violation for value in values)]
