"""Serve images from a private registry with a log-in, under the names that upstream gives them.

The registry is the distribution project's own. Its folder is written here as it keeps images itself, with links to the
blobs that the images were built as, so nothing is pushed or copied.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from embedded.imagebuild import Layout, reference

PROGRAM = "registry"
HOST, PORT = "registry.infisical.test", 5000
FOLDER = "mirror"
_USER = "puller"
# What pods of a stack that names no image ask for, without the public registry, and which image of the cluster that is.
IMAGES: Mapping[str, str] = {
    "library/python:3.13-slim": "tools",
    "library/postgres:15": "tools",
    "infisical/infisical:v0.165.8": "infisical",
    "opstree/redis:v7.0.15": "redis",
    "opstree/redis-sentinel:v7.0.15": "redis",
    "opstree/redis-operator:v0.23.0": "redis-operator",
    "zalando/postgres-operator:v1.15.1": "postgres-operator",
    "zalando/spilo-17:4.0-p3": "postgres",
    "acid/pgbouncer:master-32": "pooler",
    **{
        f"jetstack/cert-manager-{part}:v1.21.2": f"cert-manager-{part}"
        for part in ("controller", "webhook", "cainjector")
    },
}


def fill(root: Path, images: Layout) -> None:
    """Write the registry's folder. It is safe to repeat."""
    top = root / "docker" / "registry" / "v2"
    for name, image in IMAGES.items():
        repository, _, tag = name.rpartition(":")
        manifest, *blobs = images.store.references(images.images[reference(image)])
        for blob in (manifest, *blobs):
            _link(_place(top / "blobs", blob.digest, shard=True) / "data", images.store.path(blob))
        own = top / "repositories" / FOLDER / repository
        for blob in blobs:
            _note(_place(own / "_layers", blob.digest), blob.digest)
        _note(_place(own / "_manifests" / "revisions", manifest.digest), manifest.digest)
        _note(_place(own / "_manifests" / "tags" / tag / "index", manifest.digest), manifest.digest)
        _note(own / "_manifests" / "tags" / tag / "current", manifest.digest)


def _place(folder: Path, digest: str, *, shard: bool = False) -> Path:
    algorithm, _, value = digest.partition(":")
    return folder / algorithm / value[:2] / value if shard else folder / algorithm / value


def _note(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(digest)


def _link(path: Path, blob: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(blob)


def login(folder: Path) -> Path:
    """Return the file with the log-in, made once, as the program reads it."""
    path = folder / "registry-login"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(f"{_USER}:{secrets.token_urlsafe(24)}")
    return path


def credentials(folder: Path) -> str:
    """Return the log-in as docker's config.json has it."""
    own = login(folder).read_text()
    user, _, password = own.partition(":")
    entry = {"username": user, "password": password, "auth": b64encode(own.encode()).decode()}
    return json.dumps({"auths": {f"{HOST}:{PORT}": entry}})


def trusted(folder: Path, authority: Path) -> Path:
    """Write what containerd has to know of the registry below `folder`, and return that folder."""
    own = folder / f"{HOST}:{PORT}"
    own.mkdir(parents=True, exist_ok=True)
    server = f"https://{HOST}:{PORT}"
    lines = [f'server = "{server}"', f'[host."{server}"]', 'capabilities = ["pull", "resolve"]', f'ca = "{authority}"']
    (own / "hosts.toml").write_text("\n".join(lines) + "\n")
    return folder
