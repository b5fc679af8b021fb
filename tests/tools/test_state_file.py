"""A state that was cut off: what is put in its place, what is said, and what is never touched."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operations.errors import OperationError
from operations.pulumi import PROJECT, ROOT
from operations.state_file import folder_of, mend
from tests.tools.fake_stack import FakeStack

BEGUN = 1_700_000_000
COPIES = ("prod.json.bak", "prod.json.18abc.tmp", "prod.json.18abd.tmp", "prod.json.1700000000")


@dataclass(frozen=True)
class Kept(FakeStack):
    """A stack whose state is kept at an address."""

    address: str = ""

    @property
    def backend(self) -> str:
        return self.address


def content(number: int) -> bytes:
    return json.dumps({"version": 3, "checkpoint": {"stack": "organization/x/prod", "latest": {"n": number}}}).encode()


def write(file: Path, written: bytes, age: int = 0) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(written)
    os.utime(file, (BEGUN - age, BEGUN - age))
    return file


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    "written",
    [content(1), b'{"stack": "prod", "latest": {}}', b"{}", gzip.compress(content(1))],
    ids=["whole", "short", "empty", "compressed"],
)
def test_a_state_that_can_be_read_stays_as_it_is(tmp_path: Path, written: bytes) -> None:
    """Whatever its form: only what is no JSON is cut off."""
    stacks = tmp_path / ".pulumi" / "stacks" / PROJECT
    write(stacks / "prod.json", written, age=9)
    write(stacks / "prod.json.attrs", b'{"md5":"x"}')
    for number, name in enumerate(COPIES):
        write(stacks / name, content(number))
    before = everything(tmp_path)
    assert mend(Kept(address=f"file://{tmp_path}")) == "can be read"
    assert everything(tmp_path) == before


def test_an_empty_note_goes_and_the_state_beside_it_stays(tmp_path: Path) -> None:
    """This is what a kill leaves: Pulumi writes the note in place."""
    stacks = tmp_path / ".pulumi" / "stacks" / PROJECT
    write(stacks / "prod.json", content(1), age=9)
    write(stacks / "prod.json.18abc.tmp", content(2))
    write(stacks / "prod.json.attrs", b"")
    said = mend(Kept(address=f"file://{tmp_path}"))
    assert said.startswith("prod.json.attrs was cut off, and is prod.json.attrs.torn-")
    assert (stacks / "prod.json").read_bytes() == content(1)
    assert not (stacks / "prod.json.attrs").exists()
    assert mend(Kept(address=f"file://{tmp_path}")) == "can be read"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.sampled_from([b"", content(0)[:-1], b"\0" * 300, b"[]", gzip.compress(content(0))[:-9]]),
    st.permutations(range(1, 6)),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_the_newest_copy_that_can_be_read_is_put_back(
    tmp_path_factory: pytest.TempPathFactory, torn: bytes, ages: list[int], whole: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("state")
    stacks = folder / ".pulumi" / "stacks" / PROJECT
    state = write(stacks / "prod.json", torn)
    write(stacks / "prod.json.attrs", b'{"md5":"of what was cut off"}')
    backup = folder / ".pulumi" / "backups" / PROJECT / "prod" / "prod.1700000000000000000.json"
    copies = [*(stacks / name for name in COPIES), backup]
    for file, age, good in zip(copies, ages, whole, strict=True):
        write(file, content(age) if good else content(age)[:-2], age)
    stack = Kept(name="organization/prod", address=f"file://{folder}")
    if not any(whole):
        before = everything(folder)
        with pytest.raises(OperationError, match=r"prod\.json can't be read, and there is no copy that can"):
            mend(stack)
        assert everything(folder) == before
        return
    newest = min(age for age, good in zip(ages, whole, strict=True) if good)
    said = mend(stack)
    assert state.read_bytes() == content(newest)
    assert f"newest copy that can be read, {copies[ages.index(newest)].name} of 2023-11-14T22:13:" in said
    [aside] = stacks.glob("prod.json.torn-*")
    assert aside.read_bytes() == torn
    assert not (stacks / "prod.json.attrs").exists(), "it is about what was cut off"
    assert mend(stack) == "can be read"


def test_a_mend_that_is_killed_leaves_the_state_where_pulumi_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a file, Pulumi would say that there is no such stack."""
    stacks = tmp_path / ".pulumi" / "stacks" / PROJECT
    state = write(stacks / "prod.json", b"")
    write(stacks / "prod.json.bak", content(1), age=9)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    stack = Kept(address=f"file://{tmp_path}")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            mend(stack)
    assert state.exists()
    mend(stack)
    assert state.read_bytes() == content(1)


def test_the_file_is_the_one_that_pulumi_reads(tmp_path: Path) -> None:
    stacks = tmp_path / ".pulumi" / "stacks" / "other"
    write(stacks / "prod.json", content(1), age=9)
    zipped = write(stacks / "prod.json.gz", b"\x1f\x8b")
    write(stacks / "prod.json.gz.bak", gzip.compress(content(2)), age=5)
    stack = Kept(name="organization/other/prod", address=f"file://{tmp_path}")
    assert "prod.json.gz was cut off" in mend(stack)
    assert gzip.decompress(zipped.read_bytes()) == content(2)
    assert mend(Kept(name="organization/other/none", address=f"file://{tmp_path}")) == "there is none yet"


@pytest.mark.parametrize(
    "address", ["https://api.pulumi.com", "s3://bucket?region=x", "gs://b", "azblob://c", "postgres://host/db"]
)
def test_other_backends_are_let_alone(address: str) -> None:
    assert folder_of(address) is None
    assert "not in a folder" in mend(Kept(address=address))


def test_a_folder_is_found_as_pulumi_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ops")
    found = {address: folder_of(address) for address in ("file://~", "file://~/a", "file://./s", "file:///a%20b?x=1")}
    assert [*map(str, found.values())] == ["/home/ops", "/home/ops/a", f"{ROOT}/s", "/a b"]


def test_a_folder_without_projects_is_mended_too(tmp_path: Path) -> None:
    """Before Pulumi 3.61, stacks had no folder of their project. Nothing moves them."""
    stacks, backups = tmp_path / ".pulumi" / "stacks", tmp_path / ".pulumi" / "backups"
    write(stacks / "prod.json", b"")
    write(backups / "prod" / "prod.17.json", content(3), age=1)
    write(backups / PROJECT / "prod" / "prod.18.json", content(4))
    assert "prod.json was cut off" in mend(Kept(address=f"file://{tmp_path}"))
    assert (stacks / "prod.json").read_bytes() == content(3)
