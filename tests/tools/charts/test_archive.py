"""Archives that are damaged, hostile, or of a different chart: one sentence, and nothing is unpacked."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import chart_archive
from operations.errors import OperationError
from tests.tools.charts.known import CHART, COPY, NAME, VERSION, Run, archive, chart_yaml, files


def sized(size: int) -> bytes:
    """An archive whose second file claims to have this size."""
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(tarfile.TarInfo("first").tobuf() + bytes(header) + bytes(1024))


def nested(depth: int) -> bytes:
    """An archive of nothing but extended headers, each of which describes the next one."""
    info = tarfile.TarInfo("x")
    info.pax_headers = {"comment": "x"}
    return gzip.compress(info.tobuf(tarfile.PAX_FORMAT)[:1024] * depth + bytes(1024))


NO_CHART = "is not an archive of a chart as `helm package` makes it, or is damaged$"


WRONG_ARCHIVES = [
    (b"", NO_CHART),
    (b"PK\x03\x04", NO_CHART),
    (CHART[:-1], NO_CHART),
    (CHART[:-8] + bytes(8), NO_CHART),
    (CHART[:10] + b"\x07" + CHART[11:], NO_CHART),  # no type of block
    (gzip.compress(b""), NO_CHART),
    (gzip.compress(b"no tar" * 200), NO_CHART),
    (gzip.compress(bytes((1 << 20) + 1)), "unpacks to more than 1 MiB$"),
    (archive((f"{NAME}/values.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive(("Chart.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive((f"{NAME}/charts/redis/Chart.yaml", b"")), "has no Chart.yaml in a folder$"),
    (archive(*[("x", b"")] * 12, chart_yaml()), "has more than 10 files$"),
    (sized(-512), "has more than 10 files$"),  # without end: tarfile goes back by as much
    (sized(-(1 << 60)), NO_CHART),
    (sized(1 << 80), NO_CHART),
    (nested(900), NO_CHART),
    (archive((f"{NAME}/Chart.yaml", b"#" * 200_000)), NO_CHART),
    (archive((f"{NAME}/Chart.yaml", b"name: [")), "^Chart.yaml of .* is not YAML$"),
    (archive((f"{NAME}/Chart.yaml", b"name: x")), "^Chart.yaml of .* has no name and version$"),
    (archive((f"{NAME}/Chart.yaml", b"name: x\nversion: 1.1")), "^Chart.yaml of .* has no name and version$"),
    (archive(chart_yaml("redis")), f"is chart redis {VERSION}, but the stack's infisical.chart is {NAME} {VERSION}$"),
    (archive(chart_yaml(version="1.9.0")), f"is chart {NAME} 1.9.0, but the stack's .* is {NAME} {VERSION}$"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_ARCHIVES, ids=range(len(WRONG_ARCHIVES)))
def test_what_is_wrong_with_an_archive_is_one_sentence(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(chart_archive, "UNPACKED_LIMIT", 1 << 20)
    monkeypatch.setattr(chart_archive, "MEMBER_LIMIT", 10)
    monkeypatch.setattr(chart_archive, "CHART_YAML_LIMIT", 1 << 17)
    (tmp_path / "own.tgz").write_bytes(content)

    with pytest.raises(OperationError, match=message):
        run(tmp_path / "own.tgz")

    assert not files(root)


def test_no_archive_is_ever_unpacked(tmp_path: Path, root: Path, run: Run) -> None:
    link = tarfile.TarInfo(f"{NAME}/templates")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    own = archive(
        ("../../evil", b"x"), (f"{tmp_path}/evil", b"x"), link, (f"{NAME}/templates/evil", b"x"), chart_yaml()
    )
    (tmp_path / "own.tgz").write_bytes(own)

    run(tmp_path / "own.tgz")

    assert files(tmp_path) == {"own.tgz": own, f"project/{COPY}": own}


def test_a_chart_yaml_that_is_a_link_is_not_read(tmp_path: Path, run: Run) -> None:
    link = tarfile.TarInfo(f"{NAME}/Chart.yaml")
    link.type, link.linkname = tarfile.SYMTYPE, f"{NAME}/other"
    (tmp_path / "own.tgz").write_bytes(archive((f"{NAME}/other", chart_yaml()[1]), link))

    with pytest.raises(OperationError, match=r"has no Chart\.yaml in a folder"):
        run(tmp_path / "own.tgz")


TAR = gzip.decompress(archive(tarfile.TarInfo(f"{NAME}/{'long' * 30}"), chart_yaml(), ("a/b", b"c")))


@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_a_hostile_archive_gets_a_sentence_and_no_traceback(changes: list[tuple[int, bytes]]) -> None:
    hostile = bytearray(TAR)
    for position, content in changes:
        hostile[position : position + len(content)] = content

    try:
        chart_archive.identity(gzip.compress(bytes(hostile)), "it")
    except OperationError as error:
        assert "\n" not in str(error)  # noqa: PT017
