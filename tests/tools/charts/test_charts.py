"""`make charts`: an archive of the user's, and a copy that is there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations import chart_archive, charts
from operations.errors import OperationError
from settings.infisical import ChartSettings
from settings.machinery.charts import local_copy
from tests.tools.charts.known import (
    CHART,
    COPY,
    NAME,
    OTHER_DIGEST,
    PROD,
    VERSION,
    Run,
    archive,
    chart_yaml,
    digest,
    files,
    own_copy,
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's archive of the chart."""
    (tmp_path / "own.tgz").write_bytes(CHART)
    return tmp_path / "own.tgz"


def test_an_archive_of_the_users_is_taken_as_it_is(tmp_path: Path, root: Path, run: Run) -> None:
    own = archive(chart_yaml(), (f"{NAME}/values.yaml", b""))
    (tmp_path / "own.tgz").write_bytes(own)

    stack = run(tmp_path / "own.tgz")

    assert files(root) == {COPY: own}
    assert stack.was_set == {"infisical.chart.digest": digest(own)}


def test_the_chart_given_must_be_the_pinned_one(root: Path, run: Run, own: Path) -> None:
    with pytest.raises(OperationError, match=f"is {digest(CHART)}, but infisical.chart.digest is {OTHER_DIGEST};"):
        run(own, digest=OTHER_DIGEST)
    assert not files(root)

    run(own, digest=digest(CHART))
    assert files(root) == {COPY: CHART}


def test_what_is_no_archive_is_one_sentence(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    told = {
        "folder": f"is a folder: give the archive that `helm package {tmp_path / 'folder'}` makes of it",
        "none": "is not there",
    }
    for name, message in told.items():
        with pytest.raises(OperationError) as raised:
            run(tmp_path / name)
        assert str(raised.value) == f"CHART={tmp_path / name} {message}"

    monkeypatch.setattr(chart_archive, "ARCHIVE_LIMIT", 1 << 20)
    (tmp_path / "large.tgz").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(OperationError, match=r"has more than 1 MiB$"):
        run(tmp_path / "large.tgz")
    assert not files(root)


def test_a_right_copy_is_left_alone(root: Path, run: Run, own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(own)
    before = (root / COPY).stat()
    capsys.readouterr()

    for chart in (None, own):
        assert not run(chart, digest=digest(CHART)).was_set
        assert capsys.readouterr().out == f"chart {NAME} {VERSION} ({digest(CHART)}): already there, {COPY}\n"

    assert (root / COPY).stat() == before


def test_a_copy_from_the_checkout_is_pinned_without_network(
    root: Path, run: Run, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(own)
    capsys.readouterr()

    assert run(repository="https://127.0.0.1:1").was_set == {"infisical.chart.digest": digest(CHART)}
    assert f"trusting {COPY}" in capsys.readouterr().out


def test_stacks_that_pin_different_archives_have_one_each(
    tmp_path: Path, root: Path, run: Run, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one version: built by hand, or served anew by the repository."""
    other = archive(chart_yaml(), (f"{NAME}/values.yaml", b""))
    (tmp_path / "other.tgz").write_bytes(other)
    run(own)
    second = run(tmp_path / "other.tgz")

    assert files(root) == {COPY: CHART, own_copy(other): other}
    assert second.was_set == {"infisical.chart.digest": digest(other)}
    for content, place in ((CHART, COPY), (other, own_copy(other))):
        capsys.readouterr()
        run(digest=digest(content))
        assert f"already there, {place}" in capsys.readouterr().out
        assert local_copy(ChartSettings(digest=digest(content)).wanted, PROD, root).location == place


def test_a_release_that_was_made_from_the_archives_own_name_gets_it_there(root: Path, run: Run, own: Path) -> None:
    run(own)
    run(deployed=own_copy(CHART), digest=digest(CHART), repository="https://127.0.0.1:1")
    assert files(root) == {COPY: CHART, own_copy(CHART): CHART}


def test_a_copy_is_readable_for_everyone_and_replaced_at_once(
    root: Path, run: Run, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(own)
    assert (root / COPY).stat().st_mode & 0o777 == 0o644

    (root / COPY).write_bytes(b"other")
    monkeypatch.setattr(charts.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OperationError, match=f"{COPY} can't be written: No space left on device"):
        run(own)
    assert files(root) == {COPY: b"other"}


def test_a_stack_with_a_path_of_its_own_is_told_so(root: Path, run: Run, own: Path) -> None:
    with pytest.raises(OperationError, match=r"^infisical\.chart\.path: stack prod takes its chart from my/chart,"):
        run(own, path="my/chart")
    assert not files(root)
