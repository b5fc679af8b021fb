"""Images: what the OCI writer promises, and what a build makes anew and what it does not."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from embedded import imagebuild, layers
from embedded.imagebuild import BuildError, Image
from embedded.layers import Binaries, Files, NodeApplication, Recipe, StaticProgram
from embedded.oci import CONFIG, LAYER, MANIFEST, Descriptor, Entry, Layout, Store, directory, symlink, tree, unpacked


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def members(store: Store, layer: Descriptor) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(store.path(layer), "r:") as tar:
        return {member.name: member for member in tar}


def blobs(archive: bytes) -> dict[str, bytes]:
    """Every file of an archive. One that is there twice fails."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            assert member.name not in found
            found[member.name] = content.read()
    return found


def archive(layout: Layout, names: list[str] | None = None) -> dict[str, bytes]:
    stream = io.BytesIO()
    layout.archive(stream, names)
    return blobs(stream.getvalue())


def test_a_layer_depends_on_its_content_only(tmp_path: Path) -> None:
    def folder(name: str, files: Iterable[str], umask: int, time: int) -> Path:
        root = tmp_path / name
        for file in files:
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
            path.chmod((0o777 if file.endswith("sh") else 0o666) & ~umask)
            os.utime(path, (time, time))
        return root

    files = ["b/c.sh", "b/a", "b-1", "z"]
    one = folder("one", files, 0o022, 1)
    two = folder("two", reversed(files), 0o077, 2_000_000_000)

    first = Store(tmp_path / "first").layer(tree(one, "opt"))
    second = Store(tmp_path / "second").layer(reversed(list(tree(two, "opt"))))

    assert first == second


def test_a_layer_keeps_owners_modes_links_and_executable_bits(store: Store, tmp_path: Path) -> None:
    script = tmp_path / "folder" / "run.sh"
    script.parent.mkdir()
    script.write_text("exit")
    script.chmod(0o700)
    (script.parent / "current").symlink_to("run.sh")

    found = members(
        store,
        store.layer(
            [
                *tree(script.parent, "scripts", uid=1001, gid=1002),
                directory("/run/lock/", mode=0o1777),
                symlink("bin", "usr/bin"),
                Entry(path="etc/a", mode=0o640, uid=101, gid=103, source=b"four"),
            ]
        ),
    )

    assert list(found) == ["bin", "etc/a", "run/lock", "scripts/current", "scripts/run.sh"]
    assert (found["scripts/run.sh"].mode, found["scripts/run.sh"].uid, found["scripts/run.sh"].gid) == (
        0o755,
        1001,
        1002,
    )
    assert (found["scripts/current"].issym(), found["scripts/current"].linkname) == (True, "run.sh")
    assert (found["run/lock"].isdir(), found["run/lock"].mode) == (True, 0o1777)
    assert (found["bin"].issym(), found["bin"].linkname) == (True, "usr/bin")
    assert (found["etc/a"].mode, found["etc/a"].uid, found["etc/a"].gid, found["etc/a"].size) == (0o640, 101, 103, 4)
    assert {(member.mtime, member.uname, member.gname) for member in found.values()} == {(0, "", "")}


def test_a_tar_goes_into_a_layer_with_hard_links_after_their_targets(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "rootfs.tar"
    with tarfile.open(source, "w") as tar:
        for name, content in (("./usr/perl5", b"perl"), ("./usr/other", b"another")):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid = len(content), 17, 7
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("./usr/a-perl")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/perl5"
        tar.addfile(link)

    layer = store.layer(unpacked(source))

    assert list(members(store, layer)) == ["usr/other", "usr/perl5", "usr/a-perl"]
    with tarfile.open(store.path(layer)) as tar:
        perl, other = tar.extractfile("usr/a-perl"), tar.extractfile("usr/other")
        assert perl is not None
        assert other is not None
        assert (perl.read(), other.read(), tar.getmember("usr/other").uid) == (b"perl", b"another", 7)


def test_an_archive_holds_every_blob_once_under_its_own_digest(store: Store) -> None:
    base = store.layer([Entry(path="base", source=b"shared")])
    upper = store.layer([Entry(path="upper", source=b"own")])
    layout = Layout(
        store,
        {
            "local.test/b:2": store.image([base, upper], {"Entrypoint": ["/upper"], "User": "5:6"}),
            "local.test/a:1": store.image([base], {}),
        },
    )

    files = archive(layout)

    index = json.loads(files.pop("index.json"))
    assert json.loads(files.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    assert len(files) == 2 + 2 + 2  # manifests, configurations, layers
    for name, content in files.items():
        assert name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"
    assert [entry["annotations"] for entry in index["manifests"]] == [
        {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        for name in ("local.test/a:1", "local.test/b:2")
    ]
    assert {entry["digest"] for entry in index["manifests"]} == set(layout.digests().values())

    def follow(descriptor: dict[str, Any], media_type: str) -> bytes:
        content = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert (descriptor["mediaType"], descriptor["size"]) == (media_type, len(content))
        return content

    manifest = json.loads(follow(index["manifests"][1], MANIFEST))
    config = json.loads(follow(manifest["config"], CONFIG))
    assert config["config"] == {"Entrypoint": ["/upper"], "User": "5:6"}
    assert config["rootfs"]["diff_ids"] == [base.digest, upper.digest]
    for layer, name in zip(manifest["layers"], ("base", "upper"), strict=True):
        with tarfile.open(fileobj=io.BytesIO(follow(layer, LAYER))) as tar:
            assert tar.getnames() == [name]


def test_an_archive_of_one_name_holds_that_image_only(store: Store) -> None:
    images = {name: store.image([store.layer([Entry(path=name)])], {}) for name in ("a", "b")}
    layout = Layout(store, images)

    files = archive(layout, ["b"])

    assert [entry["digest"] for entry in json.loads(files["index.json"])["manifests"]] == [images["b"].digest]
    assert len(files) == 2 + 3
    with pytest.raises(KeyError, match="absent"):
        layout.archive(io.BytesIO(), ["absent"])


def test_an_interrupted_write_leaves_no_blob(store: Store, tmp_path: Path) -> None:
    def vanishing() -> Iterator[Entry]:
        yield Entry(path="a", source=os.urandom(1 << 16))
        yield Entry(path="b", source=tmp_path / "absent")

    with pytest.raises(FileNotFoundError):
        store.layer(vanishing())

    assert not list((tmp_path / "store" / "blobs" / "sha256").iterdir())
    store.sweep()
    assert not list(store.work.iterdir())


@dataclass(frozen=True, slots=True)
class Counted(Recipe):
    """A layer with one file, which counts how often it is made; fails while `broken` holds anything."""

    content: str
    made: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.content

    def made_from(self, binaries: Binaries) -> str:
        return self.content

    def entries(self, binaries: Binaries, work: Path) -> Iterator[Entry]:
        self.made.append(self.content)
        (work / "file").write_text(self.content)
        yield Entry(path="file", source=work / "file")
        if self.broken:
            raise BuildError("broken")


def no_binaries(name: str) -> Path:
    raise AssertionError(name)


def images(monkeypatch: pytest.MonkeyPatch, **recipes: tuple[Recipe, ...]) -> None:
    monkeypatch.setattr(imagebuild, "IMAGES", {name: Image("1", layers, {}) for name, layers in recipes.items()})


def test_a_layer_is_made_once_for_all_images_and_all_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, upper = Counted("base"), Counted("upper")
    images(monkeypatch, one=(base,), two=(base, upper))

    first = imagebuild.build(tmp_path, no_binaries, lambda _: None)
    said: list[str] = []
    second = imagebuild.build(tmp_path, no_binaries, said.append)

    assert (base.made, upper.made, said) == (["base"], ["upper"], [])
    assert first.digests() == second.digests()
    assert list(first.digests()) == ["embedded.local/one:1", "embedded.local/two:1"]


def test_only_what_is_asked_for_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Counted("one"), Counted("two")
    images(monkeypatch, one=(one,), two=(two,))

    layout = imagebuild.build(tmp_path, no_binaries, lambda _: None, only=["two"])

    assert (one.made, two.made, list(layout.images)) == ([], ["two"], ["embedded.local/two:1"])
    with pytest.raises(KeyError, match="three"):
        imagebuild.build(tmp_path, no_binaries, lambda _: None, only=["three"])


def test_a_build_goes_on_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, upper = Counted("base"), Counted("upper", broken=["yes"])
    images(monkeypatch, one=(base, upper))

    with pytest.raises(BuildError):
        imagebuild.build(tmp_path, no_binaries, lambda _: None)
    upper.broken.clear()
    (tmp_path / "work" / "left by a killed build").mkdir()
    layout = imagebuild.build(tmp_path, no_binaries, lambda _: None)

    assert (base.made, upper.made) == (["base"], ["upper", "upper"])
    assert not list((tmp_path / "work").iterdir())
    assert len(archive(layout)) == 2 + 4


def test_a_second_build_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images(monkeypatch, one=(Counted("base"),))
    waits = threading.Event()
    with ThreadPoolExecutor(1) as pool, (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = pool.submit(imagebuild.build, tmp_path, no_binaries, lambda _: waits.set())

        assert waits.wait(10)
        with pytest.raises(TimeoutError):
            second.result(0.2)
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert len(archive(second.result(10))) == 2 + 3


def test_a_layer_whose_blob_was_lost_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = Counted("base")
    images(monkeypatch, one=(base,))
    layout = imagebuild.build(tmp_path, no_binaries, lambda _: None)
    for blob in (tmp_path / "blobs" / "sha256").iterdir():
        blob.unlink()

    again = imagebuild.build(tmp_path, no_binaries, lambda _: None)

    assert (again.digests(), base.made) == (layout.digests(), ["base", "base"])
    assert len(archive(again)) == 2 + 3


def test_another_program_of_the_same_size_is_another_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "binary"
    images(monkeypatch, one=(StaticProgram("program", "operator"),))

    def build(content: str) -> str:
        (tmp_path / "new").write_text(content)
        (tmp_path / "new").rename(binary)
        os.utime(binary, (1, 1))
        (digest,) = imagebuild.build(tmp_path / "cache", lambda _: binary, lambda _: None).digests().values()
        return digest

    first, second = build("aaaa"), build("bbbb")

    assert first != second
    assert build("aaaa") == first


def test_a_changed_file_or_executable_bit_is_another_layer(tmp_path: Path) -> None:
    folder = tmp_path / "image" / "root"
    folder.mkdir(parents=True)
    script = folder / "launch.sh"
    script.write_text("one")

    def key() -> str:
        return json.dumps(Files(folder).made_from(no_binaries))

    keys = {key()}
    script.write_text("two")
    keys.add(key())
    script.chmod(0o755)
    keys.add(key())
    script.rename(folder / "start.sh")
    keys.add(key())

    assert len(keys) == 4


def test_installed_packages_are_not_part_of_an_application(tmp_path: Path) -> None:
    app = NodeApplication(tmp_path, "backend", 1001, 1001)
    (tmp_path / "package.json").write_text("{}")
    before = app.made_from(no_binaries)
    (tmp_path / "node_modules" / "left").mkdir(parents=True)
    (tmp_path / "node_modules" / "left" / "over.js").write_text("")

    assert app.made_from(no_binaries) == before


def test_a_failed_step_says_which_and_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)^Debian: `sh` failed \(3\):\nline 26\n.*line 40$"):
        layers.run_step("Debian", ["sh", "-c", "for i in $(seq 40); do echo line $i; done; exit 3"], tmp_path)
    with pytest.raises(BuildError, match=r"^Debian: the command `no-such-command` is not on PATH"):
        layers.run_step("Debian", ["no-such-command"], tmp_path)


def test_every_image_has_a_version_and_a_fixed_user_where_pods_need_one() -> None:
    users = {name: image.config.get("User") for name, image in imagebuild.IMAGES.items()}

    assert imagebuild.reference("postgres") == "embedded.local/postgres:15"
    # The kubelet refuses runAsNonRoot pods of images whose user is a name or absent.
    assert users["postgres-operator"] == "1000:1000"
    assert users["cert-manager"] == "1000:1000"
    assert users["redis-operator"] == users["traefik"] == "65532:65532"
    assert users["pooler"] == "100:101"
    assert users["redis"] == "1000:1000"
    assert users["infisical"] == "1001:1001"
    assert imagebuild.IMAGES["redis-operator"].config["Entrypoint"] == ["/operator", "manager"]
