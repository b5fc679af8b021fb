"""A chart from its OCI registry, which `helm` pulls it from."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations import chart_repository
from operations.errors import OperationError
from tests.tools.charts.known import CHART, COPY, NAME, VERSION, Run, files


def helm(folder: Path, script: str) -> Path:
    path = folder / "bin" / "helm"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path.parent


def test_helm_pulls_from_a_registry(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.tgz").write_bytes(CHART)
    script = f'echo "$1 $2 $3 $4 $5" > {tmp_path}/asked; cp {tmp_path}/c.tgz "$6/{NAME}-{VERSION}.tgz"'
    monkeypatch.setenv("PATH", f"{helm(tmp_path, script)}:/usr/bin:/bin")

    run(repository="oci://registry.example.org/charts/")

    address = f"oci://registry.example.org/charts/{NAME}"
    assert files(root) == {COPY: CHART}
    assert (tmp_path / "asked").read_text() == f"pull {address} --version {VERSION} --destination\n"
    assert f"from {address}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo WARNING: old >&2; echo Error: denied >&2; exit 1", "`helm pull ADDRESS` failed: Error: denied;"),
        ("exit 3", "`helm pull ADDRESS` failed: exit status 3;"),
        ("exec /bin/sleep 60", "`helm pull ADDRESS` took more than 1 s;"),
        ("exit 0", "`helm pull ADDRESS` has left no archive;"),
        (None, "ADDRESS can only be pulled by `helm`, which is not on PATH;"),
    ],
)
def test_what_is_wrong_with_a_registry_is_one_sentence(
    tmp_path: Path, root: Path, run: Run, monkeypatch: pytest.MonkeyPatch, script: str | None, message: str
) -> None:
    if script and "sleep" in script:
        monkeypatch.setattr(chart_repository, "TIMEOUT", 0.25)
    monkeypatch.setenv("PATH", str(helm(tmp_path, script) if script else tmp_path))

    with pytest.raises(OperationError) as raised:
        run(repository="oci://127.0.0.1/charts")

    expected = message.replace("ADDRESS", f"oci://127.0.0.1/charts/{NAME}")
    assert str(raised.value) == f"{expected} with a copy of yours: `make charts STACK=prod CHART=path`"
    assert not files(root)
