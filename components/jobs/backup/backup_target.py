"""Keep backups in a volume or in a bucket: each written once under a name of its own, and read back."""

import contextlib
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from job import ConfigError, Failed, Report, wait
from s3 import CHUNK, S3, Credentials, Exists, Missing, Place

T = TypeVar("T")

_PATIENCE_SECONDS = 60  # of one request to a bucket that is not there
_SLOWEST = 1 << 20  # bytes per second at which a body takes its time
_OURS = "infisical-"  # how the name of each object begins: a bucket may have many others
_PART = ".part"  # of what a killed run has left
_ABANDONED_SECONDS = 86400


@dataclass(frozen=True)
class TargetConfig:
    """Where backups are kept. folder: the volume's. The rest: the bucket's, with lock_days of its object lock."""

    kind: Literal["volume", "bucket"]
    folder: str | None = None
    endpoint: str | None = None
    bucket: str | None = None
    region: str | None = None
    style: Literal["path", "virtual"] = "path"
    prefix: str | None = None
    lock_days: int | None = None


@dataclass(frozen=True)
class Content:
    """What an object holds: its size in bytes and its digest."""

    size: int
    sha256: str


class Target(Protocol):
    """What holds backups."""

    where: str

    def put(self, name: str, file: Path) -> None:
        """Write a new object. Raises Failed where it can't, and leaves what is there as it is."""
        ...

    def fetch(self, name: str, file: Path | None, size: int = 0) -> Content:
        """Read an object of about so many bytes to its end, into a file where one is given. Raises Missing."""
        ...

    def names(self) -> list[str]:
        """Return the names of all objects of backups, in order, and of a volume all others."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object. Raises Denied where that is not allowed."""
        ...


def target_of(config: TargetConfig, store: Path, report: Report) -> Target:
    """Return the target, with the credentials that lie in the folder `store`."""
    if config.kind == "volume":
        return VolumeTarget(Path(config.folder or ""))
    if not (config.endpoint and config.bucket and config.region):
        raise ConfigError("a bucket needs endpoint, bucket and region")
    files = [store / "access-key", store / "secret-key"]
    if missing := [file.name for file in files if not file.is_file()]:
        raise ConfigError(f"the credentials of the bucket are not there: {', '.join(missing)}")
    authority = store / "bucket-authority.crt"
    place = Place(config.endpoint, config.bucket, config.region, config.style)
    bucket = S3(
        place, Credentials(*(file.read_text().strip() for file in files)), authority if authority.is_file() else None
    )
    return BucketTarget(bucket, config, report)


class VolumeTarget:
    """A folder of a volume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = f"volume {folder}"
        if not folder.is_dir():
            raise ConfigError(f"there is no volume at {folder}")

    def put(self, name: str, file: Path) -> None:
        self._sweep()
        part = self._folder / f"{name}{_PART}"
        size, free = file.stat().st_size, shutil.disk_usage(self._folder).free
        try:
            if size > free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with file.open("rb") as source, part.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK)
                copy.flush()
                os.fsync(copy.fileno())
            _put_in_place(part, self._folder / name)
        except FileExistsError as error:
            raise Exists(f"{name} is there already") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Failed(
                    f"the volume is full: {name} has {size} bytes, and {free} are free. Give backup.target.size more, "
                    "or backup.retention fewer days and a lower atLeast"
                ) from error
            raise Failed(f"{name} can't be written to the volume: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def fetch(self, name: str, file: Path | None, size: int = 0) -> Content:
        try:
            with (self._folder / name).open("rb") as source:
                return _content(iter(lambda: source.read(CHUNK), b""), file)
        except FileNotFoundError as error:
            raise Missing(f"{name} is not in the volume") from error
        except OSError as error:
            raise Failed(f"{name} can't be read from the volume: {error.strerror}") from error

    def names(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir() if path.is_file() and path.suffix != _PART)

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        for part in self._folder.glob(f"*{_PART}"):
            if time.time() - part.stat().st_mtime > _ABANDONED_SECONDS:
                part.unlink(missing_ok=True)


class BucketTarget:
    """The objects of a bucket below a prefix. Requests are repeated for a minute, and for as long as a body takes."""

    def __init__(self, bucket: S3, config: TargetConfig, report: Report) -> None:
        self._bucket, self._prefix, self._report = bucket, config.prefix or "", report
        self._lock_days = config.lock_days
        self.where = f"bucket {config.bucket} at {config.endpoint}"

    def put(self, name: str, file: Path) -> None:
        headers: dict[str, str] = {}
        if self._lock_days:
            until = time.gmtime(time.time() + 86400 * self._lock_days)
            headers["x-amz-object-lock-mode"] = "COMPLIANCE"
            headers["x-amz-object-lock-retain-until-date"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", until)
        asked = False

        def write() -> None:
            nonlocal asked
            again, asked = asked, True
            try:
                self._bucket.put(self._prefix + name, file, headers)
            except Exists:
                if not again:  # else the answer to the first attempt may have been lost: what is there is compared
                    raise

        self._retried(write, file.stat().st_size)

    def fetch(self, name: str, file: Path | None, size: int = 0) -> Content:
        return self._retried(lambda: _content(self._bucket.read(self._prefix + name), file), size)

    def names(self) -> list[str]:
        cut = len(self._prefix)
        return self._retried(lambda: [name[cut:] for name in self._bucket.names(self._prefix + _OURS)])

    def delete(self, name: str) -> None:
        self._retried(lambda: self._bucket.delete(self._prefix + name))

    def _retried(self, request: Callable[[], T], size: int = 0) -> T:
        patience = _PATIENCE_SECONDS + size / _SLOWEST  # a body that breaks off near its end gets a second attempt
        return wait(request, self._report, deadline_seconds=patience, interval=1)


def _put_in_place(part: Path, whole: Path) -> None:
    """Give a whole file its name, never over another one. Raises FileExistsError."""
    try:
        os.link(part, whole)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EACCES):
            raise
        if whole.exists():  # SMB and FUSE know no second name of a file; nobody else makes this one
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        part.rename(whole)


def _content(pieces: Iterator[bytes], file: Path | None) -> Content:
    digest, size = hashlib.sha256(), 0
    with file.open("wb") if file else contextlib.nullcontext() as copy:
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            if copy:
                copy.write(piece)
    return Content(size, digest.hexdigest())


def content_of(file: Path) -> Content:
    """Return the size and the digest of a file."""
    with file.open("rb") as content:
        return _content(iter(lambda: content.read(CHUNK), b""), None)
