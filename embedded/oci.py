"""Write container images without a container engine (OCI image specification 1.1).

A layer is an uncompressed tar with sorted names, one fixed time and numeric owners, so that the same content always has
the same digest. Layers, configurations and manifests are blobs in one content-addressed store, which any number of
images share; an OCI layout with the images one asks for is streamed out of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import secrets
import shutil
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor of the specification, which points at a blob."""

    mediaType: str  # as the specification spells it
    digest: str
    size: int

    def json(self) -> dict[str, Any]:
        """Return the descriptor as it stands in a manifest or an index."""
        return {"mediaType": self.mediaType, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One member of a layer. `path` is relative to the root.

    A file's content is `source`, either bytes or a file on disk, of which `size` bytes from `offset` on count (default:
    all).
    """

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    source: Path | bytes = b""
    offset: int = 0
    size: int | None = None


def directory(path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """Return the entry of a directory. Its parents need no entry of their own."""
    return Entry(path=path, mode=mode, uid=uid, gid=gid, kind=tarfile.DIRTYPE)


def symlink(path: str, target: str) -> Entry:
    """Return the entry of a symbolic link."""
    return Entry(path=path, mode=0o777, kind=tarfile.SYMTYPE, target=target)


def tree(folder: Path, to: str = "", *, uid: int = 0, gid: int = 0) -> Iterator[Entry]:
    """Yield everything below `folder`, moved below `to`. Only the executable bit of a mode counts, as umasks differ."""
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent, name)
            inside = str(Path(to, path.relative_to(folder)))
            if path.is_symlink():
                target = str(path.readlink())
                yield Entry(path=inside, mode=0o777, uid=uid, gid=gid, kind=tarfile.SYMTYPE, target=target)
            elif path.is_dir():
                yield directory(inside, uid=uid, gid=gid)
            else:
                mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                yield Entry(path=inside, mode=mode, uid=uid, gid=gid, source=path)


def unpacked(archive: Path) -> Iterator[Entry]:
    """Yield the members of an uncompressed tar, with their owners and modes."""
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            yield Entry(
                path=os.path.normpath(member.name),
                mode=member.mode,
                uid=member.uid,
                gid=member.gid,
                kind=tarfile.REGTYPE if member.isreg() else member.type,
                target=os.path.normpath(member.linkname) if member.islnk() else member.linkname,
                source=archive,
                offset=member.offset_data,
                size=member.size,
            )


class Store:
    """Keep blobs by digest below `root`. Each is written in `work`, synced and renamed, so it is never half there."""

    def __init__(self, root: Path) -> None:
        self.work = root / "work"
        self._blobs = root / "blobs" / "sha256"
        for folder in (self.work, self._blobs):
            folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Empty `work` of what an interrupted run left. Call it only while nobody writes."""
        shutil.rmtree(self.work)
        self.work.mkdir()

    def path(self, blob: Descriptor) -> Path:
        """Return where the blob lies."""
        return self._blobs / blob.digest.removeprefix("sha256:")

    def stored_layer(self, path: Path) -> Descriptor:
        """Return the layer whose blob is `path`."""
        return Descriptor(LAYER, f"sha256:{path.name}", path.stat().st_size)

    def layer(self, entries: Iterable[Entry]) -> Descriptor:
        """Store a layer of `entries`, in any order. Where two have one path, the later one counts."""
        members = {entry.path.strip("/"): entry for entry in entries}

        def order(path: str) -> tuple[bool, list[str]]:  # a hard link comes after what it links to
            return members[path].kind == tarfile.LNKTYPE, path.split("/")

        def write(out: IO[bytes]) -> None:
            with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for path in sorted(members, key=order):
                    _add(tar, members[path])

        return self._put(LAYER, write)

    def image(self, layers: Collection[Descriptor], config: Mapping[str, Any]) -> Descriptor:
        """Store an image. `config` is the specification's execution configuration (Entrypoint, User, Env, ...)."""
        rootfs = {"type": "layers", "diff_ids": [layer.digest for layer in layers]}
        stored = self._json(
            CONFIG, {"architecture": ARCHITECTURE, "os": "linux", "config": dict(config), "rootfs": rootfs}
        )
        return self._json(
            MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": stored.json(),
                "layers": [layer.json() for layer in layers],
            },
        )

    def references(self, manifest: Descriptor) -> list[Descriptor]:
        """Yield the blobs of an image, its manifest first."""
        content = json.loads(self.path(manifest).read_bytes())
        return [manifest, *(Descriptor(**blob) for blob in (content["config"], *content["layers"]))]

    def _json(self, media_type: str, content: Mapping[str, Any]) -> Descriptor:
        encoded = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        blob = Descriptor(media_type, f"sha256:{hashlib.sha256(encoded).hexdigest()}", len(encoded))
        return blob if self.path(blob).exists() else self._put(media_type, lambda out: out.write(encoded))

    def _put(self, media_type: str, write: Callable[[IO[bytes]], object]) -> Descriptor:
        part = self.work / secrets.token_hex(8)
        with part.open("x+b") as out:
            write(out)
            size = out.tell()
            out.seek(0)
            digest = hashlib.file_digest(out, "sha256")
            os.fsync(out.fileno())
        blob = Descriptor(media_type, f"sha256:{digest.hexdigest()}", size)
        part.rename(self.path(blob))
        return blob


@dataclass(frozen=True, slots=True)
class Layout:
    """Images of one store by their full names."""

    store: Store
    images: Mapping[str, Descriptor]

    def digests(self) -> dict[str, str]:
        """Return each image's manifest digest, which a container runtime lists for an imported image."""
        return {name: manifest.digest for name, manifest in self.images.items()}

    def archive(self, stream: IO[bytes], names: Collection[str] | None = None) -> None:
        """Write an OCI layout of `names` (default: all images) as the tar that `ctr images import -` takes.

        Raises KeyError for a name that is not one of `images`.
        """
        chosen = {name: self.images[name] for name in sorted(self.images if names is None else names)}
        blobs = {blob.digest: blob for manifest in chosen.values() for blob in self.store.references(manifest)}
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                {
                    **manifest.json(),
                    "annotations": {
                        "io.containerd.image.name": name,
                        "org.opencontainers.image.ref.name": name,
                    },
                }
                for name, manifest in chosen.items()
            ],
        }
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, Entry(path="oci-layout", mode=0o644, source=b'{"imageLayoutVersion":"1.0.0"}'))
            _add(tar, Entry(path="index.json", mode=0o644, source=json.dumps(index).encode()))
            for digest in sorted(blobs):
                path = f"blobs/{digest.replace(':', '/')}"
                _add(tar, Entry(path=path, mode=0o644, source=self.store.path(blobs[digest])))


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    member = tarfile.TarInfo(entry.path.strip("/"))
    member.type, member.mode, member.linkname = entry.kind, entry.mode, entry.target
    member.uid, member.gid = entry.uid, entry.gid
    if not member.isreg():
        tar.addfile(member)
    elif isinstance(entry.source, Path):
        with entry.source.open("rb") as content:
            member.size = os.fstat(content.fileno()).st_size if entry.size is None else entry.size
            content.seek(entry.offset)
            tar.addfile(member, content)
    else:
        member.size = len(entry.source)
        tar.addfile(member, io.BytesIO(entry.source))
