"""The worst day: cluster and state are gone. A new cluster, the escrow and the bucket bring every secret back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from job_pki import authority
from s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Bucket, serving

from embedded import sample
from embedded.__main__ import Progress, start
from embedded.cluster import Cluster
from embedded.imagebuild import reference
from embedded.instance import Instance
from embedded.programs import Programs
from embedded.stack import STACK, Stack
from operations.pulumi import Stack as Operated
from settings.names import Names
from tests.e2e.steps import SECRET_PATH, login
from tests.e2e.views import Kubectl, Site
from tests.e2e.waits import JOB, kubectl_timeout

SECRETS = 100
OWNER = "ops@example.org"
PREFIX = "blue"
# The sections of the stack file beside the backup.
KINDS: Mapping[str, Mapping[str, object]] = {
    "plain": {},
    "prefixed": {},
    "applications": sample.sections(),
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who keeps a private key outside of the cluster, in a keyring of their own."""

    home: Path

    def gpg(self, *options: str) -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    home = tmp_path / "keyring"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    owner = Owner(home)
    owner.gpg("--passphrase", "", "--quick-generate-key", OWNER, "rsa2048", "encr", "never")
    yield owner
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@dataclass(frozen=True, slots=True)
class Platform:
    """A cluster with a stack whose backups go to a bucket outside of it."""

    instance: Instance
    programs: Programs
    cluster: Cluster
    stack: Stack
    site: Site
    kubectl: Kubectl
    kind: str

    @classmethod
    def empty(cls, instance: Instance, programs: Programs, kind: str) -> Platform:
        Cluster(instance, programs, Progress()).down()
        cluster, kubectl = start(instance, Progress()), Kubectl(programs, instance)
        kubectl("apply", "-f", "-", stdin=sample.NAMESPACE)
        return cls(instance, programs, cluster, Stack(instance, programs), Site(instance), kubectl, kind)

    @property
    def names(self) -> Names:
        return Names(PREFIX) if self.kind == "prefixed" else Names()

    def configure(self, monkeypatch: pytest.MonkeyPatch, owner: Owner, endpoint: str, ca: str) -> Operated:
        target = {"kind": "bucket", "endpoint": endpoint, "name": BUCKET, "region": REGION, "authority": ca}
        recipients = [owner.gpg("--armor", "--export", OWNER)]
        backup = {"image": reference("postgres"), "target": target, "recipients": recipients}
        cluster = {"context": "infisical-embedded", "protect": False, "namePrefix": self.names.prefix or None}
        self.stack.init({**KINDS[self.kind], "backup": backup, "cluster": cluster})
        for name, value in self.stack.environment().items():
            monkeypatch.setenv(name, value)
        operated = Operated(STACK, self.stack.configuration)
        operated.set("backupAccessKey", ACCESS_KEY, secret=True)
        operated.set("backupSecretKey", SECRET_KEY, secret=True)
        return operated

    def up(self) -> None:
        self.stack.run("up", "--yes", "--skip-preview", quiet=True)
        self.site.status()


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_cluster_escrow_and_bucket_bring_every_secret_back(
    kind: str, instance: Instance, programs: Programs, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, ca = Bucket(), authority("bucket")
    escrow, opened = tmp_path / "escrow.gpg", tmp_path / "escrow.yaml"
    lost = Platform.empty(Instance(f"{instance.name}-lost"), programs, kind)
    try:
        address = str(lost.instance.host_address)
        with serving(bucket, ca.issue(address), tmp_path, address):
            with monkeypatch.context() as patch:
                lost.configure(patch, owner, bucket.url, ca.pem)
                lost.up()
                _write(lost)
                delivered = _delivered(lost)
                lost.stack.operate("escrow", "--output", str(escrow), OWNER, quiet=True)
            _back_up(lost)
    finally:
        lost.cluster.down()  # with its state, keys and volumes
    began = time.monotonic()
    found = Platform.empty(Instance(f"{instance.name}-found"), programs, kind)
    started = time.monotonic()
    try:
        address = str(found.instance.host_address)
        with serving(bucket, ca.issue(address), tmp_path, address):
            operated = found.configure(monkeypatch, owner, bucket.url, ca.pem)
            opened.touch(mode=0o600)
            opened.write_text(owner.gpg("--decrypt", str(escrow)))
            found.stack.operate("import-secrets", str(opened), quiet=True)
            private = owner.gpg("--passphrase", "", "--pinentry-mode", "loopback", "--armor", "--export-secret-keys")
            operated.set("restoreIdentity", private, secret=True)
            found.stack.operate("restore", "latest", quiet=True)
            found.up()
            restored = time.monotonic()
            assert _wrong(found) == []
            assert _delivered(found) == delivered
            operated.remove("restoreIdentity")
            operated.remove("restore")
            found.up()
            assert _wrong(found) == []
            ended = time.monotonic()
    finally:
        found.cluster.down()
    print(
        f"\nfrom nothing: {SECRETS} acknowledged, 0 lost; cluster {started - began:.0f} s, settings and `up` with the "
        f"restore {restored - started:.0f} s, private key out again {ended - restored:.0f} s"
    )


def _write(platform: Platform) -> None:
    token = login(platform.kubectl, platform.names.infisical)
    for number in range(SECRETS):
        assert platform.site.request("PUT", f"{SECRET_PATH}-{number}", {"value": f"{number}"}, token)[0] == 200


def _wrong(platform: Platform) -> list[int]:
    """Return the numbers that do not read back as they were acknowledged."""
    token = login(platform.kubectl, platform.names.infisical)

    def reads_back(number: int) -> bool:
        code, body = platform.site.request("GET", f"{SECRET_PATH}-{number}", token=token)
        return code == 200 and body["value"] == f"{number}"

    return [number for number in range(SECRETS) if not reads_back(number)]


def _delivered(platform: Platform) -> str:
    """Return the values that the sample application has got, empty where the stack has none."""
    query = ("secret", "shop-env", "-n", sample.TEAM, "--ignore-not-found", "-o", "jsonpath={.data}")
    return platform.kubectl("get", *query)


def _back_up(platform: Platform) -> None:
    where = ("-n", platform.names.database)
    platform.kubectl("create", "job", "backup-last", *where, "--from=cronjob/backup")
    platform.kubectl("wait", "--for=condition=Complete", "job/backup-last", *where, kubectl_timeout(JOB))
