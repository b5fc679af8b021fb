"""The backup script: what it writes, and that whatever fails leaves the last good one as it was."""

import errno
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from backup_bench import CLUSTER, LABEL, STATUS, Bench, await_another_second, gpg, stamped
from backup_target import VolumeTarget, content_of
from job_engines import PASSWORD, eventually
from job_pki import Pair
from s3 import Exists

FULL = 'case "$*" in *--encrypt*) echo "No space left on device" >&2; exit 2;; esac; exec /usr/bin/gpg "$@"'


def test_a_backup_is_encrypted_described_and_told(bench: Bench) -> None:
    done = bench.back_up()
    assert done.status == 0, done.output
    [sealed, manifest] = bench.objects
    said = bench.manifest()
    assert re.fullmatch(r"infisical-\d{8}T\d{6}Z-[0-9a-f]{8}", said["name"])
    assert (sealed, manifest) == (f"{said['name']}.dump.gpg", f"{said['name']}.json")
    assert said["tables"] == {'"Odd\'Name"': 0, "infisical_migrations": 2, "kms_root_config": 1, "secrets": 3}
    assert (said["migration"], said["migrations"]) == ("20250601_kms.mjs", 2)
    assert (said["key_label"], said["cluster"], said["server"]) == (LABEL, bench.uid, bench.postgres.major_version)
    assert said["image"] == "infisical/infisical:v0.165.8"
    assert (bench.volume / sealed).stat().st_size == said["size"]
    [fingerprint] = said["recipients"]
    assert fingerprint in gpg(bench.owner, "--with-colons", "--list-keys")
    status = bench.status
    assert (status["lastName"], status["lastSha256"], status["keyLabel"]) == (said["name"], said["sha256"], LABEL)
    assert status["kept"].split() == [said["name"]], "for people who choose one"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["lastSuccess"])
    assert PASSWORD not in done.output
    assert b"of a" not in (bench.volume / sealed).read_bytes()


def test_the_recipients_private_key_alone_opens_it(bench: Bench, tmp_path: Path) -> None:
    assert bench.back_up().status == 0
    dump = tmp_path / "dump"
    gpg(bench.owner, "--output", str(dump), "--decrypt", str(bench.volume / bench.objects[0]))
    listed = subprocess.run(["pg_restore", "-f", "-", str(dump)], capture_output=True, text=True, check=True).stdout
    assert "of a" in listed
    assert "pg_stat_statements" not in listed


def test_counts_and_dump_are_of_one_moment(bench: Bench, tmp_path: Path) -> None:
    """Rows that are written while the dump runs are in neither."""
    bench.sql("create table busy as select generate_series(1, 20000) as n")
    psql = f"psql -q -h {bench.postgres.folder} -p {bench.postgres.port} -U postgres -d {bench.database}"
    writer = subprocess.Popen(
        ["sh", "-c", f"while {psql} -c 'insert into busy values (0)'; do :; done"], start_new_session=True
    )
    try:
        done = bench.back_up()
    finally:
        os.killpg(writer.pid, signal.SIGTERM)
        writer.wait()
    assert done.status == 0, done.output
    dump = tmp_path / "dump"
    gpg(bench.owner, "--output", str(dump), "--decrypt", str(bench.volume / bench.objects[0]))
    command = ["pg_restore", "-f", "-", "-t", "busy", str(dump)]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = script.partition("COPY public.busy")[2].partition("\\.")[0].splitlines()[1:]
    assert len(rows) == bench.manifest()["tables"]["busy"]
    assert len(rows) < int(bench.sql("select count(*) from busy"))


@pytest.mark.parametrize(
    ("program", "script", "cause"),
    [
        ("pg_dump", "exec kill -KILL $$", "pg_dump was killed by signal 9"),
        ("pg_restore", "echo 'could not read from input file: end of file' >&2; exit 1", "end of file"),
        ("gpg", FULL, "No space"),
    ],
)
def test_a_step_that_fails_leaves_the_last_good_one(bench: Bench, program: str, script: str, cause: str) -> None:
    assert bench.back_up().status == 0
    before, good = bench.objects, bench.status
    bench.instead_of(program, script)
    done = bench.run("back_up.py", bench.config(), POSTGRES_PROGRAMS="/nonexistent")
    assert done.status == 1, done.output
    assert cause in done.last_line
    assert bench.objects == before
    assert bench.status["lastName"] == good["lastName"]
    assert cause in bench.status["lastFailure"]
    bench.instead_of(program, f'exec /usr/bin/{program} "$@"')
    assert bench.back_up().status == 0
    assert "lastFailure" not in bench.status


def test_a_dump_that_dies_once_is_made_again(bench: Bench) -> None:
    """As in a failover. What the first attempt has left is not taken for a dump."""
    cut = 'test -e "$TMPDIR/seen" || { touch "$TMPDIR/seen"; kill -KILL $$; }; exec /usr/bin/pg_dump "$@"'
    bench.instead_of("pg_dump", cut)
    done = bench.run("back_up.py", bench.config(), POSTGRES_PROGRAMS="/nonexistent")
    assert done.status == 0, done.output
    assert "pg_dump was killed by signal 9: it said nothing; trying once more" in done.output
    assert bench.manifest()["tables"]["secrets"] == 3


@pytest.mark.parametrize("kilobytes", [0, 1, 4])
def test_a_dump_that_dies_at_any_byte_is_no_backup(bench: Bench, kilobytes: int) -> None:
    """pg_dump that writes part of its file and is then taken for complete: the list of such a file looks whole."""
    bench.sql("insert into secrets (name, sealed) select n, repeat(md5(n::text), 20) from generate_series(1, 500) n")
    cut = f'/usr/bin/pg_dump "$@" && for last; do :; done; truncate --size={kilobytes}K "$last"'
    bench.instead_of("pg_dump", cut)
    done = bench.run("back_up.py", bench.config(), POSTGRES_PROGRAMS="/nonexistent")
    assert done.status == 1, done.output
    assert "pg_restore ended with 1" in done.last_line
    assert bench.objects == []


def test_a_script_that_is_killed_leaves_nothing_that_looks_complete(bench: Bench) -> None:
    bench.instead_of("gpg", 'case "$*" in *--encrypt*) touch "$TMPDIR/there"; sleep 60;; esac; exec /usr/bin/gpg "$@"')
    process = bench.start("back_up.py", bench.config())
    eventually((bench.folder / "tmp/there").exists, "it encrypts")
    process.terminate()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "stopped by SIGTERM" in output.splitlines()[-1]
    assert "stopped by SIGTERM" in bench.status["lastFailure"]
    assert bench.objects == []


def test_a_script_that_has_to_end_does_not_dump_again(bench: Bench) -> None:
    """As when a node is drained: what ends it is told, before the kubelet kills it."""
    bench.instead_of("pg_dump", 'touch "$TMPDIR/there"; exec sleep 60')
    process = bench.start("back_up.py", bench.config(), POSTGRES_PROGRAMS="/nonexistent")
    eventually((bench.folder / "tmp/there").exists, "it dumps")
    process.terminate()
    output, _ = process.communicate(timeout=30)
    assert "stopped by SIGTERM" in output.splitlines()[-1]
    assert "trying once more" not in output
    assert "stopped by SIGTERM" in bench.status["lastFailure"]


def test_a_database_that_is_away_is_the_cause_that_is_told(bench: Bench) -> None:
    database = {**bench.config()["database"], "port": 1}
    done = bench.back_up(database=database, deadline_seconds=16)
    assert done.status == 1
    assert "Connection refused" in done.last_line
    assert "Connection refused" in bench.status["lastFailure"]


def test_a_volume_without_second_names_for_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """SMB (Azure Files) and FUSE refuse link()."""

    def link(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", link)
    target, file = VolumeTarget(bench.volume), bench.file("content", "content")
    target.put("name", file)
    assert target.fetch("name", None) == content_of(file)
    with pytest.raises(Exists, match="name is there already"):
        target.put("name", file)
    assert bench.objects == ["name"]


def test_a_full_volume(bench: Bench) -> None:
    if os.geteuid():
        pytest.skip("only root may mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", str(bench.volume)], check=True)
    try:
        bench.sql("insert into secrets (name, sealed) select n, md5(n::text) from generate_series(1, 5000) n")
        done = bench.back_up()
        assert done.status == 1
        assert "the volume is full: infisical-" in done.last_line
        assert "backup.target.size" in done.last_line
        assert bench.objects == []
    finally:
        subprocess.run(["umount", str(bench.volume)], check=True)


def test_a_full_volume_gets_room_before_the_write(bench: Bench) -> None:
    if os.geteuid():
        pytest.skip("only root may mount")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k,mode=777", "tmpfs", str(bench.volume)], check=True)
    try:
        for number in (1, 2):
            stem = f"infisical-{stamped(86400 * (40 - number))}-{number:08x}"
            bench.account.file(bench.volume / f"{stem}.dump.gpg", "x" * 57_000)
            bench.account.file(bench.volume / f"{stem}.json", json.dumps({"cluster": bench.uid}))
        done = bench.back_up(retention={"days": 30, "at_least": 1}, before="0123abcd4567")
        assert done.status == 0, done.output
        assert done.last_line.endswith("read back; 2 objects deleted")
        assert [name.rpartition("-")[2] for name in bench.objects] == [
            *("00000002.dump.gpg", "00000002.json"),
            *("0123abcd4567.dump.gpg", "0123abcd4567.json"),
        ]
    finally:
        subprocess.run(["umount", str(bench.volume)], check=True)


def test_a_wrong_password_is_no_reason_to_wait(bench: Bench) -> None:
    path = f"/api/v1/namespaces/{bench.namespace}/secrets/the-roles-credentials"
    bench.cluster.call("PATCH", path, {"stringData": {"password": "not-the-password"}})
    done = bench.back_up()
    assert done.status == 1
    assert "password authentication failed" in done.last_line
    assert "not-the-password" not in done.output


def test_another_authority(bench: Bench, other_ca: Pair) -> None:
    bench.file("ca.crt", other_ca.pem)
    done = bench.back_up()
    assert done.status == 1
    assert "certificate verify failed" in done.last_line


def test_before_a_change_a_platform_without_a_database_has_nothing_to_lose(bench: Bench) -> None:
    bench.sql("drop table infisical_migrations")
    assert bench.back_up(before="0123abcd").last_line == "backup: the database is empty, so there is nothing to back up"
    done = bench.back_up()
    assert (done.status, bench.objects) == (1, [])
    assert "Infisical has not made its tables" in done.last_line
    bench.cluster.call("DELETE", f"/apis/acid.zalan.do/v1/namespaces/{bench.namespace}/postgresqls/{CLUSTER}")
    done = bench.back_up(before="0123abcd")
    assert (done.status, done.last_line) == (0, "backup: there is no database yet, so there is nothing to back up")


def test_the_backup_before_a_change_has_its_identifier(bench: Bench) -> None:
    assert bench.back_up(before="0123abcd4567", image=None).status == 0
    assert bench.manifest()["name"].endswith("-0123abcd4567")
    assert bench.manifest()["image"] is None


def test_the_one_before_a_change_is_made_once(bench: Bench) -> None:
    """The Job is replaced for other reasons too, and would find what the change has made of the data."""
    before = {"before": "0123abcd4567", "image": None}
    assert bench.back_up().status == 0
    assert bench.back_up(**before).status == 0
    first = bench.status["beforeName"]
    assert bench.manifest()["image"] == "infisical/infisical:v0.165.8", "the release that has made the data"
    again = bench.back_up(**before, deadline_seconds=119)
    assert again.last_line == f"backup: {first} was made before this change, and is there already"
    assert bench.back_up(**before | {"before": "89abcdef0123"}).status == 0
    there = len(bench.objects)
    await_another_second()
    assert bench.back_up(**before).status == 0
    assert len(bench.objects) == there + 2, "the same change after a different one has newer data to lose"
    for file in bench.volume.glob("*-0123abcd4567.json"):
        file.unlink()
    await_another_second()
    assert "is in volume" in bench.back_up(**before).last_line


def test_the_backup_before_a_change_is_made_without_knowing_the_key(bench: Bench) -> None:
    """The stack makes its key after the database, so this Job alone is told no label. A restore takes one without."""
    before = {**bench.config(), "before": "0123abcd4567", "image": None}
    assert bench.run("back_up.py", before, KEY_LABEL="").status == 0
    assert bench.manifest()["key_label"] == ""
    assert bench.back_up().status == 0
    told = bench.status["keyLabel"]
    assert told
    assert bench.run("back_up.py", before | {"before": "fedc4567ba98"}, KEY_LABEL="").status == 0
    assert bench.status["keyLabel"] == told


def test_a_script_without_rights_says_so(bench: Bench) -> None:
    done = bench.run("back_up.py", {**bench.config(), "status": "another-map"}, TEST_RIGHTS_GRACE="0")
    assert done.status == 1
    assert "configmaps" in done.last_line
    assert STATUS not in done.last_line
