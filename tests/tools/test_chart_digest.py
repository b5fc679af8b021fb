"""A chart is told from a different one under the same name: by its archive, or by the files of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import Commands, local_copy
from settings.infisical import ChartSettings
from settings.machinery.charts import digest_of


def of(path: str, root: Path = Path(".")) -> str:
    return local_copy(ChartSettings(path=path).wanted, Commands("project", "mine"), root).digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mine/templates").mkdir(parents=True)
    (tmp_path / "mine/Chart.yaml").write_text("name: mine\n")
    (tmp_path / "mine/templates/a.yaml").write_text("a: 1\n")
    (tmp_path / "mine.tgz").write_bytes(b"archive")
    return tmp_path


def test_of_an_archive_it_is_the_pinned_digest(root: Path) -> None:
    assert of("mine.tgz", root) == digest_of(b"archive")


def test_of_a_folder_it_is_the_same_on_every_machine(root: Path) -> None:
    before = of("mine", root)
    (root / "mine").rename(root / "moved")
    assert of("moved", root) == before
    assert of(str(root / "moved")) == before


@pytest.mark.parametrize("change", ["another content", "another name", "one more"])
def test_of_a_folder_it_follows_every_file(root: Path, change: str) -> None:
    before = of("mine", root)
    template = root / "mine/templates/a.yaml"
    match change:
        case "another content":
            template.write_text("a: 2\n")
        case "another name":
            template.rename(template.with_name("b.yaml"))
        case _:
            template.with_name("b.yaml").write_text("")
    assert of("mine", root) != before
