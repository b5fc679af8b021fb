"""The key of the data does not change, unless somebody says which key may go."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import grpc
import pulumi
import pytest
from pulumi.runtime import MockCallArgs

from safeguards import Refusal
from safeguards.encryption_key import refuse_fips_on_an_empty_database, refuse_key_change
from safeguards.state import last_state
from settings import Commands
from tests.unit.harness import ROOT as ROOT_FOLDER
from tests.unit.harness import State, platform, run, settings_of
from tests.unit.harness.recording import Providers, record

SECRET, KEY = "kubernetes:core/v1:Secret", "random:index/randomPassword:RandomPassword"
GENERATED, GIVEN, OTHER = "0" * 32, "1" * 32, "2" * 32
ROOT, OTHER_ROOT = (base64.b64encode(character * 32).decode() for character in (b"r", b"s"))


def deployed(**environment: str) -> State:
    """What an update has left which gave Infisical this environment."""
    data = {name: base64.b64encode(value.encode()).decode() for name, value in environment.items()}
    return {
        "urn:pulumi:dev::infisical-platform::a$b::infisical-secrets": {"type": SECRET, "outputs": {"data": data}},
        "urn:pulumi:dev::infisical-platform::a$c::infisical-secrets-encryption-key": {
            "type": KEY,
            "outputs": {"result": GENERATED},
        },
    }


BOTH = {"ENCRYPTION_KEY": GIVEN, "ROOT_ENCRYPTION_KEY": ROOT}
SETTINGS = {"ENCRYPTION_KEY": "encryptionKey", "ROOT_ENCRYPTION_KEY": "rootEncryptionKey"}


def keep(before: State, given: Mapping[str, str], *, replaceable: str | None = None) -> None:
    keys: dict[str, Any] = {SETTINGS[variable]: value for variable, value in given.items()}
    settings = settings_of(infisical={"replaceEncryptionKey": replaceable} if replaceable else {}, **keys)
    run(lambda _: refuse_key_change(settings, last_state(), Commands("project", "stack")), state=before)


def refusal(before: State, given: Mapping[str, str], *, replaceable: str | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        keep(before, given, replaceable=replaceable)
    message = str(caught.value)
    assert not [value for value in (GENERATED, GIVEN, OTHER, ROOT, OTHER_ROOT) if value in message]
    return message


@pytest.mark.parametrize(
    ("before", "given"),
    [
        ({}, {}),
        ({}, {"ENCRYPTION_KEY": GIVEN}),
        ({"ENCRYPTION_KEY": GENERATED}, {}),
        ({"ENCRYPTION_KEY": GENERATED}, {"ENCRYPTION_KEY": GENERATED}),  # taken over into the stack file
        ({"ENCRYPTION_KEY": GIVEN}, {"ENCRYPTION_KEY": GIVEN}),
        ({"ROOT_ENCRYPTION_KEY": ROOT}, {"ROOT_ENCRYPTION_KEY": ROOT}),
        (BOTH, BOTH),
        # Infisical goes on with the one it has: upstream takes ENCRYPTION_KEY first.
        ({"ENCRYPTION_KEY": GIVEN}, BOTH),
    ],
)
def test_the_same_key_is_used_again(before: dict[str, str], given: dict[str, str]) -> None:
    keep(deployed(**before), given)


@pytest.mark.parametrize(
    ("before", "given", "remedy"),
    [
        ({"ENCRYPTION_KEY": GENERATED}, {"ENCRYPTION_KEY": GIVEN}, "config rm --stack stack 'project:encryptionKey'"),
        (
            {"ENCRYPTION_KEY": GENERATED},
            {"ROOT_ENCRYPTION_KEY": ROOT},
            "config rm --stack stack 'project:rootEncryptionKey'",
        ),
        ({"ENCRYPTION_KEY": GIVEN}, {}, "config set --stack stack --secret 'project:encryptionKey'"),
        (
            {"ENCRYPTION_KEY": GIVEN},
            {"ENCRYPTION_KEY": OTHER},
            "config set --stack stack --secret 'project:encryptionKey'",
        ),
        ({"ROOT_ENCRYPTION_KEY": ROOT}, {}, "config set --stack stack --secret 'project:rootEncryptionKey'"),
        (
            {"ROOT_ENCRYPTION_KEY": ROOT},
            {"ROOT_ENCRYPTION_KEY": OTHER_ROOT},
            "config set --stack stack --secret 'project:rootEncryptionKey'",
        ),
        (
            {"ROOT_ENCRYPTION_KEY": ROOT},
            {"ENCRYPTION_KEY": GIVEN},
            "config set --stack stack --secret 'project:rootEncryptionKey'",
        ),
        (
            {"ROOT_ENCRYPTION_KEY": ROOT},
            BOTH,
            "config rm --stack stack 'project:encryptionKey'",
        ),
        (
            BOTH,
            {"ENCRYPTION_KEY": GIVEN},
            "config set --stack stack --secret 'project:rootEncryptionKey'",
        ),
        (
            BOTH,
            {"ROOT_ENCRYPTION_KEY": ROOT},
            "config set --stack stack --secret 'project:encryptionKey'",
        ),
    ],
)
def test_a_different_key_is_refused_with_the_way_back(
    before: dict[str, str], given: dict[str, str], remedy: str
) -> None:
    message = refusal(deployed(**before), given)
    assert remedy in message
    keep(deployed(**before), given, replaceable=message.split()[-1])


def test_a_key_that_infisical_itself_made_has_a_way_on() -> None:
    """Upstream's rotation: the admin panel shows a new key, and the database then opens with either."""
    message = refusal(deployed(ENCRYPTION_KEY=GENERATED), {"ENCRYPTION_KEY": GIVEN})
    assert "Admin > Encryption" in message
    [runbook] = re.findall(r"docs/runbooks/\S+", message)
    assert (ROOT_FOLDER / runbook).exists()
    keep(deployed(ENCRYPTION_KEY=GENERATED), {"ENCRYPTION_KEY": GIVEN}, replaceable=message.split()[-1])


@pytest.mark.parametrize(("variable", "key"), [("ENCRYPTION_KEY", GIVEN), ("ROOT_ENCRYPTION_KEY", ROOT)])
def test_a_key_is_called_by_the_label_that_infisical_prints(variable: str, key: str) -> None:
    """SHA-256 over upstream's domain (getKekLabel) and the 32 bytes which are the key."""
    raw = base64.b64decode(key) if variable == "ROOT_ENCRYPTION_KEY" else key.encode()
    label = hashlib.sha256(b"infisical:kek-fingerprint:v1" + raw).hexdigest()[:32]
    assert refusal(deployed(**{variable: key}), {"ENCRYPTION_KEY": OTHER}).split()[-1] == label


def test_two_keys_are_replaced_one_after_the_other() -> None:
    before, given = deployed(ENCRYPTION_KEY=GIVEN, ROOT_ENCRYPTION_KEY=ROOT), {"ENCRYPTION_KEY": OTHER}
    first = refusal(before, given).split()[-1]
    assert refusal(before, given, replaceable=first).split()[-1] != first


def test_leave_to_replace_one_key_is_none_for_the_next() -> None:
    fingerprint = refusal(deployed(ENCRYPTION_KEY=GIVEN), {"ENCRYPTION_KEY": OTHER}).split()[-1]
    with pytest.raises(Refusal):
        keep(deployed(ENCRYPTION_KEY=OTHER), {"ENCRYPTION_KEY": GIVEN}, replaceable=fingerprint)


def test_the_program_ends_before_it_makes_anything() -> None:
    before = deployed(ENCRYPTION_KEY=GIVEN)
    with pytest.raises(pulumi.RunError, match=r"encrypted under a different key") as caught:
        platform(state=before, encryptionKey=OTHER)
    fingerprint = str(caught.value).split()[-1]
    graph = platform(state=before, encryptionKey=OTHER, infisical={"replaceEncryptionKey": fingerprint})
    assert graph["Secret/infisical-secrets"]["stringData", "ENCRYPTION_KEY"] == OTHER


BEING_WRITTEN = "failed to load checkpoint: EOF"


class Refusing(Providers):
    """Can't read the state the first `times`."""

    def __init__(self, times: int, details: str) -> None:
        super().__init__()
        self.times = times
        self.details = details
        self.calls = 0
        self.names: list[str] = []

    def call(self, args: MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]]]:
        self.calls += 1
        self.names.append(args.args["stackName"])
        if self.calls <= self.times:
            raise Refused(self.details)
        return super().call(args)


class Refused(grpc.RpcError):
    """As the engine refuses a call."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


def read() -> None:
    last_state()


def test_a_state_that_is_being_written_is_read_again() -> None:
    providers = Refusing(4, BEING_WRITTEN)
    record(read, providers)
    assert providers.calls == 5


def test_a_backend_whose_stacks_have_no_project_is_asked_for_the_name_alone() -> None:
    """A folder or bucket from before Pulumi 3.61 has them so, and keeps them so."""
    providers = Refusing(1, "a stack name may only contain alphanumeric, hyphens, underscores, or periods")
    record(read, providers)
    assert providers.calls == 2
    assert [name.count("/") for name in providers.names] == [2, 0]


@pytest.mark.parametrize(("details", "calls"), [(BEING_WRITTEN, 5), ("incorrect passphrase", 1)])
def test_a_state_that_can_not_be_read_ends_the_program(details: str, calls: int) -> None:
    providers = Refusing(9, details)
    with pytest.raises(Exception, match=details):
        record(read, providers)
    assert providers.calls == calls


FIPS = "docker.io/infisical/infisical-fips:v0.165.8"


def admit_image(image: str, before: State, **keys: str) -> None:
    settings = settings_of(infisical={"image": image}, **keys)
    run(lambda _: refuse_fips_on_an_empty_database(settings, last_state(), Commands("project", "stack")), state=before)


def test_the_image_for_fips_140_is_refused_where_a_first_key_is_made() -> None:
    """On an empty database it takes a key in base64 alone, and no setting leads to one."""
    with pytest.raises(Refusal, match=r"infisical\.image: on an empty database the image for FIPS 140"):
        admit_image(FIPS, {})
    with pytest.raises(Refusal, match="FIPS 140"):
        admit_image("registry.example.org/infisical:v0.165.8-fips", {})


def test_the_image_for_fips_140_may_follow_another_and_a_key_may_come_along() -> None:
    admit_image(FIPS, deployed(ENCRYPTION_KEY=GENERATED))
    admit_image(FIPS, {}, encryptionKey=GIVEN)
    admit_image("fips.example.org/fips/infisical:v0.165.8", {})
