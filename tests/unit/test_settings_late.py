"""Settings that could only fail late, or take away what they promise, are refused with the reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from settings.machinery.cron import checked, longest_pause
from tests.unit.configurations import MAIL, SMALLEST, Config, complaint, errors, load, repaired, with_


@pytest.mark.parametrize("address", ["10.0.0.5", "10.0.0.5:8443", "secrets.7"])
def test_a_site_has_a_name(address: str) -> None:
    """An address fails as the last resource of all."""
    config = with_(("infisical.siteUrl", f"https://{address}"))
    [line] = errors(config)
    assert line.startswith("- infisical.siteUrl: ")
    assert "neither an Ingress nor its certificate can be made for one" in line
    load(repaired(config))


@pytest.mark.parametrize("host", ["10.0.0.5.example.org", "7.example.org", "a7", "s3:8443"])
def test_numbers_elsewhere_in_a_name_are_no_address(host: str) -> None:
    load(with_(("infisical.siteUrl", f"https://{host}")))


@pytest.mark.parametrize("section", ["database", "redis"])
@pytest.mark.parametrize("nothing", ["0Gi", "00M", "0.0Ti"])
def test_a_volume_holds_something(section: str, nothing: str) -> None:
    [line] = errors(with_((f"{section}.storage", nothing)))
    assert line.startswith(f"- {section}.storage: write more than 0 bytes with a unit")
    load(with_((f"{section}.storage", "1.5Gi")))


@pytest.mark.parametrize("section", ["redis", "redis.sentinel", "infisical", "jobs", "database", "database.pooler"])
@pytest.mark.parametrize(("what", "more", "less"), [("cpu", "3", "2500m"), ("memory", "3Gi", "2.5Gi")])
def test_nothing_requests_more_than_it_may_use(section: str, what: str, more: str, less: str) -> None:
    sizes = {f"{what}Request": more, f"{what}Limit": less}
    [line] = errors(with_(*((f"{section}.{key}", value) for key, value in sizes.items())))
    assert line.startswith(f"- {section}.{what}Request: it must not be more than {what}Limit")
    load(with_((f"{section}.{what}Request", less), (f"{section}.{what}Limit", more)))


@pytest.mark.parametrize(("section", "least"), [("infisical", "256Mi"), ("jobs", "64Mi")])
def test_a_limit_in_which_nothing_starts_is_refused(section: str, least: str) -> None:
    [line] = errors(with_((f"{section}.memoryRequest", "16Mi"), (f"{section}.memoryLimit", "63Mi")))
    assert line.startswith(f"- {section}.memoryLimit: set at least {least}")


@pytest.mark.parametrize("limit", ["40Mi", "63Mi", "64M"])
def test_a_pod_may_use_what_it_asks_for(limit: str) -> None:
    [line] = errors(with_(("redis", {"memoryLimit": limit, "maxMemoryMib": 32})))
    assert line.startswith("- redis.memoryRequest: it must not be more than memoryLimit")
    load(with_(("redis", {"memoryLimit": "64Mi", "maxMemoryMib": 32})))


@pytest.mark.parametrize("instances", [1, 2])
def test_reads_survive_the_loss_of_a_pod(instances: int) -> None:
    config = with_(("infisical.readReplicas", "cluster"), ("database.instances", instances))
    [line] = errors(config)
    assert line.startswith(f"- infisical.readReplicas: database.instances is {instances}")
    load(repaired(config))
    load(with_(("infisical.readReplicas", "cluster"), ("database.instances", 3)))


@given(pods=st.integers(1, 10), replicas=st.integers(1, 20), most=st.integers(1, 100))
@example(pods=2, replicas=20, most=100)  # 2,000 of 60
def test_a_session_is_only_promised_where_there_is_a_connection(pods: int, replicas: int, most: int) -> None:
    pooler = ("database.pooler", {"mode": "session", "instances": pods})
    config = with_(pooler, ("infisical.replicas", replicas), ("infisical.pools", {"max": most}))
    if replicas * most > 60:
        [line] = errors(config)
        assert line.startswith(f"- database.pooler.mode: in session mode Infisical wants {replicas * most} connections")
        config["database"]["pooler"]["mode"] = "transaction"
        load(config)
    elif replicas * most <= 40:
        load(config)


@pytest.mark.parametrize(
    ("section", "key"),
    [("infisical", "siteUrl"), ("infisical", "corsAllowedOrigins"), ("mail", "host"), ("certificates", "extraNames")],
)
@pytest.mark.parametrize("host", [f"{'a' * 64}.example.org", f"{'a.' * 127}org"])
def test_a_host_is_a_name_that_dns_can_have(section: str, key: str, host: str) -> None:
    """No certificate is issued for a longer one, and nobody can reach it."""

    def stack(name: str) -> Config:
        value: str | list[str] = name if section in ("mail", "certificates") else f"https://{name}"
        value = [value] if key in ("corsAllowedOrigins", "extraNames") else value
        others = {"mail": MAIL, "infisical": SMALLEST["infisical"]}.get(section, {})
        return with_((section, {**others, key: value}))

    [line] = errors(stack(host))
    assert line.startswith(f"- {section}.{key}")
    load(stack(f"{'a' * 63}.example.org"))


@pytest.mark.parametrize("cores", ["0", "0m", "000m", "0.0", "0.000"])
def test_a_pod_gets_some_cpu(cores: str) -> None:
    [line] = errors(with_(("redis.cpuRequest", cores)))
    assert line.startswith("- redis.cpuRequest: write more than 0 cores")
    for some in ("1m", "0.001", "10", "100m"):
        load(with_(("redis.cpuRequest", some)))


@pytest.mark.parametrize(
    "image", ["r.example.org/Infisical:v1", "infisical/Infisical:v1", "Infisical/infisical:v1", "a/_b:v1", "a..b:1"]
)
def test_a_name_of_an_image_is_one_that_a_node_can_pull(image: str) -> None:
    """A pod with such a name waits for ever: InvalidImageName."""
    [line] = errors(with_(("jobs.pythonImage", image)))
    assert line.startswith("- jobs.pythonImage: write it as registry/name:tag. The name is in lower case")


@pytest.mark.parametrize("image", ["R.example.org/a/b-c__d.e:V1", "Mirror:5000/a:v1", "localhost/a:1", "infisical/a:1"])
def test_a_registry_and_a_tag_may_have_capitals(image: str) -> None:
    load(with_(("jobs.pythonImage", image)))


@pytest.mark.parametrize("schedule", ["0 0 31 2 *", "0 0 30,31 2 */1", "0 0 31 4-6/2 *"])
def test_a_schedule_that_never_runs_is_none(schedule: str) -> None:
    [line] = errors(with_(("certificates.syncSchedule", schedule)))
    assert line.startswith("- certificates.syncSchedule: this schedule never runs")


def test_kubernetes_has_no_weekday_7() -> None:
    [line] = errors(with_(("certificates.syncSchedule", "0 0 * * 7")))
    assert "weekday 0-6 (0 is Sunday)" in line


@pytest.mark.parametrize(
    ("schedule", "pause"),
    [
        ("*/15 * * * *", timedelta(minutes=15)),
        ("50-59 * * * *", timedelta(minutes=51)),
        ("0 0,23 * * *", timedelta(hours=23)),
        ("5/20 3 * * *", timedelta(hours=23, minutes=20)),
        ("30 4 * * 1", timedelta(days=7)),
        ("30 4 1 * *", timedelta(days=31)),
        ("0 0 1 1 *", timedelta(days=366)),
        ("0 0 29 2 *", timedelta(days=1461)),
        ("0 0 31 2 1", timedelta(days=350)),  # a Monday of February: the day or the weekday suffices
        ("0 0 */2 * 1", timedelta(days=2)),  # a step restricts: the second of a month, or a Monday
    ],
)
def test_the_longest_pause_of_a_schedule(schedule: str, pause: timedelta) -> None:
    assert longest_pause(schedule) == pause


@given(minute=st.integers(0, 59), hour=st.integers(0, 23), day=st.integers(1, 28), month=st.integers(1, 12))
def test_a_day_that_each_month_has_comes_every_year(minute: int, hour: int, day: int, month: int) -> None:
    assert longest_pause(checked(f"{minute} {hour} {day} {month} *")) == timedelta(days=366)


def test_a_renewed_certificate_is_published_before_the_old_one_expires() -> None:
    config = with_(("certificates.syncSchedule", "0 0 1 * *"))  # 31 days, and 30 are the default's
    [line] = errors(config)
    assert line.startswith("- certificates.syncSchedule: between two runs lies as much time as leafRenewBefore")
    load(repaired(config))
    load(with_(("certificates", {"syncSchedule": "0 0 1 * *", "leafRenewBefore": "745h"})))


@pytest.mark.parametrize("instances", [1, 2])
def test_synchronous_commits_need_a_replica_to_spare(instances: int) -> None:
    [line] = errors(with_(("database.synchronous", True), ("database.instances", instances)))
    assert "database.synchronous: set instances to at least 3" in line


def test_what_was_generated_is_given_whole() -> None:
    """A pasted half of one, or an end of line, would be delivered; what is short could be guessed from its digest."""
    for value in ("fifteen-letters", "sixteen-letters-\n", "two of them words here"):
        said = complaint(with_(("generatedValues", {"shop-0123456789ab": value})))
        assert "generatedValues.shop-0123456789ab: write what Infisical has: 16 to 256 characters" in said
        assert value not in said
