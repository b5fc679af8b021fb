"""Certificate sync: what it refuses, what it waits for, and that it writes nothing meanwhile."""

from datetime import timedelta

import pytest
from job_engines import eventually, listens
from job_pki import DAY, authority, self_signed
from job_platform import NAMES, POOLER, POOLERS, PRIMARY, PRIMARY_ADDRESS, REPLICA, SERVICES, TARGET, Platform, loopback


def test_only_expired_authorities(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    expired = authority("expired", lasts=-DAY)
    platform.secret_file("authority", "ca.crt", expired)
    platform.secret_file("leaf", "ca.crt", expired)
    platform.refused("every authority has expired: CN=expired")


def test_renewal_which_is_never_taken_up_is_an_alarm(platform: Platform) -> None:
    old = platform.ca.issue(*NAMES, age=99 * DAY, lasts=DAY)
    platform.postgres.present(old)
    platform.pooler(platform.leaf)
    assert platform.run(services=platform.primary_alone()).status == 0
    platform.refused("the renewed certificate is not taken up, restart the pods: primary", old.sha256)


def test_expired_leaf(platform: Platform) -> None:
    expired = platform.renew(platform.ca.issue(*NAMES, lasts=-DAY))
    platform.postgres.present(expired)
    platform.pooler(expired)
    # The Secret holds the same, so waiting changes nothing: this ends long before its deadline.
    platform.refused(
        f"primary primary-{PRIMARY_ADDRESS} (",
        f"sha256 {expired.sha256}",
        "certificate has expired",
        "valid from",
        deadline_seconds=600,
    )


def test_expired_leaf_of_a_pooler_is_cured_by_a_restart(platform: Platform) -> None:
    expired = platform.ca.issue(*NAMES, lasts=-DAY)
    platform.pooler(platform.leaf, expired)
    job = platform.start(deadline_seconds=60)
    eventually(lambda: platform.leaf_annotation == platform.leaf.sha256, "the restart is asked for")
    assert platform.published == ""  # not before everything verifies
    platform.stop()
    platform.pooler(platform.leaf)
    outcome = job.outcome()
    assert outcome.status == 0
    assert platform.published == platform.ca.pem


def test_leaf_which_is_not_yet_valid_is_waited_for(platform: Platform) -> None:
    """The clock of cert-manager's node may be ahead of ours: time mends it, and nothing else has to."""
    (platform.mounted / "leaf/tls.crt").unlink()
    job = platform.start(deadline_seconds=60)
    job.sees("Secret platform-db-tls holds no certificate in tls.crt")
    early = platform.ca.issue(*NAMES, age=timedelta(seconds=-8))
    platform.postgres.present(early)
    platform.pooler(early)
    platform.renew(early)
    job.sees("certificate is not yet valid")
    assert platform.published == ""
    assert job.outcome().status == 0
    assert platform.published == platform.ca.pem


def test_leaf_which_becomes_valid_too_late(platform: Platform) -> None:
    early = platform.renew(platform.ca.issue(*NAMES, age=-DAY))
    platform.postgres.present(early)
    platform.pooler(early)
    platform.refused("certificate is not yet valid", f"valid from {early.certificate.not_valid_before_utc:%Y-%m-%d}")


@pytest.mark.parametrize("where", ["primary", "pooler"])
def test_foreign_certificate(platform: Platform, where: str) -> None:
    """Nothing is written, also not for a pooler whose own certificate is an old one of ours."""
    foreign = self_signed(*NAMES)
    old = platform.ca.issue(*NAMES)
    platform.postgres.present(foreign if where == "primary" else platform.leaf)
    platform.pooler(old if where == "primary" else foreign)
    platform.refused(
        f"{where} {where}-",
        f"presents CN={PRIMARY} (issuer CN={PRIMARY}, 3 names, sha256 {foreign.sha256}",
        "self-signed certificate",
    )


def test_wrong_name(platform: Platform) -> None:
    wrong = platform.renew(platform.ca.issue(PRIMARY, REPLICA, "elsewhere.db.svc"))
    platform.postgres.present(wrong)
    platform.pooler(wrong)
    platform.refused("pooler pooler-10.0.0.3 (", "Hostname mismatch", POOLER, "3 names")


def test_common_name_is_no_name(platform: Platform) -> None:
    wrong = platform.renew(platform.ca.issue(subject=PRIMARY))
    platform.postgres.present(wrong)
    platform.pooler(wrong)
    platform.refused(f"primary primary-{PRIMARY_ADDRESS} (", "Hostname mismatch", "0 names")


def test_pooler_without_tls(platform: Platform) -> None:
    platform.pooler(None)
    platform.refused(f"pooler pooler-10.0.0.3 (10.0.0.3:{platform.postgres.port}) does not offer TLS")


def test_unreachable_pooler(platform: Platform) -> None:
    platform.endpoints("pooler", POOLERS[0])
    assert not listens(loopback(POOLERS[0]), platform.postgres.port)
    platform.refused(f"pooler pooler-10.0.0.3 (10.0.0.3:{platform.postgres.port}): ", "Connection refused")


def test_service_without_a_pod(platform: Platform) -> None:
    platform.refused(f"no pod is ready behind the pooler's Service {SERVICES['pooler']}")
    platform.endpoints("pooler")
    platform.refused(f"no pod is ready behind the pooler's Service {SERVICES['pooler']}")


def test_pooler_appears_late(platform: Platform) -> None:
    job = platform.start(deadline_seconds=60)
    job.sees("no pod is ready behind the pooler")
    platform.pooler(platform.leaf)
    assert job.outcome().status == 0
    assert platform.published == platform.ca.pem


def test_missing_secret_appears_late(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    (platform.mounted / "leaf/tls.crt").unlink()
    job = platform.start(deadline_seconds=60)
    job.sees("Secret platform-db-tls holds no certificate in tls.crt")
    platform.renew(platform.leaf)
    assert job.outcome().status == 0


def test_secret_which_holds_nonsense(platform: Platform) -> None:
    (platform.mounted / "authority/ca.crt").write_text(platform.ca.pem[:200] + platform.ca.pem[220:])
    platform.refused("ca.crt of Secret platform-db-ca", deadline_seconds=60)


def test_missing_target(platform: Platform) -> None:
    platform.pooler(platform.leaf)
    platform.cluster.call("DELETE", platform.paths["target"])
    outcome = platform.run(deadline_seconds=60)
    assert outcome.status == 1
    assert f'secrets "{TARGET}" not found' in outcome.last_line
