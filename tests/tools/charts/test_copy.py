"""The copy in charts/, as the program takes it: pinned, or refused."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.pulumi import ROOT
from settings.infisical import ChartSettings
from settings.machinery.charts import ChartError, local_copy
from tests.tools.charts.known import CHART, COPY, NAME, OTHER_DIGEST, PROD, VERSION, digest, own_copy


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stored")
    (root / "charts").mkdir()
    (root / COPY).write_bytes(CHART)
    return root


def test_the_program_takes_the_copy_by_a_path_that_is_the_same_everywhere(stored: Path) -> None:
    assert local_copy(ChartSettings(digest=digest(CHART)).wanted, PROD, stored).location == COPY


@given(position=st.integers(0, len(CHART) - 1), change=st.integers(1, 255))
def test_any_changed_byte_of_the_copy_is_refused(position: int, change: int) -> None:
    changed = bytearray(CHART)
    changed[position] ^= change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _: bytes(changed))
        with pytest.raises(ChartError) as raised:
            local_copy(ChartSettings(digest=digest(CHART)).wanted, PROD)

    assert str(raised.value) == (
        f"{COPY} is {digest(changed)} and {own_copy(CHART)} is {digest(changed)}, but infisical.chart.digest is "
        f"{digest(CHART)}. Get the pinned one: `make charts STACK=prod`"
    )


@pytest.mark.parametrize(
    ("there", "deployed", "taken"),
    [
        ([COPY, own_copy(CHART)], "", COPY),
        ([COPY, own_copy(CHART)], COPY, COPY),
        ([COPY, own_copy(CHART)], own_copy(CHART), own_copy(CHART)),
        ([own_copy(CHART)], COPY, own_copy(CHART)),
        ([COPY], own_copy(CHART), None),  # a different path would roll its pods; `make charts` needs no network
        ([COPY], "charts/infisical-0.4.2.tgz", COPY),
    ],
)
def test_a_release_stays_with_the_path_that_it_was_made_from(
    tmp_path: Path, there: list[str], deployed: str, taken: str | None
) -> None:
    (tmp_path / "charts").mkdir()
    for place in there:
        (tmp_path / place).write_bytes(CHART)
    pinned = ChartSettings(digest=digest(CHART)).wanted
    if taken:
        assert local_copy(pinned, PROD, tmp_path, deployed).location == taken
    else:
        with pytest.raises(ChartError, match=r"is not in charts/\. Run `make charts STACK=prod`"):
            local_copy(pinned, PROD, tmp_path, deployed)


def test_a_missing_copy_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(ChartError) as raised:
        local_copy(ChartSettings(digest=digest(CHART)).wanted, PROD, tmp_path)

    assert str(raised.value) == (
        f"chart {NAME} {VERSION} is not in charts/. Run `make charts STACK=prod`, "
        "or, with a copy of your own, `make charts STACK=prod CHART=path`"
    )


def test_a_copy_without_a_digest_is_not_trusted(stored: Path) -> None:
    with pytest.raises(ChartError) as raised:
        local_copy(ChartSettings().wanted, PROD, stored)

    assert str(raised.value) == (
        f"infisical.chart.digest: chart {NAME} {VERSION} is not pinned. Pin it: `make charts STACK=prod`"
    )


def test_a_copy_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("")

    with pytest.raises(ChartError, match=f"^{COPY} can't be read: Not a directory$"):
        local_copy(ChartSettings(digest=digest(CHART)).wanted, PROD, tmp_path)


def test_a_path_of_the_users_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.tgz").write_bytes(CHART)

    assert local_copy(ChartSettings(path="mine").wanted, PROD, tmp_path).location == "mine"
    assert local_copy(ChartSettings(path="mine.tgz").wanted, PROD, tmp_path).location == "mine.tgz"
    assert (
        local_copy(ChartSettings(path="mine.tgz", digest=digest(CHART)).wanted, PROD, tmp_path).location == "mine.tgz"
    )
    absolute = str(tmp_path / "mine")
    assert local_copy(ChartSettings(path=absolute).wanted, PROD, tmp_path).location == absolute


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "none"}, r"infisical\.chart\.path: none doesn't exist"),
        ({"path": "none", "digest": OTHER_DIGEST}, r"infisical\.chart\.path: none doesn't exist"),
        ({"path": ".", "digest": OTHER_DIGEST}, r"infisical\.chart\.digest: \. is a folder, which has no digest. .*"),
        (
            {"path": COPY, "digest": OTHER_DIGEST},
            f"{COPY} is {digest(CHART)}, but infisical.chart.digest is {OTHER_DIGEST}. Put the right one there",
        ),
    ],
)
def test_a_path_of_the_users_that_is_not_what_it_should_be_is_refused(
    stored: Path, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(ChartError, match=f"^{message}$"):
        local_copy(ChartSettings.model_validate(settings).wanted, PROD, stored)


def test_the_program_needs_nothing_of_the_command() -> None:
    unwanted = ("operations", "pulumi")
    command = f"import sys, settings.machinery.charts; print(*sorted(set(sys.modules) & set({unwanted})))"

    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def test_the_check_is_quick(stored: Path) -> None:
    chart = ChartSettings(digest=digest(CHART)).wanted

    def seconds() -> float:
        start = time.perf_counter()
        local_copy(chart, PROD, stored)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(20)) < 0.005
