"""Backups in a bucket: a server that checks every signature, and every way in which a bucket refuses."""

import calendar
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backup_bench import Bench
from backup_target import BucketTarget, TargetConfig, content_of, target_of
from job import Failed, Report
from job_pki import Pair
from s3 import Exists, Missing
from s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Bucket, serving

Use = Callable[..., Any]


@pytest.fixture
def bucket(ca: Pair, tmp_path: Path) -> Iterator[Bucket]:
    with serving(Bucket(), ca.issue("127.0.0.1"), tmp_path) as bucket:
        yield bucket


@pytest.fixture
def store(tmp_path: Path, ca: Pair) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "access-key").write_text(ACCESS_KEY)
    (folder / "secret-key").write_text(SECRET_KEY)
    (folder / "bucket-authority.crt").write_text(ca.pem)
    return folder


@pytest.fixture
def use(bucket: Bucket, store: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Returns the target, with what is given changed."""
    monkeypatch.setattr("backup_target._PATIENCE_SECONDS", 3)

    def target(**changed: Any) -> BucketTarget:
        config = {"endpoint": bucket.url, "bucket": BUCKET, "region": REGION, "prefix": "platform/", **changed}
        made = target_of(TargetConfig(kind="bucket", **config), store, Report("test"))
        assert isinstance(made, BucketTarget)
        return made

    return target


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"content" * 500_000)
    return path


def test_what_is_written_reads_back(use: Use, bucket: Bucket, file: Path, tmp_path: Path) -> None:
    target, back = use(), tmp_path / "back"
    target.put("a b+c~é.gpg", file)
    assert list(bucket.objects) == ["platform/a b+c~é.gpg"]
    assert target.fetch("a b+c~é.gpg", back) == content_of(file)
    assert back.read_bytes() == file.read_bytes()
    assert "x-amz-object-lock-mode" not in bucket.headers["platform/a b+c~é.gpg"]


def test_names_are_those_below_the_prefix_over_all_pages(use: Use, bucket: Bucket) -> None:
    bucket.page = 3
    bucket.objects = {f"platform/infisical-{n}": b"" for n in range(10)} | {"another/1": b"", "platform2": b""}
    assert use().names() == [f"infisical-{n}" for n in range(10)]
    bucket.objects = {}
    assert use().names() == []


def test_a_bucket_that_others_have_too_is_not_listed_whole(use: Use, bucket: Bucket) -> None:
    """Its root may hold millions of objects, and each listing is paid for."""
    bucket.page = 1
    bucket.objects = {f"logs/{n}": b"" for n in range(9)} | {"infisical-1": b"", "zebra": b""}
    assert use(prefix=None).names() == ["infisical-1"]
    assert bucket.requests == ["GET "]


@pytest.mark.parametrize("attribute", ["", ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"'])
def test_a_list_in_any_namespace(use: Use, bucket: Bucket, attribute: str) -> None:
    """Google Cloud Storage has one of its own, and others have none."""
    bucket.listing, bucket.page = f"<ListBucketResult{attribute}>{{}}</ListBucketResult>", 3
    bucket.objects = {f"platform/infisical-{n}": b"" for n in range(10)}
    assert use().names() == [f"infisical-{n}" for n in range(10)]


@pytest.mark.parametrize("listing", ["<html>{}</html>", "welcome", ""])
def test_what_is_no_list_is_no_empty_one(use: Use, bucket: Bucket, listing: str) -> None:
    bucket.listing = listing
    with pytest.raises(Failed, match="and not ListBucketResult"):
        use().names()


def test_a_list_that_goes_on_nowhere(use: Use, bucket: Bucket) -> None:
    bucket.page, bucket.silent = 3, True
    bucket.objects = {f"platform/infisical-{n}": b"" for n in range(10)}
    with pytest.raises(Failed, match="it goes on, and the server does not say where"):
        use().names()


def test_nothing_is_written_over(use: Use, file: Path) -> None:
    use().put("name", file)
    with pytest.raises(Exists, match="name is there already"):
        use().put("name", file)


def test_an_object_that_is_not_there(use: Use) -> None:
    with pytest.raises(Missing, match="no such object"):
        use().fetch("name", None)


def test_a_lock(use: Use, bucket: Bucket, file: Path) -> None:
    use(lock_days=3).put("name", file)
    headers = bucket.headers["platform/name"]
    assert headers["x-amz-object-lock-mode"] == "COMPLIANCE"
    until = time.strptime(headers["x-amz-object-lock-retain-until-date"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(calendar.timegm(until) - time.time() - 3 * 86400) < 60


@pytest.mark.parametrize("lock_days", [None, 3])
def test_a_bucket_that_locks_takes_nothing_without_a_checksum(
    use: Use, bucket: Bucket, file: Path, lock_days: int | None
) -> None:
    """AWS: "Content-MD5 OR x-amz-checksum- HTTP header is required", also where only the bucket's own rule locks."""
    bucket.locks = lock_days is None
    use(lock_days=lock_days).put("name", file)
    assert bucket.objects["platform/name"] == file.read_bytes()


def test_a_service_without_conditional_writes(use: Use, bucket: Bucket, file: Path) -> None:
    bucket.conditions = False
    target = use()
    target.put("name", file)
    assert bucket.objects["platform/name"] == file.read_bytes()
    with pytest.raises(Exists, match="name is there already"):
        target.put("name", file)
    target.put("another", file)
    assert [each for each in bucket.requests if each.startswith("PUT")] == ["PUT platform/name"] * 2 + [
        "PUT platform/another"
    ]


def test_a_connection_that_breaks_in_the_middle_of_an_object(use: Use, bucket: Bucket, file: Path) -> None:
    """It is no damage: nobody is told that the backup is, and it is read again."""
    target = use()
    target.put("name", file)
    bucket.cut = {"platform/name"}
    assert target.fetch("name", None) == content_of(file)


def test_a_large_body_gets_a_second_attempt(
    use: Use, bucket: Bucket, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may break off when the patience with a small request is long over."""
    target = use()
    monkeypatch.setattr("backup_target._PATIENCE_SECONDS", 0)
    bucket.fail_once = {"PUT"}
    target.put("name", file)
    bucket.cut = {"platform/name"}
    assert target.fetch("name", None, file.stat().st_size) == content_of(file)


def test_a_refusal_before_the_body_is_read(use: Use, bucket: Bucket, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(32 << 20))
    bucket.closes, bucket.refuse = True, {"PUT": (403, "AccessDenied")}
    with pytest.raises(Failed, match="403 AccessDenied: the credentials may not do this"):
        use().put("name", large)


@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
@pytest.mark.parametrize("answer", [(503, "SlowDown"), (400, "RequestTimeout"), (307, "TemporaryRedirect")])
def test_a_bucket_that_stumbles_is_asked_again(
    use: Use, bucket: Bucket, file: Path, method: str, answer: tuple[int, str]
) -> None:
    bucket.fail_once, bucket.stumble = {method}, answer
    target = use()
    target.put("name", file)
    assert target.fetch("name", None) == content_of(file)
    target.delete("name")
    assert bucket.objects == {}


@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (403, "AccessDenied", "the credentials may not do this"),
        (403, "InvalidAccessKeyId", "there is no such backupAccessKey"),
        (404, "NoSuchBucket", "see backup.target.name"),
        (507, "", "the bucket is full"),
        (507, "XMinioStorageFull", "the bucket is full"),
        (301, "PermanentRedirect", "see backup.target.region"),
        (403, "RequestTimeTooSkewed", r"this node's clock is [01] s from the bucket's"),
        (503, "SlowDown", "503 SlowDown"),
        (400, "RequestTimeout", "400 RequestTimeout"),
        (307, "TemporaryRedirect", "307 TemporaryRedirect"),
        (409, "ConditionalRequestConflict", "409 ConditionalRequestConflict"),
        (400, "EntityTooLarge", "400 EntityTooLarge: what EntityTooLarge means$"),
    ],
)
def test_refusals_say_what_to_do(use: Use, bucket: Bucket, file: Path, status: int, code: str, cause: str) -> None:
    bucket.refuse = {"PUT": (status, code)}
    with pytest.raises(Failed, match=cause) as failed:
        use().put("name", file)
    assert str(failed.value).startswith("PUT platform/name at 127.0.0.1")


def test_a_wrong_secret_and_a_wrong_region(use: Use, store: Path) -> None:
    with pytest.raises(Failed, match=r"AuthorizationHeaderMalformed: see backup\.target\.region"):
        use(region="us-east-1").names()
    (store / "secret-key").write_text("another")
    for ask in (lambda: use().names(), lambda: use().put("name", store / "access-key")):
        with pytest.raises(Failed, match="backupSecretKey is not the secret of backupAccessKey") as failed:
            ask()
        assert "another" not in str(failed.value)


def test_an_authority_that_is_not_the_buckets(use: Use, store: Path, other_ca: Pair) -> None:
    (store / "bucket-authority.crt").write_text(other_ca.pem)
    with pytest.raises(Failed, match=r"certificate refused: .*; see backup\.target\.authority"):
        use().names()


def test_a_bucket_that_is_away(use: Use) -> None:
    with pytest.raises(Failed, match=r"GET the list at 127\.0\.0\.1: .*refused"):
        use(endpoint="https://127.0.0.1:1").names()
    with pytest.raises(Failed, match="no such host"):
        use(endpoint="https://bucket.invalid").names()


def test_from_dump_to_rehearsal(use: Use, bucket: Bucket, bench: Bench, ca: Pair) -> None:
    for name, text in {"access-key": ACCESS_KEY, "secret-key": SECRET_KEY, "bucket-authority.crt": ca.pem}.items():
        bench.file(f"store/{name}", text)
    target = {"kind": "bucket", "endpoint": bucket.url, "bucket": BUCKET, "region": REGION, "style": "path"}
    done = bench.back_up(target=target, retention={"days": 1, "at_least": 1})
    assert done.status == 0, done.output
    puts = [request for request in bucket.requests if request.startswith("PUT")]
    assert [put.rpartition(".")[2] for put in puts] == ["gpg", "json"], "the manifest is last"
    assert bench.rehearse(target=target).status == 0
    good = dict(bucket.objects)
    bucket.damage = True
    done = bench.back_up(target=target)
    assert done.status == 1
    assert "reads back different" in done.last_line
    assert [name for name in bucket.objects if name.endswith(".json")] == [n for n in good if n.endswith(".json")]
    bucket.damage = False
    bucket.refuse = {"PUT": (507, "")}
    done = bench.back_up(target=target)
    assert (done.status, "the bucket is full" in done.last_line) == (1, True)
    assert SECRET_KEY not in done.output
    assert bench.rehearse(target=target).status == 0
