"""What a stack may say. Every error names its key, and the command printed beside it really puts it right."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

import settings
from settings.database import DatabaseSettings
from settings.infisical import ChartSettings
from settings.machinery.types import Cpu, DnsLabel, DnsName, Image, Memory, SiteUrl
from settings.secrets import SECRETS, STRUCTURED
from tests.unit.harness import COMMANDS, PROJECT, configuration, encrypted

Config = dict[str, Any]  # section to its content, as in the stack file without "project:"
ISSUER = {"kind": "existing", "name": "ca"}
SITE = "https://secrets.example.org"
SMALLEST: Config = {"infisical": {"siteUrl": SITE}, "ingress": {"issuer": ISSUER}}
MAIL = {"host": "smtp.example.org", "fromAddress": "secrets@example.org"}
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HEADING = "this stack's configuration can't be used:"


def load(config: Mapping[str, Any]) -> settings.Settings:
    """As the engine hands it over."""
    values = {f"{PROJECT}:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in config.items()}
    return settings.load(COMMANDS, values, encrypted(values))


def load_stack(stack: str) -> settings.Settings:
    """As its file has it."""
    values = configuration(stack)
    return settings.load(COMMANDS, values, encrypted(values))


def errors(config: Mapping[str, Any]) -> list[str]:
    """One line a key, without the heading."""
    with pytest.raises(settings.SettingsError) as caught:
        load(config)
    heading, *lines = str(caught.value).splitlines()
    assert heading == HEADING
    assert lines
    return lines


def with_(*changes: tuple[str, Any]) -> Config:
    """The smallest stack with changes: `with_(("database.pooler.mode", "session"))`."""
    config = copy.deepcopy(SMALLEST)
    for path, value in changes:
        *parents, last = path.split(".")
        section = config
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return config


# --- what loads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["dev", "minimal", "prod"])
def test_the_stack_files_load(stack: str) -> None:
    load_stack(stack)


def test_the_smallest_stack_is_a_safe_one() -> None:
    loaded = load(SMALLEST)
    assert loaded.cluster.protect is True
    assert (loaded.database.instances, loaded.database.pooler.instances, loaded.infisical.replicas) == (2, 2, 2)
    assert (loaded.redis.instances, loaded.redis.sentinels, loaded.redis.quorum) == (3, 3, 2)
    assert loaded.database.pooler.mode == "transaction"
    assert (loaded.infisical.read_replicas, loaded.infisical.telemetry) == ("none", False)
    assert (loaded.mail, loaded.sign_on.saml, loaded.infisical.allow_internal_ip_connections) == (None, None, False)
    assert loaded.infisical.chart.flavour == "infisical-standalone"
    assert loaded.ingress.route.kind == "ingress"


def test_prod_is_the_site_it_says_it_is() -> None:
    loaded = load_stack("prod")
    assert loaded.infisical.host == "secrets.pnats.cloud"
    assert (loaded.infisical.chart.flavour, loaded.infisical.chart.version) == ("infisical", "0.4.2")
    assert loaded.cluster.protect is True


def test_redis_keeps_room_below_the_kernels_limit() -> None:
    """With noeviction a full Redis refuses writes; at the limit of its memory it is killed instead."""
    for loaded in (load(SMALLEST), *(load_stack(stack) for stack in ("dev", "prod"))):
        limit = int(loaded.redis.memory_limit.removesuffix("Mi"))
        assert loaded.redis.max_memory_mib <= 0.8 * limit


def test_keys_of_other_projects_are_none_of_ours() -> None:
    encoded = {f"{PROJECT}:{key}": json.dumps(value) for key, value in SMALLEST.items()}
    others = {"pulumi:disable-default-providers": '["*"]', "other:database": "x", f"{PROJECT}-two:x": "1"}
    assert settings.load(COMMANDS, encoded | others) == load(SMALLEST)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load(SMALLEST).redis.sentinels = 4  # pyright: ignore[reportAttributeAccessIssue]


# --- errors: the key, and a command that works -----------------------------------------------------------------------

# What to put in the place of VALUE, by key.
REPAIRS = {
    "infisical": json.dumps(SMALLEST["infisical"]),
    "infisical.siteUrl": SITE,
    "ingress": json.dumps(SMALLEST["ingress"]),
    "ingress.issuer": "existing",
    "ingress.issuer.kind": "existing",
    "ingress.issuer.name": "ca",
    "ingress.issuer.email": "ops@example.org",
    "ingress.route": "ingress",
    "ingress.route.kind": "ingress",
    "infisical.chart.version": "1.10.0",
    "infisical.chart.repository": "https://charts.example.org",
    "infisical.corsAllowedOrigins[0]": "https://app.example.org",
    "infisical.readReplicas": "none",
    "infisical.replicas": "2",
    "infisical.image": "infisical/infisical:v1",
    "redis.sentinels": "3",
    "redis.quorum": "2",
    "database": "{}",
    "database.version": "16",
    "database.cpuLimit": "2",
    "database.storage": "10Gi",
    "database.pooler.mode": "session",
    "jobs.pythonImage": "python:3.13",
    "certificates.leafDuration": "2160h",
    "certificates.leafRenewBefore": "24h",
    "certificates.syncSchedule": "0 * * * *",
    "infisical.pools.max": "20",
    "infisical.chart.digest": f"sha256:{'0' * 64}",
    "mail": json.dumps(MAIL),
    "mail.host": "smtp.example.org",
    "mail.fromAddress": "secrets@example.org",
    "mail.port": "587",
    "mail.tls": "required",
    "mail.verify": "true",
    "mail.authority": PEM,
    "mail.username": "infisical",
    "signOn.github.clientId": "Iv1",
    "signOn.saml.defaultOrganization": "acme-x1y",
    "integrations.githubApp.clientId": "Iv2",
    "integrations.githubApp.slug": "acme",
    "integrations.githubApp.id": "7",
    "integrations.aws.accessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "database.cpuRequest": "100m",
    "database.memoryRequest": "256Mi",
    "redis.maxMemoryMib": "64",
    "encryptionKey": "0123456789abcdef" * 2,
    "rootEncryptionKey": "A" * 43 + "=",
    "authSecret": "a" * 32,
    "databasePassword": "a1" * 16,
    "smtpPassword": "correct horse",
    "githubLoginClientSecret": "g" * 40,
    "githubAppClientSecret": "g" * 40,
    "githubAppPrivateKey": PEM.replace("CERTIFICATE", "PRIVATE KEY"),
    "awsSecretAccessKey": "w" * 40,
    "databaseReadReplicas[0].uri": "postgresql://u:p@10.0.0.7/infisical",
    "databaseReadReplicas[0].authority": PEM,
}

FAULTS: list[tuple[str, Any, str]] = [
    # key, value, the key which the error names
    ("infisical.siteUrl", None, "infisical.siteUrl"),
    ("infisical.siteUrl", f"{SITE}/", "infisical.siteUrl"),
    ("infisical.siteUrl", "secrets.example.org", "infisical.siteUrl"),
    ("infisical.replicas", 0, "infisical.replicas"),
    ("infisical.image", "infisical/infisical:latest", "infisical.image"),
    ("infisical.readReplicas", "perhaps", "infisical.readReplicas"),
    ("infisical.chart.version", "0.4.2", "infisical.chart.version"),
    ("infisical.chart.repository", "ftp://charts.example.org", "infisical.chart.repository"),
    ("infisical.corsAllowedOrigins", ["https://app.example.org/"], "infisical.corsAllowedOrigins[0]"),
    ("ingress.issuer", {"kind": "existing"}, "ingress.issuer.name"),
    ("ingress.issuer", {"kind": "letsEncrypt", "email": "nobody"}, "ingress.issuer.email"),
    ("ingress.issuer", {"name": "ca"}, "ingress.issuer.kind"),
    ("ingress.issuer", {"kind": "vault", "name": "ca"}, "ingress.issuer.kind"),
    ("ingress.route", {"className": "nginx"}, "ingress.route.kind"),
    ("redis.sentinels", 4, "redis.sentinels"),
    ("redis.quorum", 5, "redis.quorum"),
    ("database.storage", "10g", "database.storage"),
    ("database.storage", "lots", "database.storage"),
    ("database.cpuLimit", "many", "database.cpuLimit"),
    ("database.version", "9.6", "database.version"),
    ("database.pooler.mode", "statement", "database.pooler.mode"),
    ("jobs.pythonImage", "python", "jobs.pythonImage"),
    ("database.cpuRequest", "3", "database.cpuRequest"),
    ("database.memoryRequest", "3Gi", "database.memoryRequest"),
    ("redis.maxMemoryMib", 500, "redis.maxMemoryMib"),
    ("certificates.leafDuration", "90d", "certificates.leafDuration"),
    ("certificates.leafDuration", "87600h", "certificates.leafDuration"),
    ("certificates.leafRenewBefore", "2160h", "certificates.leafRenewBefore"),
    ("certificates.syncSchedule", "*/15 * * *", "certificates.syncSchedule"),
    ("certificates.syncSchedule", "60 * * * *", "certificates.syncSchedule"),
    ("infisical.pools", {"min": 5, "max": 4}, "infisical.pools.max"),
    ("infisical.image", "infisical/infisical:v0.136.1-postgres", "infisical.image"),
    ("infisical.chart.digest", "0" * 64, "infisical.chart.digest"),
    ("mail", {"host": "smtp.example.org"}, "mail.fromAddress"),
    ("mail", MAIL | {"host": "https://smtp.example.org"}, "mail.host"),
    ("mail", MAIL | {"port": 465, "tls": "off"}, "mail.tls"),
    ("mail", MAIL | {"authority": PEM, "verify": False}, "mail.verify"),
    ("mail", MAIL | {"authority": PEM.replace("\n", " ")}, "mail.authority"),
    ("mail", MAIL | {"username": "infisical"}, "smtpPassword"),
    ("smtpPassword", "correct horse", "mail.username"),
    ("signOn.github.clientId", "Iv1", "githubLoginClientSecret"),
    ("githubLoginClientSecret", "g" * 40, "signOn.github.clientId"),
    ("signOn.saml.defaultOrganization", "Acme Inc", "signOn.saml.defaultOrganization"),
    ("integrations.aws.accessKeyId", "AKIAIOSFODNN7EXAMPLE", "awsSecretAccessKey"),
    ("awsSecretAccessKey", "w" * 40, "integrations.aws.accessKeyId"),
    ("encryptionKey", "0" * 31, "encryptionKey"),
    ("encryptionKey", "+" * 33, "encryptionKey"),
    ("encryptionKey", "+" * 31 + " ", "encryptionKey"),
    ("encryptionKey", "+" * 31 + "é", "encryptionKey"),
    ("rootEncryptionKey", "A" * 42, "rootEncryptionKey"),
    ("authSecret", "short", "authSecret"),
    ("databasePassword", "with space and more", "databasePassword"),
    ("databasePassword", "md5" + "0" * 32, "databasePassword"),
    ("databaseReadReplicas", [{"uri": "postgresql://u:p@db.example.org/i"}], "databaseReadReplicas[0].authority"),
    ("databaseReadReplicas", [{"uri": "mysql://u:p@h/i", "authority": PEM}], "databaseReadReplicas[0].uri"),
    (
        "databaseReadReplicas",
        [{"uri": "postgres://h/i?sslmode=require", "authority": PEM}],
        "databaseReadReplicas[0].uri",
    ),
    ("extraEnvironment.REDIS_URL", "redis://cache", "extraEnvironment.REDIS_URL"),
    ("extraEnvironment.SMTP_HOST", "smtp.example.org", "extraEnvironment.SMTP_HOST"),
    ("extraEnvironment.smtp_host", "smtp.example.org", "extraEnvironment.smtp_host"),
    ("extraSecrets.DB_CONNECTION_URI", "postgres://u:p@h/i", "extraSecrets.DB_CONNECTION_URI"),
    ("extraEnvironment.OTEL_EXPORT_TYPE", "", "extraEnvironment.OTEL_EXPORT_TYPE"),
    ("databse", {"instances": 3}, "databse"),
    ("database.instnaces", 3, "database.instnaces"),
    ("database.pooler.sze", 3, "database.pooler.sze"),
]


@pytest.mark.parametrize(("path", "value", "named"), FAULTS, ids=[f"{path}={value}" for path, value, _ in FAULTS])
def test_an_error_names_its_key_and_the_command_that_puts_it_right(path: str, value: Any, named: str) -> None:
    config = with_((path, value))
    if value is None:
        del config["infisical"]["siteUrl"]
    [line] = errors(config)
    assert line.startswith(f"- {named}: "), line
    load(repaired(config))


# What `pulumi config set --path database.version 16` leaves in the stack file: a number.
@pytest.mark.parametrize(("path", "value"), [("database.version", 16), ("database.cpuLimit", 2)])
def test_a_number_where_a_string_belongs_is_taken_or_put_right_by_the_printed_command(path: str, value: int) -> None:
    load(repaired(with_((path, value))))


def test_the_app_of_github_is_whole() -> None:
    config = with_(("integrations.githubApp", {"clientId": "Iv2", "slug": "acme", "id": 7}))
    assert [line.split(":")[0] for line in errors(config)] == ["- githubAppClientSecret", "- githubAppPrivateKey"]
    load(repaired(config))
    config = with_(("githubAppClientSecret", "g" * 40))
    assert [line.split(":")[0] for line in errors(config)] == [
        "- githubAppPrivateKey",
        "- integrations.githubApp.clientId",
        "- integrations.githubApp.id",
        "- integrations.githubApp.slug",
    ]
    load(repaired(config))


# `openssl rand -base64 24`; chart 0.4.2's randAlphaNum 32; somebody's own words.
@pytest.mark.parametrize(
    "key", ["q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ", "Zz9" * 10 + "aB", "correct horse, battery, staple 1"]
)
def test_every_key_that_upstream_takes_can_move_in(key: str) -> None:
    """Its 32 bytes are the AES-256 key as they are written."""
    assert load(with_(("encryptionKey", key))).encryption_key == SecretStr(key)


def test_a_deployment_with_both_keys_can_move_in() -> None:
    """Upstream opens the database with ENCRYPTION_KEY, and what older releases wrote with ROOT_ENCRYPTION_KEY."""
    loaded = load(with_(("encryptionKey", "0" * 32), ("rootEncryptionKey", REPAIRS["rootEncryptionKey"])))
    told = settings.environment_of(loaded).secret
    assert {"ENCRYPTION_KEY", "ROOT_ENCRYPTION_KEY"} <= told.keys()


@pytest.mark.parametrize("key", sorted(SECRETS))
def test_an_encrypted_key_that_is_empty_is_not_taken_for_an_absent_one(key: str) -> None:
    """An unset variable in CI leaves it there, and a new encryption key would be generated."""
    config = with_((key, ""))
    [line] = [line for line in errors(config) if line.startswith(f"- {key}: ")]
    assert "empty" in line
    assert f"pulumi config set --stack dev --secret '{PROJECT}:{key}'" in line


@pytest.mark.parametrize("value", ["{}", "[]"])
@pytest.mark.parametrize("key", sorted(SECRETS - STRUCTURED))
def test_nor_is_an_encrypted_key_of_which_nothing_is_left(key: str, value: str) -> None:
    assert [line for line in errors(with_((key, value))) if line.startswith(f"- {key}: ")]


@pytest.mark.parametrize("key", sorted(SECRETS))
def test_a_declared_default_is_an_absent_key(key: str) -> None:
    """What Pulumi.yaml declares is in no stack file, so it is not encrypted."""
    values = {f"{PROJECT}:{name}": json.dumps(value) for name, value in SMALLEST.items()}
    assert settings.load(COMMANDS, values | {f"{PROJECT}:{key}": ""}) == load(SMALLEST)


@pytest.mark.parametrize("host", ["secrets", "secrets.corp.internal", "secrets.test", "10.0.0.1"])
def test_lets_encrypt_certifies_public_names_alone(host: str) -> None:
    issuer = {"kind": "letsEncrypt", "email": "ops@example.org"}
    [line] = errors(with_(("ingress.issuer", issuer), ("infisical.siteUrl", f"https://{host}")))
    assert line.startswith("- ingress.issuer.kind: ")


def test_a_secret_in_plain_text_is_refused_and_not_repeated() -> None:
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in SMALLEST.items()}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(COMMANDS, values | {f"{PROJECT}:smtpPassword": PASTED})
    [_, line] = str(caught.value).splitlines()
    assert line.startswith("- smtpPassword: it stands in plain text")
    assert line.endswith(f"pulumi config set --stack dev --secret '{PROJECT}:smtpPassword'")
    assert PASTED not in line


def test_an_encrypted_value_in_a_plain_section_is_refused_and_not_repeated() -> None:
    values = {f"{PROJECT}:{key}": json.dumps(value) for key, value in with_(("database.password", PASTED)).items()}
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(COMMANDS, values, [f"{PROJECT}:database"])
    assert "- database: it holds an encrypted value" in str(caught.value)
    assert PASTED not in str(caught.value)


def test_rules_over_sound_sections_speak_while_others_are_broken() -> None:
    lines = errors(with_(("redis.sentinels", "four"), ("smtpPassword", "correct horse"), ("databse", {})))
    assert [line.split(":")[0] for line in lines] == ["- databse", "- mail.username", "- redis.sentinels"]


def test_a_missing_section_says_what_it_needs() -> None:
    assert [line.split(":")[0] for line in errors({})] == ["- infisical.siteUrl", "- ingress.issuer.kind"]


def test_a_section_that_is_none_is_put_right_too() -> None:
    load(repaired(with_(("database", "big"))))


def test_rules_over_several_keys_name_the_one_to_change() -> None:
    [line] = errors(with_(("infisical.readReplicas", "cluster"), ("database.instances", 1)))
    assert line.startswith("- infisical.readReplicas: ")
    gateway = {"kind": "gateway", "name": "public", "namespace": "edge"}
    config = with_(("ingress.route", gateway), ("ingress.issuer", {"kind": "letsEncrypt", "email": "o@example.org"}))
    [line] = errors(config)
    assert line.startswith("- ingress.issuer")
    load(repaired(config))


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("databse", "database"),
        ("database.instnaces", "instances"),
        ("database.storage_class", "storageClass"),
        ("database.pooler.instance", "instances"),
        ("infisical.siteURL", "siteUrl"),
        ("redis.maxMemory", "maxMemoryMib"),
        ("smtpPasword", "smtpPassword"),
        ("replicas", "infisical.replicas"),
        ("database.siteUrl", "infisical.siteUrl"),
        ("mail.smtpPassword", "smtpPassword"),
    ],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(path: str, meant: str) -> None:
    lines = [line for line in errors(with_((path, {}))) if line.startswith(f"- {path}: ")]
    assert len(lines) == 1
    assert f"did you mean {meant}?" in lines[0]
    assert "pulumi config rm" in lines[0]


def test_an_unknown_key_like_no_other_suggests_nothing() -> None:
    [line] = errors(with_(("zzz", 1)))
    assert "did you mean" not in line


INDEPENDENT = [(path, value) for path, value, named in FAULTS if value is not None and path == named]


@given(faults=st.lists(st.sampled_from(INDEPENDENT), min_size=1, unique_by=lambda fault: fault[0]))
def test_all_errors_come_at_once_and_sorted(faults: list[tuple[str, Any]]) -> None:
    lines = errors(with_(*faults))
    expected = {path for path, _ in faults}
    # Of one section, a rule over several keys speaks once each of them is right by itself.
    rules = {"redis.sentinels", "redis.quorum", "infisical.chart.version", "infisical.chart.repository"}
    rules |= {"certificates.leafDuration", "certificates.leafRenewBefore", "infisical.image", "redis.maxMemoryMib"}
    rules |= {"database.cpuRequest", "database.memoryRequest"}
    rules |= {path for path in expected if path.startswith("extra")} - {"extraEnvironment.smtp_host"}
    named = {re.match(r"- (\S+): ", line)[1] for line in lines}  # pyright: ignore[reportOptionalSubscript]
    assert expected - rules <= named <= expected
    assert lines == sorted(lines)


# --- no value in a message -------------------------------------------------------------------------------------------

PASTED = "hunter2-XJ4"  # what somebody pastes into the wrong line


def _leaves(section: Any, path: str = "") -> list[str]:
    if not isinstance(section, dict):
        return [path]
    return [leaf for key, value in section.items() for leaf in _leaves(value, f"{path}.{key}".lstrip("."))]


PLACES = [
    *_leaves(load(SMALLEST).model_dump(by_alias=True)),
    "infisical",
    "ingress",
    "database.pooler",
    "ingress.issuer",
    "ingress.route",
    "infisical.chart",
    "database.unknown",
]


@pytest.mark.parametrize("place", PLACES)
def test_no_value_is_repeated(place: str) -> None:
    for value in (PASTED, f"{PASTED} 1.2.3", [PASTED], {"kind": PASTED}, {"x": PASTED}):
        assert PASTED not in complaint(with_((place, value)))


def test_the_error_does_not_carry_the_one_that_has_the_values() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        load(with_(("redis.sentinels", PASTED)))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_pydantics_own_error_repeats_no_value_either() -> None:
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings.model_validate({"storage": PASTED})
    assert PASTED not in str(caught.value)


def complaint(config: Config) -> str:
    """What is said about a configuration; nothing when it loads."""
    try:
        load(config)
    except settings.SettingsError as error:
        return str(error)
    return ""


# --- constrained types -----------------------------------------------------------------------------------------------


def accepts(type_: Any, value: str) -> bool:
    try:
        TypeAdapter(type_).validate_python(value)
    except ValidationError:
        return False
    return True


# Kubernetes' quantities without exponents; https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity.
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|[KMGTPE]i?)?")
NUMBERS = st.from_regex(r"\A\d+(\.\d+)?(m|k|Mi|Gi|G|)\n?\Z")


@given(value=NUMBERS | st.text(max_size=5))
@example("2\n")
@example("٢")
def test_quantities_are_kubernetes(value: str) -> None:
    for type_ in (Cpu, Memory):
        if accepts(type_, value):
            assert QUANTITY.fullmatch(value)
            assert float(re.sub(r"[a-zA-Z]+", "", value)) >= 0


@pytest.mark.parametrize("value", ["500m", "1", "1.5", "0.125"])
def test_cpu(value: str) -> None:
    assert accepts(Cpu, value)


@pytest.mark.parametrize("value", ["512Mi", "2Gi", "1.5G"])
def test_memory(value: str) -> None:
    assert accepts(Memory, value)
    assert not accepts(Memory, value[:-1] + "k")


# https://kubernetes.io/docs/concepts/overview/working-with-objects/names
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NAMES = st.text("ab9-._A\né", max_size=12)


@given(value=NAMES)
@example("a..b")
@example("a.-b")
def test_names_are_kubernetes(value: str) -> None:
    labels = value.split(".")
    assert accepts(DnsLabel, value) == bool(LABEL.fullmatch(value) and value[0].isalpha())
    assert accepts(DnsName, value) == all(LABEL.fullmatch(label) for label in labels)


@given(
    scheme=st.sampled_from(["https", "http", "ftp", "HTTPS"]),
    before=st.sampled_from(["", "user@", "user:pw@", ":pw@"]),
    host=st.sampled_from(["secrets.example.org", "secrets", "a b", "a_b", "", "é.org", "[::1"]),
    port=st.sampled_from(["", ":8443", ":", ":0x50", ":99999"]),
    after=st.sampled_from(["", "/", "?", "#", "?a=b", "/path", "\n", " ", "\t"]),
)
@example("https", "", "secrets.example.org", "", "")
@example("https", "", "secrets.example.org", "", "\n")
@example("https", "", "secrets.example.org", "", "?")
@example("https", "", "secrets.example.org", ":99999", "")
@example("https", ":pw@", "secrets.example.org", "", "")
@example("https", "", "a b", "", "")
def test_a_site_is_scheme_host_and_port(scheme: str, before: str, host: str, port: str, after: str) -> None:
    """It becomes a host name of a certificate and the beginning of links: what is taken must be usable as both."""
    good = scheme == "https" and host in ("secrets.example.org", "secrets") and port in ("", ":8443")
    assert accepts(SiteUrl, f"{scheme}://{before}{host}{port}{after}") == (good and not before and not after)


@pytest.mark.parametrize(
    "value", ["redis:7.0", "r.example.org:5000/a/b:v1.2", f"a@sha256:{'0' * 64}", f"a:v1@sha256:{'0' * 64}"]
)
def test_a_pinned_image(value: str) -> None:
    assert accepts(Image, value)


@pytest.mark.parametrize(
    "value", ["redis", "redis:latest", "r.example.org:5000/redis", "a b:1", "a:1\n", "a@sha256:0", ""]
)
def test_an_image_that_may_change_is_none(value: str) -> None:
    assert not accepts(Image, value)


@pytest.mark.parametrize("version", ["x1.10.0", "1.10.0-x y", "1.10.0; rm", "v1.10.0", "1.10", "1.10.0\n"])
def test_a_chart_is_pinned_to_one_version(version: str) -> None:
    assert not accepts(ChartSettings, {"version": version})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("repository", ["ftp+https://a", "see https://a b", "https://a b", "http://a", "https://a\n"])
def test_a_chart_repository_is_one_address(repository: str) -> None:
    assert not accepts(ChartSettings, {"repository": repository})  # pyright: ignore[reportArgumentType]


def test_hosts_are_lower_case() -> None:
    loaded = load(with_(("infisical.siteUrl", "https://Secrets.Example.org:8443")))
    assert loaded.infisical.host == "secrets.example.org"
    assert urlsplit(loaded.infisical.site_url).port == 8443


# --- `pulumi config` -------------------------------------------------------------------------------------------------


def repaired(config: Config) -> Config:
    """Follows the printed commands, one error after the other, until nothing is wrong.

    As `pulumi config set --path` does: true, false and integers become what they look like, unless `--type string`.
    """
    config = copy.deepcopy(config)
    for _ in range(5):
        if not (said := complaint(config)):
            return config
        line = said.splitlines()[1]
        _run(shlex.split(line[line.rindex("pulumi config") :]), config)
    pytest.fail(f"the printed commands do not help: {complaint(config)}")


def _run(command: list[str], config: Config) -> None:
    assert command[:2] == ["pulumi", "config"], command
    verb, *rest = command[2:]
    keep_text = "--type" in rest and rest[rest.index("--type") + 1] == "string"
    key = next(word for word in rest if word.startswith(f"{PROJECT}:")).removeprefix(f"{PROJECT}:")
    path = [part for part in re.split(r"[.\[\]]", key) if part] if "--path" in rest else [key]
    steps: list[Any] = [int(part) if part.isdigit() and f"[{part}]" in key else part for part in path]
    *parents, last = steps
    section: Any = config
    for parent in parents:
        section = section[parent] if isinstance(section, list) else section.setdefault(parent, {})
        if not isinstance(section, dict | list):
            pytest.fail(f"{shlex.join(command)}: {parent} is no section")
    if verb == "rm":
        del section[last]
    elif isinstance(section, list) != isinstance(last, int):
        pytest.fail(f"{shlex.join(command)}: {last} is no place in a {type(section).__name__}")
    else:
        assert (rest[-1] == "VALUE") != ("--secret" in rest), command
        value = REPAIRS[key]
        typed = {"true": True, "false": False}.get(value, int(value) if re.fullmatch(r"0|-?[1-9]\d*", value) else value)
        section[last] = value if keep_text or "--path" not in rest else typed
