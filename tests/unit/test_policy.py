"""The rules of the policy pack, as functions: what they find, what they leave alone, and what they never say."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from declared import Resource, Stack, Unknown, is_name, names_of, secrets_of
from rules import RULES

from tests.unit.harness import Graph, everything, platform, shape

CONFIG_MAP, SECRET = "kubernetes:core/v1:ConfigMap", "kubernetes:core/v1:Secret"
JOB, CRON_JOB = "kubernetes:batch/v1:Job", "kubernetes:batch/v1:CronJob"
SERVICE, INGRESS = "kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"
POSTGRESQL = "kubernetes:acid.zalan.do/v1:postgresql"
REPLICATION = "kubernetes:redis.redis.opstreelabs.in/v1beta2:RedisReplication"
RELEASE = "kubernetes:helm.sh/v3:Release"
DATABASE, REDIS = {"namespace": "platform-db-pg"}, {"namespace": "platform-kv-redis-cluster"}
PROTECTED = {"protect": True}
VALUE = 'hunter2/"hunter2"\nhunter2'


def found(
    rule: str, type_: str, props: Mapping[str, Any], *, name: str = "it", stack: Stack | None = None, **options: Any
) -> list[str]:
    """What one rule says of one resource: the part between its name and the remedy."""
    (chosen,) = (candidate for candidate in RULES if candidate.name == rule)
    resource = Resource(type=type_, name=name, props=props, **options)
    messages = list(chosen.messages(resource, stack or Stack(protects=True)))
    assert all(message.endswith(f". {chosen.remedy}") for message in messages)
    return [message.removeprefix(f"{resource}: ").removesuffix(f". {chosen.remedy}") for message in messages]


def declared(graph: Graph) -> list[Resource]:
    """A stack of the program, as the pack is given it."""
    return [
        Resource(
            type=resource.type,
            name=resource.name,
            props=resource.inputs,
            protect=resource.protect,
            provider=resource.provider.rpartition("::")[2],
        )
        for resource in graph
    ]


@pytest.mark.parametrize(
    "graph",
    [
        platform("dev"),
        platform("minimal"),
        platform("prod"),
        everything(),
        *(shape(name, cluster=PROTECTED) for name in ("installed", "operator", "applications", "backed-up")),
        shape("installed"),
    ],
)
def test_the_stacks_of_the_project_break_no_rule(graph: Graph) -> None:
    resources = declared(graph)
    told = ((str(number), secret) for number, secret in enumerate([*graph.given, *graph.generated]))
    secrets = [*told, *secrets_of(resources)]
    stack = Stack(protects=graph["platform-db-namespace"].protect, secrets=secrets)
    assert [message for rule in RULES for resource in resources for message in rule.messages(resource, stack)] == []


def test_names_are_unique_and_every_rule_says_what_to_do() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(text.endswith(".") for rule in RULES for text in (rule.description, rule.remedy))


# --- data services ---------------------------------------------------------------------------------------------------

FLAGS = [f"enable{who}LoadBalancer" for who in ("Master", "Replica", "MasterPooler", "ReplicaPooler")]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("given", [{}, None, True, "false"])
def test_a_database_says_false_to_each_load_balancer(flag: str, given: object) -> None:
    spec = dict.fromkeys(FLAGS, False) | ({flag: given} if given != {} else {})
    if given == {}:
        del spec[flag]
    assert found("data-services-are-private", POSTGRESQL, {"spec": spec}) == [f"spec.{flag} is not false"]


@pytest.mark.parametrize("type_", ["LoadBalancer", "NodePort"])
def test_no_service_of_the_data_namespaces_is_open(type_: str) -> None:
    props = {"metadata": DATABASE, "spec": {"type": type_}}
    assert found("data-services-are-private", SERVICE, props) == ["spec.type opens it to the outside"]
    cr = {"spec": {"kubernetesConfig": {"service": {"serviceType": type_}}}}
    (message,) = found("data-services-are-private", REPLICATION, cr)
    assert message == "spec.kubernetesConfig.service.serviceType opens it to the outside"


def test_data_services_have_no_public_name() -> None:
    annotations = {"external-dns.alpha.kubernetes.io/hostname": VALUE}
    (message,) = found("data-services-are-private", SERVICE, {"metadata": {**REDIS, "annotations": annotations}})
    assert message == "metadata.annotations.external-dns.alpha.kubernetes.io/hostname gives it a public name"
    spec = dict.fromkeys(FLAGS, False) | {"masterServiceAnnotations": annotations}
    assert len(found("data-services-are-private", POSTGRESQL, {"spec": spec})) == 1


def test_other_services_may_be_open() -> None:
    props = {"metadata": {"namespace": "ingress-nginx"}, "spec": {"type": "LoadBalancer"}}
    assert found("data-services-are-private", SERVICE, props) == []
    assert found("data-services-are-private", SERVICE, {"metadata": DATABASE, "spec": {"type": "ClusterIP"}}) == []


# --- sslmode ---------------------------------------------------------------------------------------------------------

URI = "postgresql://infisical_user:hunter2hunter2@db:5432/infisical"


@pytest.mark.parametrize("uri", [f"{URI}?sslmode=require", f"{URI}?a=b&sslmode=disable", "POSTGRES://db/x?sslmode=a"])
def test_no_uri_has_sslmode_wherever_it_is(uri: str) -> None:
    encoded = base64.b64encode(uri.encode()).decode()
    replicas = json.dumps([{"DB_CONNECTION_URI": uri}])
    assert found("no-sslmode", SECRET, {"data": {"A": encoded}}) == ["data.A has a connection URI with sslmode"]
    assert found("no-sslmode", SECRET, {"stringData": {"A": replicas}}) == [
        "stringData.A has a connection URI with sslmode"
    ]
    assert len(found("no-sslmode", CONFIG_MAP, {"data": {"a": f"url = '{uri}'"}})) == 1


@pytest.mark.parametrize("text", [URI, f"{URI}?application_name=x", "sslmode=verify-full host=db", f"{URI} ?sslmode=a"])
def test_other_uris_and_connection_strings_are_left_alone(text: str) -> None:
    assert found("no-sslmode", SECRET, {"stringData": {"A": text}}) == []


def test_what_is_not_base64_is_read_as_it_is() -> None:
    assert found("no-sslmode", SECRET, {"data": {"A": "\xff"}}) == []
    assert found("no-sslmode", SECRET, {"data": Unknown.VALUE}) == []


# --- secrets ---------------------------------------------------------------------------------------------------------

FORMS = [VALUE, base64.b64encode(VALUE.encode()).decode(), quote(VALUE, safe=""), json.dumps(VALUE)]
SECRETS = [("smtpPassword", VALUE), ("Secret/mail: password", VALUE), ("pin", "short"), ("none", "")]
KEEPS = Stack(protects=True, secrets=SECRETS)  # the stack's key is named before a Secret that has its value


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_place_and_form(form: str) -> None:
    pod = {"containers": [{"args": [f"--password={form}"], "env": [{"name": "URI", "value": f"redis://:{form}@a"}]}]}
    assert found("secrets-are-in-secrets", JOB, {"spec": pod}, stack=KEEPS) == [
        "spec.containers.0.args.0 holds the value of a secret, smtpPassword",
        "spec.containers.0.env.0.value holds the value of a secret, smtpPassword",
    ]
    for props in ({"data": {"a": form}}, {"metadata": {"annotations": {"a": form}}}, {"metadata": {"name": form}}):
        assert len(found("secrets-are-in-secrets", CONFIG_MAP, props, stack=KEEPS)) == 1
    assert len(found("secrets-are-in-secrets", RELEASE, {"values": {"password": form}}, stack=KEEPS)) == 1


def test_a_secret_that_is_a_key_is_not_shown() -> None:
    props = {"metadata": {"labels": {VALUE: "a"}}}
    assert found("secrets-are-in-secrets", CONFIG_MAP, props, stack=KEEPS) == [
        "metadata.labels.… holds the value of a secret, smtpPassword"
    ]


def test_a_secret_belongs_into_the_data_of_a_secret_only() -> None:
    assert found("secrets-are-in-secrets", SECRET, {"data": {"a": FORMS[1]}, "stringData": {"a": VALUE}}) == []
    props = {"stringData": {"a": VALUE}, "metadata": {"annotations": {"a": VALUE}}}
    assert found("secrets-are-in-secrets", SECRET, props, stack=KEEPS) == [
        "metadata.annotations.a holds the value of a secret, smtpPassword"
    ]


def test_a_short_secret_is_found_alone_but_not_as_a_part_of_words() -> None:
    assert len(found("secrets-are-in-secrets", CONFIG_MAP, {"data": {"a": "short"}}, stack=KEEPS)) == 1
    assert found("secrets-are-in-secrets", CONFIG_MAP, {"data": {"a": "in short", "b": ""}}, stack=KEEPS) == []


def test_what_counts_as_secret_is_generated_or_has_a_key_that_says_so() -> None:
    resources = [
        Resource(type="random:index/randomPassword:RandomPassword", name="a", props={"result": "generated"}),
        Resource(type="random:index/randomPassword:RandomPassword", name="b", props={"result": Unknown.VALUE}),
        Resource(
            type=SECRET,
            name="c",
            props={
                "metadata": {"annotations": {"token": "no"}},
                "data": {"AUTH_SECRET": base64.b64encode(b"decoded").decode()},
                "stringData": {"SMTP_PASSWORD": "plain", "SMTP_HOST": "no", "DB_CONNECTION_URI": URI},
            },
        ),
        Resource(type=SECRET, name="d", props={"stringData": Unknown.VALUE}),
        Resource(type=CONFIG_MAP, name="e", props={"data": {"password": "no"}}),
    ]
    assert set(secrets_of(resources)) == {
        ("RandomPassword/a", "generated"),
        ("Secret/c: AUTH_SECRET", "decoded"),
        ("Secret/c: SMTP_PASSWORD", "plain"),
        ("Secret/c: DB_CONNECTION_URI", URI),
    }


def test_an_ordinary_word_does_not_stop_the_whole_stack() -> None:
    """As the user `infisical` of a bucket, when the namespace is called so too."""
    there = {"metadata": {"name": "infisical-config", "namespace": "infisical"}}
    secrets = [("extraSecrets.BUCKET_TOKEN", "infisical")]
    assert found("secrets-are-in-secrets", CONFIG_MAP, there, stack=Stack(protects=True, secrets=secrets))
    plain = {*names_of([Resource(type=CONFIG_MAP, name="c", props=there)])}
    assert plain == {"infisical", "infisical-config"}
    stack = Stack(protects=True, secrets=secrets, plain=plain)
    assert found("secrets-are-in-secrets", CONFIG_MAP, there, stack=stack) == []


@pytest.mark.parametrize(
    "key", ["backupAccessKey", "accessKey", "access_key_id", "AWS_ACCESS_KEY_ID", "username", "user"]
)
def test_who_logs_in_is_no_secret(key: str) -> None:
    assert is_name(("registryCredentials", key))
    data = Resource(type=SECRET, name="a", props={"stringData": {key: "infisical"}})
    assert [*secrets_of([data])] == []


@pytest.mark.parametrize(
    "key", ["backupSecretKey", "secretAccessKey", "AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey", "key"]
)
def test_the_secret_that_belongs_to_it_is_one(key: str) -> None:
    assert not is_name((key,))


# --- Jobs, Ingresses, Redis ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["activeDeadlineSeconds", "backoffLimit"])
def test_a_job_without_a_limit_is_refused(limit: str) -> None:
    spec = {"activeDeadlineSeconds": 60, "backoffLimit": 0}
    assert found("jobs-end", JOB, {"spec": spec}) == []
    assert found("jobs-end", CRON_JOB, {"spec": {"jobTemplate": {"spec": spec}}}) == []
    del spec[limit]
    assert found("jobs-end", JOB, {"spec": spec}) == [f"spec.{limit} is not set"]
    cron_job = {"spec": {"activeDeadlineSeconds": 60, "backoffLimit": 0, "jobTemplate": {"spec": spec}}}
    assert found("jobs-end", CRON_JOB, cron_job) == [f"spec.jobTemplate.spec.{limit} is not set"]


HOST = "secrets.example.org"


def ingress(*tls: Mapping[str, object], hosts: tuple[object, ...] = (HOST,)) -> list[str]:
    props = {"spec": {"tls": list(tls), "rules": [{"host": host} if host else {} for host in hosts]}}
    return found("ingresses-have-tls", INGRESS, props)


@pytest.mark.parametrize(
    "tls",
    [
        {},
        {"hosts": [HOST]},
        {"secretName": "tls"},
        {"secretName": "tls", "hosts": ["example.org"]},
        {"secretName": "tls", "hosts": ["*.org"]},
    ],
)
def test_a_host_without_certificate_is_refused(tls: Mapping[str, object]) -> None:
    assert ingress(tls) == ["spec.rules.0.host has no certificate in spec.tls"]


def test_every_host_needs_one_and_a_wildcard_counts() -> None:
    assert ingress({"secretName": "tls", "hosts": [HOST]}) == []
    assert ingress({"secretName": "tls", "hosts": ["*.example.org"]}) == []
    assert ingress({"secretName": "tls", "hosts": [HOST]}, hosts=(HOST, "other.org")) == [
        "spec.rules.1.host has no certificate in spec.tls"
    ]
    assert ingress(hosts=(Unknown.VALUE,)) == []


def test_an_ingress_for_any_host_is_refused() -> None:
    assert ingress(hosts=("",)) == ["spec.rules.0 names no host"]
    assert found("ingresses-have-tls", INGRESS, {"spec": {"defaultBackend": {}}}) == ["spec.rules name no host"]
    assert found("ingresses-have-tls", "infisical-platform:components:Ingress", {}) == []


@pytest.mark.parametrize("line", ["maxmemory 96mb # why", "maxmemory 96mb\t#why", '  requirepass "a" # b', "a 'b' #"])
def test_a_comment_behind_a_directive_of_redis_is_refused(line: str) -> None:
    props = {"metadata": REDIS, "data": {"redis-additional.conf": f"# first\n{line}\n"}}
    assert found("redis-has-no-inline-comment", CONFIG_MAP, props) == [
        "data.redis-additional.conf, line 2 has a comment behind a directive"
    ]


@pytest.mark.parametrize(
    "line", ["# maxmemory # 1", "  # alone", 'requirepass "a # b"', "requirepass a#b", "a 'b # c'"]
)
def test_other_lines_of_redis_are_left_alone(line: str) -> None:
    props = {"metadata": REDIS, "data": {"redis-additional.conf": line, "job.py": "x = 1  # Python"}}
    assert found("redis-has-no-inline-comment", CONFIG_MAP, props) == []


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_no_message_has_a_value(rule: str) -> None:
    many = [{"host": VALUE}]
    props = {
        "metadata": {**REDIS, "annotations": {"external-dns.a": VALUE}},
        "data": {"a.conf": f"a postgresql://{quote(VALUE)}@a/b?sslmode=require # {VALUE}"},
        "spec": {"type": "LoadBalancer", "image": quote(VALUE, safe=""), "rules": many, "parentRefs": many},
    }
    types = (CONFIG_MAP, SECRET, JOB, INGRESS, POSTGRESQL, "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute")
    said = [message for type_ in types for message in found(rule, type_, props, stack=KEEPS, provider="default")]
    assert said
    assert not [message for message in said if "hunter2" in message]
