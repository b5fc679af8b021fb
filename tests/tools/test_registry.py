"""The private registry of the cluster `hostile`: what it serves, to whom, and what the stack there asks it for."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from embedded import registry
from embedded.imagebuild import reference
from embedded.oci import Layout, Store
from tests.unit.harness import settings_of
from tests.unit.test_placement import images as images_of

MIRROR = f"{registry.HOST}:{registry.PORT}/{registry.FOLDER}/"
INSTALL: Any = dict.fromkeys(("postgres", "redis", "certManager"), "install")


@pytest.fixture
def images(tmp_path: Path) -> Layout:
    """An image of one layer for each name, which differs in its configuration."""
    store = Store(tmp_path / "store")
    layer = store.layer([])
    names = map(reference, set(registry.IMAGES.values()))
    return Layout(store, {name: store.image([layer], {"Cmd": [name]}) for name in names})


def test_the_hostile_stack_pulls_nothing_that_is_not_served() -> None:
    """It names no image, so all of them come from the mirror. No pod answers ACME challenges there."""
    stack = settings_of("hostile", operators=INSTALL)
    asked = {image.removeprefix(MIRROR) for image in images_of(stack).values() if "acmesolver" not in image}
    assert asked == {*registry.IMAGES}


def test_a_tag_leads_to_an_image_with_all_of_its_blobs(tmp_path: Path, images: Layout) -> None:
    for _ in range(2):  # `make up` again
        registry.fill(tmp_path, images)
    top = tmp_path / "docker" / "registry" / "v2"
    for name, image in registry.IMAGES.items():
        repository, _, tag = name.rpartition(":")
        own = top / "repositories" / registry.FOLDER / repository
        digest = (own / "_manifests" / "tags" / tag / "current" / "link").read_text()
        assert digest == images.images[reference(image)].digest
        manifest = json.loads(blob(top, digest))
        for each in (manifest["config"], *manifest["layers"]):
            assert len(blob(top, each["digest"])) == each["size"]
            assert (own / "_layers" / each["digest"].replace(":", "/") / "link").read_text() == each["digest"]


def blob(top: Path, digest: str) -> bytes:
    algorithm, value = digest.split(":")
    return (top / "blobs" / algorithm / value[:2] / value / "data").read_bytes()


def test_the_log_in_is_made_once_and_is_what_the_stack_takes(tmp_path: Path) -> None:
    path = registry.login(tmp_path)
    before = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    config = registry.credentials(tmp_path)
    assert registry.login(tmp_path).read_text() == before
    [entry] = json.loads(config)["auths"].values()
    assert b64decode(entry["auth"]).decode() == before == f"{entry['username']}:{entry['password']}"


def test_containerd_trusts_the_registry_by_the_clusters_authority(tmp_path: Path) -> None:
    folder = registry.trusted(tmp_path / "registries", tmp_path / "ca.crt")
    [hosts] = folder.rglob("hosts.toml")
    assert hosts.parent.name == f"{registry.HOST}:{registry.PORT}"
    assert f'ca = "{tmp_path / "ca.crt"}"' in hosts.read_text()
