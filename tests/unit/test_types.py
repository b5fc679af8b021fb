"""Constrained types: what Kubernetes, a browser or a registry would refuse later is refused here."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from settings.infisical import ChartSettings
from settings.machinery.types import Cpu, DnsLabel, DnsName, HostPort, Image, Memory, SiteUrl
from settings.network_policies import Cidr
from tests.unit.configurations import (
    load,
    with_,
)


def accepts(type_: Any, value: str) -> bool:
    try:
        TypeAdapter(type_).validate_python(value)
    except ValidationError:
        return False
    return True


# Kubernetes' quantities without exponents; https://pkg.go.dev/k8s.io/apimachinery/pkg/api/resource#Quantity.
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|Ki|[MGTPE]i?)?")
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
    assert not accepts(Memory, f"{value}k")
    assert not accepts(Memory, "512K")


@given(port=st.integers(0, 100_000))
@example(0)
@example(65535)
@example(65536)
def test_ports_are_those_of_tcp(port: int) -> None:
    """Policies open them, and Kubernetes refuses a policy with another one."""
    assert accepts(HostPort, f"sentinel.example.org:{port}") == (0 < port < 65536)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("fd00::1", "fd00::1/128"),
        ("fd00:0:0::/48", "fd00::/48"),
    ],
)
def test_ranges_are_read_as_kubernetes_takes_them(written: str, read: str) -> None:
    """It refuses an address without a length, and a netmask, when `up` has made half of the stack."""
    assert TypeAdapter(Cidr).validate_python(written) == read


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
