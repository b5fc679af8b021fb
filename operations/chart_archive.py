"""Read a chart's archive within bounds. Nothing of it is ever unpacked to disk."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from pathlib import Path
from typing import Any

import yaml

from operations.errors import OperationError

ARCHIVE_LIMIT = 20 << 20  # bytes of an archive, and of an index
UNPACKED_LIMIT = 100 << 20  # bytes; Helm loads no larger one
MEMBER_LIMIT = 10_000
CHART_YAML_LIMIT = 1 << 20
DEPTH_LIMIT = 50  # levels of YAML: the C loader recurses until it crashes


def read(path: Path) -> bytes:
    """Return the content of a file. Raises OperationError."""
    try:
        with path.open("rb") as file:
            content = file.read(ARCHIVE_LIMIT + 1)
    except OSError as error:
        raise OperationError(f"{path} can't be read: {error.strerror}") from None
    if len(content) > ARCHIVE_LIMIT:
        raise OperationError(f"{path} has more than {ARCHIVE_LIMIT >> 20} MiB")
    return content


def identity(archive: bytes, source: str) -> tuple[str, str]:
    """Return name and version from the archive's Chart.yaml. The whole archive is read, in memory and within bounds.

    Raises OperationError.
    """
    damaged = OperationError(f"{source} is not an archive of a chart as `helm package` makes it, or is damaged")
    try:
        with gzip.open(io.BytesIO(archive)) as stream:
            content = stream.read(UNPACKED_LIMIT + 1)
        if len(content) > UNPACKED_LIMIT:
            raise OperationError(f"{source} unpacks to more than {UNPACKED_LIMIT >> 20} MiB")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for count, member in enumerate(tar):
                if count == MEMBER_LIMIT:
                    raise OperationError(f"{source} has more than {MEMBER_LIMIT} files")
                if re.fullmatch(r"[^/]+/Chart\.yaml", member.name) and member.isreg():
                    break
            else:
                raise OperationError(f"{source} is not an archive of a chart: it has no Chart.yaml in a folder")
            if member.size > CHART_YAML_LIMIT or not (file := tar.extractfile(member)):
                raise damaged
            metadata = parsed_yaml(file.read(), f"Chart.yaml of {source}")
    except (EOFError, OSError, ValueError, OverflowError, RecursionError, zlib.error, tarfile.TarError):
        raise damaged from None
    match metadata:
        case {"name": str(name), "version": str(version)}:
            return name, version
        case _:
            raise OperationError(f"Chart.yaml of {source} has no name and version")


def parsed_yaml(content: bytes, what: str) -> Any:
    """Return what the YAML says; `what` names it in an error. Raises OperationError."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the other loader takes minutes for a large index
    depth = 0
    try:
        for event in yaml.parse(content, loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_LIMIT:
                raise OperationError(f"{what} is nested more than {DEPTH_LIMIT} times")
        return yaml.load(content, loader)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise OperationError(f"{what} is not YAML") from None
