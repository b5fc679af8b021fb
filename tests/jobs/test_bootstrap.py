"""The first organisation: made once, told apart from every other state, and completed after an end at any request."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bootstrap_bench import ADMIN, NAME, PASSWORD, Bench
from fake_instance import FakeInstance
from job_cluster import Cluster


@pytest.fixture
def bench(cluster: Cluster, start_job: Callable[..., Any]) -> Iterator[Bench]:
    fake = FakeInstance()
    yield Bench(fake, cluster, start_job)
    fake.stop()


# --- the good ways ---------------------------------------------------------------------------------------------------


def test_a_fresh_instance_is_set_up_and_then_left_alone(bench: Bench) -> None:
    line = bench.run()
    assert "set up: organisation dog; sign-up is closed; provisioner made, proven by kubernetes auth" in line
    assert "the bootstrap token is revoked; ops@example.org can log in; who is invited gets no role" in line
    bench.is_done()
    assert bench.default_role == "no-access"
    auth = bench.fake.state.kubernetes[bench.kept()["identityId"]]
    assert (auth["allowedNamespaces"], auth["allowedNames"]) == (bench.namespace, "infisical-provisioner")
    assert auth["accessTokenMaxTTL"] == 3600
    assert "BEGIN CERTIFICATE" in auth["caCert"]
    bench.fake.requests.clear()
    assert "done already" in bench.run()
    assert "POST /api/v1/admin/bootstrap" not in bench.fake.requests
    bench.is_done()


def test_an_image_that_refuses_the_token_that_it_has_made_is_set_up_by_the_admin(bench: Bench) -> None:
    """Upstream's issue 7599: the token has no end, and one without an end counts as too old."""
    bench.fake.state.takes_first_token = False
    line = bench.run()
    assert "set up, and recovered by a log-in of the admin: organisation dog" in line
    assert "the bootstrap token is revoked" in line
    bench.is_done()
    assert "there is no bootstrap token" in bench.run()


def test_a_token_that_is_refused_for_its_age_is_revoked_all_the_same(bench: Bench) -> None:
    """A release that takes it again, or a longer age, would bring an instance admin's token back to life."""
    bench.fake.set_up(ADMIN, PASSWORD, NAME)
    [token] = bench.fake.state.tokens
    bench.keep(asked="yes", token=token)
    bench.fake.state.takes_first_token = False
    assert "the bootstrap token is revoked" in bench.run()
    bench.is_done()


def test_an_image_that_keeps_no_password_says_so(bench: Bench) -> None:
    bench.fake.state.keeps_password = False
    line = bench.run()
    assert "NOT proven: this image keeps no password" in line
    assert "who is invited may get a role in the organisation. See docs/runbooks/bootstrap.md#invited-people" in line
    bench.is_done()


def test_a_default_role_that_people_have_set_is_put_back(bench: Bench) -> None:
    bench.run()
    bench.organization["defaultMembershipRole"] = "member"
    bench.run()
    assert bench.default_role == "no-access"


def test_an_admin_who_may_not_change_the_organisation_is_no_bad_end(bench: Bench) -> None:
    bench.fake.state.admin_is_admin = False
    assert "ops@example.org can log in, and may not change the organisation" in bench.run()
    bench.is_done()


def test_a_server_that_keeps_the_default_role_is_no_good_end(bench: Bench) -> None:
    bench.fake.state.default_role_changes = False
    assert "leaves the organisation's default role at member" in bench.fails()


def test_an_image_whose_configuration_takes_no_machine_is_closed_by_the_admin(bench: Bench) -> None:
    bench.fake.state.config_by_identity = False
    bench.run()
    bench.is_done()


def test_sign_up_that_neither_can_close_is_no_good_end(bench: Bench) -> None:
    bench.fake.state.config_by_identity = bench.fake.state.keeps_password = False
    assert "sign-up is open, and can't be closed from here" in bench.fails()


def test_an_old_answer_that_sign_up_is_open_is_waited_out(bench: Bench) -> None:
    bench.fake.state.stale_reads = 2
    bench.run(settle=5)


def test_sign_up_that_is_opened_again_is_no_good_end(bench: Bench) -> None:
    bench.fake.state.stale_reads = 1000
    assert "sign-up is open 1 s after it was closed" in bench.fails(settle=1)


def test_universal_auth_is_rotated_and_can_be_left(bench: Bench) -> None:
    bench.run(machine_auth="universal")
    bench.is_done()
    before = bench.kept()["clientSecret"]
    bench.run(machine_auth="universal")
    secrets = [each for auth in bench.fake.state.universal.values() for each in auth["secrets"].values()]
    live = [each["value"] for each in secrets if not each["isClientSecretRevoked"]]
    assert live == [bench.kept()["clientSecret"]] != [before]
    bench.run(machine_auth="kubernetes")
    assert bench.kept().keys() == {"asked", "identityId", "organizationId"}
    assert not bench.fake.state.universal
    bench.is_done()


def test_internal_addresses_that_are_refused_are_explained(bench: Bench) -> None:
    bench.fake.state.allows_internal = False
    line = bench.fails()
    assert "ALLOW_INTERNAL_IP_CONNECTIONS=true; or set organization.machineAuth to universal" in line
    assert bench.fake.eternal_tokens == 1  # kept until something takes its place
    bench.run(machine_auth="universal")
    bench.is_done()


# --- an end at any moment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine_auth", ["kubernetes", "universal"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_at_any_request_is_completed_by_the_next_run(
    bench: Bench, cluster: Cluster, start_job: Callable[..., Any], moment: str, machine_auth: str
) -> None:
    bench.run(machine_auth=machine_auth)
    requests = [*bench.fake.requests]
    assert len(requests) > 10
    for number, request in enumerate(requests, 1):
        if moment == "after" and request.startswith("GET"):
            continue  # which has changed nothing, so it is as before it
        fake = FakeInstance()
        one = Bench(fake, cluster, start_job)
        _kill(one, number, moment, machine_auth)
        fake.at_request = lambda number, moment: None
        one.run(machine_auth=machine_auth)
        one.is_done()
        fake.stop()


def _kill(bench: Bench, number: int, moment: str, machine_auth: str) -> None:
    """Run, and kill the Job at its request of this number."""
    started: list[Any] = []
    reached = []

    def at_request(seen: int, when: str) -> None:
        if (seen, when) == (number, moment):
            reached.append(seen)
            started[0].process.send_signal(signal.SIGKILL)
            started[0].process.wait()

    bench.fake.requests.clear()
    bench.fake.at_request = at_request
    started.append(bench.start(machine_auth=machine_auth))
    started[0].process.wait(60)
    assert reached


# --- what is none of ours --------------------------------------------------------------------------------------------


def test_an_instance_that_somebody_else_has_set_up(bench: Bench) -> None:
    bench.fake.set_up("stranger@example.org", "x", "Admin Org")
    line = bench.fails()
    assert "this instance was set up by somebody else" in line
    assert "docs/runbooks/bootstrap.md#claimed-by-somebody-else" in line
    line = bench.fails(data="restore 1")
    assert "this database has the data of another instance (restore 1), and ops@example.org can't log in" in line
    assert "docs/runbooks/bootstrap.md#restored-data" in line
    assert "anew" not in line, "it is what has been restored"


def test_a_token_that_is_lost_is_recovered_by_the_admin(bench: Bench) -> None:
    bench.run()
    bench.lose()
    assert "recovered by a log-in of the admin" in bench.run()
    bench.is_done()


def test_a_token_that_is_lost_where_the_admin_cannot_log_in(bench: Bench) -> None:
    bench.fake.state.keeps_password = False
    started: list[Any] = []

    def at_request(_: int, when: str) -> None:
        if when == "after" and bench.fake.requests[-1].endswith("/bootstrap"):
            started[0].process.kill()
            started[0].process.wait()

    bench.fake.at_request = at_request
    started.append(bench.start())
    started[0].process.wait(60)
    bench.fake.at_request = lambda number, moment: None
    line = bench.fails()
    assert "the token is lost: this stack asked for it at 20" in line
    assert "#token-lost" in line
    _, token = bench.fake.identity("people's")
    bench.fake.state.allow_sign_up = False
    assert "adopted" in bench.run(token=token)


def test_half_a_bootstrap(bench: Bench) -> None:
    bench.fake.state.dies_half_way = True
    assert "Bad Gateway" in bench.fails()
    bench.fake.state.dies_half_way = False
    assert "half a bootstrap: the account ops@example.org exists" in bench.fails()
    bench.run(admin="second@example.org")


# --- moving in -------------------------------------------------------------------------------------------------------


def test_an_instance_that_was_set_up_long_ago_is_adopted(bench: Bench) -> None:
    token = bench.fake.set_up("somebody@example.org", "x", NAME)
    line = bench.run(token=token)
    assert "adopted: organisation dog" in line
    assert "organizationToken can go" in line
    assert "POST /api/v1/admin/bootstrap" not in bench.fake.requests
    assert bench.fake.eternal_tokens == 1  # it is not ours
    bench.organization["name"] = "renamed by people"
    assert "done already" in bench.run()
    assert bench.fake.eternal_tokens == 1


def test_an_adopted_organisation_keeps_its_default_role(bench: Bench) -> None:
    token = bench.fake.set_up(ADMIN, PASSWORD, NAME)
    for given in (token, ""):
        line = bench.run(token=given)
        assert "ops@example.org can log in; who is invited may get a role in the organisation" in line
        assert bench.default_role == "member"


def test_tokens_that_cannot_be_adopted(bench: Bench) -> None:
    assert "this instance has not been set up" in bench.fails(token="a.b.c")
    bench.fake.set_up("somebody@example.org", "x", "cat")
    assert "Infisical refuses organizationToken (invalid signature): it has been" in bench.fails(token="a.b.c")
    _, token = bench.fake.identity("people's", role="member")
    line = bench.fails(token=token)
    assert "the token is of the organisation cat, and organization.name is dog" in line
    line = bench.fails(token=token, organization="cat")
    assert "the token may not manage identities of the organisation cat" in line
    assert token not in line


def test_two_stacks_do_not_share_an_instance(bench: Bench) -> None:
    bench.run()
    bench.lose()
    line = bench.fails(stack="99999999-2222-3333-4444-555555555555")
    assert "a different stack manages this instance: it has the identity infisical-provisioner-11111111" in line
    assert "give it that one's id, which begins with 11111111: cluster.stackId" in line


def provisioners(bench: Bench) -> dict[str, str]:
    """Return the roles of the identities that are called like the stack's own."""
    named = bench.fake.state.identities.items()
    return {identity: each["role"] for identity, each in named if each["name"] == "infisical-provisioner-11111111"}


def test_an_identity_of_the_stacks_name_is_given_nothing(bench: Bench) -> None:
    """Names are not unique, and whoever may edit identities can give one any name."""
    bench.run()
    own = bench.kept()["identityId"]
    bench.fake.state.identities[own]["name"] = "renamed"
    theirs, _ = bench.fake.identity("infisical-provisioner-11111111", role="no-access")
    bench.fake.state.identities = {theirs: bench.fake.state.identities[theirs]} | bench.fake.state.identities
    bench.run()
    assert bench.kept()["identityId"] == own
    assert provisioners(bench) == {theirs: "no-access", own: "admin"}
    assert theirs not in bench.fake.state.kubernetes


def test_which_identity_is_the_stacks_is_not_guessed(bench: Bench) -> None:
    bench.run()
    bench.lose()
    own = next(iter(provisioners(bench)))
    theirs, _ = bench.fake.identity("infisical-provisioner-11111111", role="no-access")
    line = bench.fails()
    assert "the organisation has identities called infisical-provisioner-11111111 (2)" in line
    assert "#identities-of-the-stacks-name" in line
    del bench.fake.state.identities[own]
    assert "called infisical-provisioner-11111111 (1)" in bench.fails()
    assert provisioners(bench) == {theirs: "no-access"}
    assert "identityId" not in bench.kept()
    del bench.fake.state.identities[theirs]
    bench.run()
    bench.is_done()
