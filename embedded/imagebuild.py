"""Build the cluster's images into one OCI layout, without a container engine.

An image is a list of layers. A layer, once made, is found again by a digest of everything that it is made from. So a
second build makes nothing, and an interrupted one goes on where it was.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.layers import (
    REQUIRED_COMMANDS,
    Binaries,
    BuildError,
    Debian,
    Files,
    NodeApplication,
    PythonPackages,
    Recipe,
    StaticProgram,
)
from embedded.oci import Descriptor, Layout, Store, directory

__all__ = ["IMAGES", "OF_PACKAGES", "REQUIRED_COMMANDS", "BuildError", "Image", "Layout", "build", "reference"]

SOURCES = Path(__file__).parent / "images"

# Part of every layer's key. Raise it when the code makes a different layer from the same things.
FORMAT = 1

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Image:
    """An image, with its layers from the bottom up and its configuration as the OCI specification names it."""

    version: str
    layers: tuple[Recipe, ...]
    config: Mapping[str, Any]


def _environment(extra: Mapping[str, str]) -> list[str]:
    base = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    return [f"{name}={value}" for name, value in {**base, **extra}.items()]


def _debian(version: str, *layers: Recipe, **config: Any) -> Image:
    return Image(version, (Debian(), *layers), {"Env": _environment({}), **config})


def _static(version: str, binary: str, *arguments: str, name: str = "", user: str = "0:0") -> Image:
    name = name or binary
    return Image(version, (StaticProgram(binary, name),), {"Entrypoint": [f"/{name}", *arguments], "User": user})


def _node(version: str, folder: Path) -> Image:
    """Return the image of a Node application that says in its `image.json` how it is started."""
    said = json.loads((folder / "image.json").read_text())
    uid, gid = map(int, said["user"].split(":"))
    return _debian(
        version,
        NodeApplication(folder, said["workdir"].strip("/"), uid, gid),
        Env=_environment(said["env"]),
        User=said["user"],
        WorkingDir=said["workdir"],
        Entrypoint=said["entrypoint"],
        ExposedPorts={port: {} for port in said["ports"]},
    )


IMAGES: Mapping[str, Image] = {
    "postgres": _debian(
        "15",
        PythonPackages(SOURCES / "postgres" / "requirements.txt"),
        Files(
            SOURCES / "postgres" / "root",
            (
                directory("home/postgres", uid=101, gid=103),
                directory("run/certs", mode=0o1777),  # for root and for any user the operator is told to run it as
                directory("run/postgresql", mode=0o1777),
            ),
        ),
        Entrypoint=["/scripts/launch.sh"],
        WorkingDir="/home/postgres",
    ),
    "pooler": _debian(
        "1.18", Files(SOURCES / "pooler" / "root"), Entrypoint=["/scripts/entrypoint.sh"], User="100:101"
    ),
    # There is no entry point: the operator's init container writes the configuration, and its pods name their commands.
    "redis": _debian(
        "7.0",
        Files(directories=(directory("data", uid=1000, gid=1000),)),
        Cmd=["redis-server"],
        User="1000:1000",
        WorkingDir="/data",
    ),
    "tools": _debian("1", Cmd=["/bin/bash"]),
    "infisical": _node("v0.165.8", SOURCES / "infisical"),
    "coredns": _static("1.15.0", "coredns"),
    "postgres-operator": _static("1.15.1", "postgres-operator", user="1000:1000"),
    # The pods it creates run `/operator agent`.
    "redis-operator": _static("0.23.0", "redis-operator", "manager", name="operator", user="65532:65532"),
    "cert-manager": _static("1.21.2", "certmanager", user="1000:1000"),
    # As cert-manager's chart starts them: each image is one part, and its arguments are that part's alone.
    **{
        f"cert-manager-{part}": _static("1.21.2", "certmanager", part, user="1000:1000")
        for part in ("controller", "webhook", "cainjector", "acmesolver")
    },
    "local-path-provisioner": _static("0.0.30", "local-path-provisioner"),
    # The chart names the command /manager.
    "secrets-operator": _static("v0.11.5", "manager", user="65532:65532"),
    "traefik": _static("3.7.13", "traefik", user="65532:65532"),
    "pause": _static("1", "pause", user="65535:65535"),
}
# Those that no program of PROGRAMS is part of.
OF_PACKAGES = frozenset(
    name for name, image in IMAGES.items() if not any(isinstance(layer, StaticProgram) for layer in image.layers)
)


def reference(name: str) -> str:
    """Return the full name of one of IMAGES, as a pod asks for it."""
    return _reference(name, IMAGES[name])


def _reference(name: str, image: Image) -> str:
    return f"embedded.local/{name}:{image.version}"


def build(
    cache: Path,
    binaries: Binaries,
    progress: Progress,
    only: Collection[str] | None = None,
    images: Mapping[str, Image] | None = None,
) -> Layout:
    """Build what `cache` lacks, and return the layout with the images that `only` names (default: all of `images`).

    `images` are IMAGES unless others are given. `binaries` gives the path of a built static program. Raises BuildError
    when a step fails, KeyError for a name that is not in `images`. It may be interrupted at any time. If it runs twice
    at once, the second run waits.
    """
    images = IMAGES if images is None else images
    images = {name: images[name] for name in (images if only is None else only)}
    store = Store(cache)
    with _alone(cache, progress):
        store.sweep()
        built = {
            _reference(name, image): store.image(
                [_layer(store, cache, recipe, binaries, progress) for recipe in image.layers], image.config
            )
            for name, image in images.items()
        }
    return Layout(store, built)


def _layer(store: Store, cache: Path, recipe: Recipe, binaries: Binaries, progress: Progress) -> Descriptor:
    key = json.dumps([FORMAT, type(recipe).__name__, recipe.made_from(binaries)])
    made = cache / "layers" / hashlib.sha256(key.encode()).hexdigest()  # a link to the blob
    if made.exists():
        return store.stored_layer(made.resolve())
    start = time.monotonic()
    progress(f"building {recipe.title}")
    with tempfile.TemporaryDirectory(dir=store.work, ignore_cleanup_errors=True) as work:
        blob = store.layer(recipe.entries(binaries, Path(work)))
    made.parent.mkdir(exist_ok=True)
    made.unlink(missing_ok=True)  # its blob is gone
    made.symlink_to(os.path.relpath(store.path(blob), made.parent))
    progress(f"built {recipe.title}: {blob.size / 2**20:.1f} MiB in {time.monotonic() - start:.1f} s")
    return blob


@contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build of the images")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
