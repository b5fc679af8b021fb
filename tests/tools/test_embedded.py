"""The embedded cluster's parts that need no cluster: names, addresses, certificates, keys of the cache."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from embedded import pki, programs
from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.programs import PROGRAMS, Programs

NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,30}[a-z0-9])?", fullmatch=True)


@given(NAMES)
def test_an_instance_has_a_link_of_its_own_in_the_test_network(name: str) -> None:
    instance = Instance(name)

    assert len(instance.link) <= 15
    assert int(instance.node_address) == int(instance.host_address) + 1
    assert str(instance.node_address).startswith(("198.18.", "198.19."))


@given(NAMES.filter(lambda name: name != "dev"))
def test_no_other_instance_has_the_addresses_of_dev(name: str) -> None:
    assert Instance(name).node_address != Instance("dev").node_address


@pytest.mark.parametrize("name", ["", "Dev", "1st", "a-", "a" * 33, "../dev", "a b"])
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(EmbeddedError, match="instance name"):
        Instance(name)


def test_certificates_chain_to_one_authority_and_name_the_node(tmp_path: Path) -> None:
    pki.create(tmp_path, "198.18.0.2", "node")
    issued = x509.load_pem_x509_certificate((tmp_path / "pki" / "apiserver.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())

    issued.verify_directly_issued_by(authority)
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "198.18.0.2" in [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    ssl.create_default_context().load_cert_chain(tmp_path / "pki" / "apiserver.crt", tmp_path / "pki" / "apiserver.key")


def test_certificates_are_made_once_and_their_keys_are_private(tmp_path: Path) -> None:
    pki.create(tmp_path, "198.18.0.2", "node")
    before = (tmp_path / "admin.conf").read_bytes()
    pki.create(tmp_path, "198.18.0.2", "node")

    assert (tmp_path / "admin.conf").read_bytes() == before
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "pki").glob("*.key")} == {0}


def test_every_pinned_module_is_built_with_its_checksums() -> None:
    for module in PROGRAMS:
        folder = programs.SOURCES / module
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
