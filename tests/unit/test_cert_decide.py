"""What CertSync decides: a table of what can be seen, and rules that hold whatever is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from cert_decide import Observation, Plan, Pod, Refusal, Service, Trust, decide, trusted
from hypothesis import given
from hypothesis import strategies as st
from job import Failed
from x509 import Certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def certificate(subject: str, *, age: int = 30, lasts: int = 60) -> Certificate:
    """A certificate that is `age` days old and lasts so many more."""
    return Certificate(subject.encode(), f"CN={subject}", "CN=ca", NOW - age * DAY, NOW + lasts * DAY, ("db",))


CA, OLD_CA, STRAY = certificate("ca"), certificate("old-ca"), certificate("stray")
LEAF, OLD, DYING, LATER = (
    certificate("leaf"),
    certificate("old-leaf", age=60, lasts=30),
    certificate("dying-leaf", age=89, lasts=1),
    certificate("later-leaf", age=0, lasts=90),
)
TRUST = Trust((CA,), LEAF)
EXPIRED = Refusal("certificate has expired")
FUTURE = Refusal("certificate is not yet valid", not_yet_valid=True)
NAME = Refusal("Hostname mismatch")
SELF_SIGNED = Refusal("self-signed certificate")

Role = Literal["primary", "replica", "pooler"]


def seen(role: Role, leaf: Certificate = LEAF, refusal: Refusal | None = None, number: int = 0) -> Observation:
    """What one pod presents."""
    pod = Pod(Service(f"db-{role}", role, f"db-{role}.svc"), f"{role}-{number}", "10.0.0.1", 5432)
    return Observation(pod, leaf, refusal)


def foreign(role: Role) -> Observation:
    """A certificate that no authority of ours issued."""
    return replace(seen(role, STRAY, SELF_SIGNED), ours=False)


def of_old_authority(role: Role, leaf: Certificate = OLD) -> Observation:
    """A leaf that only verifies under what is published, and no longer in any Secret."""
    return replace(seen(role, leaf), needs_published=True)


def says(seen: Observation) -> str:
    """How a message begins that is about one pod."""
    return f"{seen.pod} presents {seen.leaf}"


PRIMARY, REPLICA, POOLER = seen("primary"), seen("replica"), seen("pooler")
RELOADS = "from before the renewal: PostgreSQL's pod reloads it by itself within five minutes"
RESTARTS = "from before the renewal: the restart of its pods is under way"


@pytest.mark.parametrize(
    ("observations", "published", "plan"),
    [
        # everything as it ought to be
        ([PRIMARY, REPLICA, POOLER], [], Plan(publish=(CA,))),
        ([PRIMARY, POOLER], [CA], Plan(publish=(CA,))),
        # a replaced authority: published as long as something needs it
        ([PRIMARY, POOLER], [CA, OLD_CA], Plan(publish=(CA,))),
        (
            [PRIMARY, of_old_authority("replica"), POOLER],
            [CA, OLD_CA],
            Plan(publish=(CA, OLD_CA), outdated=(f"{says(seen('replica', OLD))} {RELOADS}",)),
        ),
        (
            [PRIMARY, POOLER, of_old_authority("pooler")],
            [OLD_CA],
            Plan(publish=(CA, OLD_CA), restart_pooler=True, outdated=(f"{says(seen('pooler', OLD))} {RESTARTS}",)),
        ),
        # a renewed leaf that is not taken up yet
        (
            [seen("primary", OLD), POOLER],
            [],
            Plan(publish=(CA,), outdated=(f"{says(seen('primary', OLD))} {RELOADS}",)),
        ),
        (
            [PRIMARY, POOLER, seen("pooler", OLD)],
            [],
            Plan(publish=(CA,), restart_pooler=True, outdated=(f"{says(seen('pooler', OLD))} {RESTARTS}",)),
        ),
        (
            [seen("primary", DYING), POOLER],
            [],
            Plan(
                publish=(CA,),
                outdated=(f"{says(seen('primary', DYING))} {RELOADS}",),
                overdue=says(seen("primary", DYING)),
            ),
        ),
        # renewed after the Secret was read: nothing is out of date
        ([PRIMARY, seen("pooler", LATER)], [], Plan(publish=(CA,))),
        # the very leaf of the Secret is refused
        ([PRIMARY, seen("pooler", LEAF, NAME)], [], Plan(refused=f"{says(POOLER)}: Hostname mismatch", hopeless=True)),
        (
            [seen("replica", LEAF, EXPIRED)],
            [],
            Plan(refused=f"{says(REPLICA)}: certificate has expired", hopeless=True),
        ),
        ([seen("primary", LEAF, FUTURE), POOLER], [], Plan(refused=f"{says(PRIMARY)}: certificate is not yet valid")),
        # one from before the renewal is refused: a restart mends the pooler's, a reload PostgreSQL's
        (
            [PRIMARY, seen("pooler", OLD, EXPIRED)],
            [],
            Plan(refused=f"{says(seen('pooler', OLD))}: certificate has expired", restart_pooler=True),
        ),
        (
            [PRIMARY, seen("pooler", LATER, EXPIRED)],
            [],
            Plan(refused=f"{says(seen('pooler', LATER))}: certificate has expired", restart_pooler=True),
        ),
        ([seen("primary", OLD, NAME), POOLER], [], Plan(refused=f"{says(seen('primary', OLD))}: Hostname mismatch")),
        # nothing is touched while anything is foreign
        ([PRIMARY, foreign("pooler")], [CA], Plan(refused=f"{says(foreign('pooler'))}: self-signed certificate")),
        (
            [foreign("primary"), seen("pooler", OLD)],
            [CA],
            Plan(refused=f"{says(foreign('primary'))}: self-signed certificate"),
        ),
        # all that is refused is named; one without hope ends it
        (
            [seen("primary", LEAF, NAME), seen("pooler", OLD, EXPIRED)],
            [],
            Plan(
                refused=f"{says(PRIMARY)}: Hostname mismatch; {says(seen('pooler', OLD))}: certificate has expired",
                hopeless=True,
            ),
        ),
    ],
)
def test_what_is_decided(observations: Sequence[Observation], published: list[Certificate], plan: Plan) -> None:
    assert decide(TRUST, published, observations, NOW) == plan


def test_both_authorities_of_the_secrets_are_published_each_once() -> None:
    trust = trusted([CA, OLD_CA, CA], LEAF, NOW)
    assert decide(trust, [], [PRIMARY, POOLER], NOW).publish == (CA, OLD_CA)


def test_an_expired_authority_is_not_trusted() -> None:
    expired = certificate("expired", lasts=-1)
    assert trusted([expired, CA], LEAF, NOW).authorities == (CA,)
    with pytest.raises(Failed, match="every authority has expired: CN=expired"):
        trusted([expired, expired], LEAF, NOW)


def test_a_message_names_the_pod_and_the_certificate() -> None:
    plan = decide(TRUST, [], [seen("pooler", OLD, NAME)], NOW)
    assert plan.refused == (
        f"pooler pooler-0 (10.0.0.1:5432) presents CN=old-leaf (issuer CN=ca, 1 names, sha256 {OLD.fingerprint}, "
        "valid from 2026-04-02 00:00:00 until 2026-07-01 00:00:00 UTC): Hostname mismatch"
    )


def test_pods_with_the_same_certificate_are_named_in_one_sentence() -> None:
    old = [seen("primary", OLD), seen("pooler", OLD), seen("pooler", OLD, number=1), seen("pooler", DYING, number=2)]
    first, second, third = decide(TRUST, [], old, NOW).outdated
    assert first == f"{says(old[0])} {RELOADS}"
    assert second == f"{old[1].pod}, {old[2].pod} present {OLD} {RESTARTS}"
    assert third == f"{says(old[3])} {RESTARTS}"


# --- whatever is seen ------------------------------------------------------------------------------------------------

OBSERVATIONS = st.lists(
    st.builds(
        lambda role, leaf, refusal, ours, needs: replace(
            seen(role, leaf, refusal), ours=ours or refusal is None, needs_published=needs and refusal is None
        ),
        st.sampled_from(["primary", "replica", "pooler"]),
        st.sampled_from([LEAF, OLD, DYING, LATER, STRAY]),
        st.sampled_from([None, None, EXPIRED, FUTURE, NAME, SELF_SIGNED]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
PUBLISHED = st.lists(st.sampled_from([CA, OLD_CA, STRAY]), max_size=3)


@given(OBSERVATIONS, PUBLISHED)
def test_nothing_is_published_that_a_pod_does_not_verify_under(
    observations: list[Observation], published: list[Certificate]
) -> None:
    plan = decide(TRUST, published, observations, NOW)
    refused = [each for each in observations if each.refusal]
    assert bool(plan.refused) == bool(refused)
    assert all(str(each.pod) in plan.refused and str(each.leaf) in plan.refused for each in refused)
    assert (plan.publish == ()) == bool(refused)
    if plan.publish:
        assert set(TRUST.authorities) <= set(plan.publish) <= {*TRUST.authorities, *published}
        if any(each.needs_published for each in observations):
            assert set(published) <= set(plan.publish)


@given(OBSERVATIONS, PUBLISHED)
def test_the_pooler_is_restarted_only_for_a_leaf_of_ours(
    observations: list[Observation], published: list[Certificate]
) -> None:
    plan = decide(TRUST, published, observations, NOW)
    if plan.restart_pooler:
        assert all(each.ours for each in observations)
        assert any(each.pod.service.role == "pooler" and each.leaf != LEAF for each in observations)
        assert not plan.hopeless
