"""The embedded cluster's parts that need no cluster: names, addresses, certificates, keys of the cache."""

from __future__ import annotations

import shutil
import signal
import ssl
import sys
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

import pytest
import yaml
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from embedded import __main__ as command
from embedded import hostile, imagebuild, pki, programs
from embedded.addons import MANIFESTS
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.pinned import PROGRAMS
from embedded.programs import Programs
from embedded.ranges import IPV4, IPV6, url_host
from embedded.stack import Stack
from tests.unit.harness import ROOT

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)


@given(NAMES)
def test_an_instance_has_a_link_of_its_own_in_the_test_network(name: str) -> None:
    instance = Instance(name)

    assert len(instance.link) <= 15
    assert int(instance.node_address) == int(instance.host_address) + 1
    assert str(instance.node_address).startswith(("198.18.", "198.19."))


@given(NAMES)
def test_an_instance_has_a_link_of_its_own_in_either_family(name: str) -> None:
    slot = Instance(name)._slot
    for ranges, prefix in ((IPV4, ("198.18.", "198.19.")), (IPV6, ("fd6e:6669:0:18:",))):
        host, node = ranges.link(slot)
        assert int(node) == int(host) + 1
        assert str(node).startswith(prefix)
        assert int(host) % 4 == 1, "the link's own address and its broadcast are nobody's"


@given(NAMES.filter(lambda name: name != "dev"))
def test_no_other_instance_has_the_addresses_of_dev(name: str) -> None:
    assert Instance(name).node_address != Instance("dev").node_address


@pytest.mark.parametrize("name", ["", "Dev", "1st", "a-", "a" * 33, "../dev", "a b"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(EmbeddedError, match="instance name"):
        Instance(name)


def test_a_cluster_keeps_the_domain_of_its_first_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance = Instance("other")
    cluster = Cluster(instance, Programs(tmp_path), lambda _: None)
    assert instance.domain == "cluster.local"
    cluster._name("corp.internal")
    for domain in ("", "corp.internal"):
        cluster._name(domain)
        assert instance.domain == "corp.internal"
    with pytest.raises(EmbeddedError, match="instance other has domain"):
        cluster._name("cluster.local")


def test_a_cluster_of_ipv6_has_one_family_of_addresses_and_says_so_to_infisical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance = Instance("other")
    Cluster(instance, Programs(tmp_path), lambda _: None)._begin("ipv6", "", "is not ipv6")
    own = (instance.node_address, instance.host_address, instance.second_node.address, instance.cable_address)
    assert {address.version for address in own} == {6}
    assert url_host(instance.node_address) == f"[{instance.node_address}]"
    pki.create(tmp_path, instance.ranges.api_server, {"node": str(instance.node_address)})
    [cluster] = yaml.safe_load((tmp_path / "admin.conf").read_text())["clusters"]
    assert cluster["cluster"]["server"] == f"https://[{instance.node_address}]:6443"


def test_a_hostile_cluster_stays_one_and_has_a_stack_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    instance, programs_ = Instance("other"), Programs(tmp_path)
    assert Stack(instance, programs_).settings.name == "Pulumi.dev.yaml"
    Cluster(instance, programs_, lambda _: None)._begin("hostile", "", "is not hostile")
    assert instance.hostile
    assert Stack(instance, programs_).settings.name == "Pulumi.hostile.yaml"
    instance.logs.mkdir()
    with pytest.raises(EmbeddedError, match="make down first"):
        Cluster(instance, programs_, lambda _: None)._begin("hostile", "", "is not hostile")


def test_the_hostile_stack_bears_what_its_cluster_asks() -> None:
    pods = yaml.safe_load((ROOT / "Pulumi.hostile.yaml").read_text())["config"]["infisical-platform:pods"]
    assert pods["tolerations"] == [hostile.TAINT]
    assert [f"{key}={value}" for key, value in pods["nodeSelector"].items()] == [hostile.LABEL]


def test_a_hostile_cluster_publishes_no_address_and_serves_all_the_same() -> None:
    whole = (MANIFESTS / "traefik.yaml").read_text()
    words = ("publishservice", "statusaddress")
    assert all(word in whole for word in words)
    left = hostile.unpublished(whole)
    assert not any(word in left for word in words)
    assert [*map(type, yaml.safe_load_all(left))] == [*map(type, yaml.safe_load_all(whole))]


def test_each_namespace_that_comes_is_equipped_but_the_clusters_own(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    names = r"infisical Active\nkube-system Active\nleaving Terminating\n"
    kubectl.write_text(f'#!/bin/sh\nif [ "$1" = get ]; then printf "{names}"; else echo "$@" >> {tmp_path}/asked; fi\n')
    kubectl.chmod(0o755)
    hostile.equip([str(kubectl)])
    assert (tmp_path / "asked").read_text() == f"apply --server-side -n infisical -f {hostile.TENANT}\n"


def test_certificates_chain_to_one_authority_and_name_the_node(tmp_path: Path) -> None:
    pki.create(tmp_path, "10.96.0.1", {"node": "198.18.0.2"})
    issued = x509.load_pem_x509_certificate((tmp_path / "pki" / "apiserver.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())

    issued.verify_directly_issued_by(authority)
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "198.18.0.2" in [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    ssl.create_default_context().load_cert_chain(tmp_path / "pki" / "apiserver.crt", tmp_path / "pki" / "apiserver.key")


def test_certificates_are_made_once_and_their_keys_are_private(tmp_path: Path) -> None:
    pki.create(tmp_path, "10.96.0.1", {"node": "198.18.0.2"})
    before = (tmp_path / "admin.conf").read_bytes()
    pki.create(tmp_path, "10.96.0.1", {"node": "198.18.0.2"})

    assert (tmp_path / "admin.conf").read_bytes() == before
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "pki").glob("*.key")} == {0}


def test_every_pinned_module_is_built_with_its_checksums() -> None:
    for module in PROGRAMS:
        folder = programs.sources_of(module)
        pins = (folder / "go.mod").read_text()
        assert (folder / "go.sum").exists() or "require" not in pins, module


def test_a_changed_pin_is_another_place_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "programs"
    shutil.copytree(programs.SOURCES / "etcd", sources / "etcd")
    monkeypatch.setattr(programs, "SOURCES", sources)
    programs._key.cache_clear()
    before = Programs(tmp_path).folder("etcd")
    (sources / "etcd" / "go.mod").write_text("module other\n")
    programs._key.cache_clear()

    assert Programs(tmp_path).folder("etcd") != before
    programs._key.cache_clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Builds one program at a time, each in twice the seconds it weighs, of this clock."""
    clock = SimpleNamespace(now=0.0)

    def build(_: Programs, module: str) -> None:
        clock.now += 2 * PROGRAMS[module].seconds

    monkeypatch.setattr(programs, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(programs.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(Programs, "_build", build)
    return clock


def test_packages_are_fetched_while_programs_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute of the first `make up`."""
    begun, built = threading.Event(), []

    def images(_cache: Path, _binaries: object, _progress: object, only: Collection[str] | None = None) -> None:
        built.append(only)
        begun.set()

    def compiled(_progress: object, *_modules: str) -> None:
        assert begun.wait(10), "nobody fetches anything meanwhile"

    monkeypatch.setattr(imagebuild, "build", images)
    monkeypatch.setattr(command, "build_for_pulumi", compiled)
    command.build(lambda _: None)
    assert built == [{"infisical", "pooler", "postgres", "redis", "tools"}, None]


@pytest.mark.usefixtures("clock")
def test_each_line_of_a_build_says_how_long_is_left(tmp_path: Path) -> None:
    weights = {"pulumi": 300, "traefik": 150, "etcd": 60}
    lines: list[str] = []
    with patch.dict(PROGRAMS, {name: replace(PROGRAMS[name], seconds=seconds) for name, seconds in weights.items()}):
        Programs(tmp_path).build(list(weights), lines.append)

    assert lines == [
        "building pulumi, about 8 minutes left",
        "built pulumi in 600 s (1 of 3), about 7 minutes left",  # this machine needs twice what the weights say
        "building traefik, about 7 minutes left",
        "built traefik in 300 s (2 of 3), about 2 minutes left",
        "building etcd, about 2 minutes left",
        "built etcd in 120 s (3 of 3)",
    ]


def test_the_longest_program_bounds_what_several_workers_have_left(clock: SimpleNamespace) -> None:
    course = programs._Course(["pulumi", "pause"], workers=2)
    course.begin("pulumi")
    course.begin("pause")

    assert course.left() == f", about {round(PROGRAMS['pulumi'].seconds / 60)} minutes left"
    clock.now += PROGRAMS["pulumi"].seconds + 60
    assert course.left() == ", about 1 minute left"


def test_the_compiler_collects_no_garbage_unless_the_environment_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collector() -> str:
        return programs._run("etcd", ["sh", "-c", "echo $GOGC"], tmp_path, {}).strip()

    monkeypatch.delenv("GOGC", raising=False)
    assert collector() == "off"
    monkeypatch.setenv("GOGC", "100")
    assert collector() == "100"


class _Bare:
    """A bare cluster to which its authority can't be given, or whose authority never comes."""

    def __init__(self, instance: Instance, reason: str) -> None:
        self.instance, self._reason = instance, reason
        instance.folder.mkdir(parents=True)
        (instance.folder / "bare").touch()

    def bring_authority(self) -> None:
        if not self._reason:
            threading.Event().wait()
        raise EmbeddedError(self._reason)


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """Have children end at SIGINT, which what runs behind a shell's & ignores and hands on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.parametrize(
    ("reason", "program", "says"),
    [
        ("applying add-ons failed: no", "import time; time.sleep(60)", "applying add-ons failed: no"),
        ("", "raise SystemExit(1)", "`python -c` failed"),
    ],
    ids=["no authority", "no up"],
)
def test_whichever_fails_of_up_and_the_authority_ends_both_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, program: str, says: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(Stack, "environment", lambda _: None)
    instance = Instance("other")
    cluster, stack = _Bare(instance, reason), Stack(instance, Programs(tmp_path))
    began = time.monotonic()

    with pytest.raises(EmbeddedError) as failure, command.meanwhile(cast("Cluster", cluster), stack.interrupt):
        stack._run([sys.executable, "-c", program], ROOT, quiet=True)

    assert says.replace("python", Path(sys.executable).name) in str(failure.value)
    assert time.monotonic() - began < 30
