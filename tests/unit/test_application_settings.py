"""What applications may ask for, how their encrypted keys are found, and that each fault is named with its way out."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from moved_value import stored

import settings
from settings.applications import Encrypted, Generated, PeopleOwned, project_slug, secrets_of
from settings.machinery.finding import key_path
from settings.machinery.stored_value import is_kept
from tests.unit.configurations import SMALLEST
from tests.unit.harness import COMMANDS, ORGANIZATION, PROJECT, SHOP

Config = dict[str, Any]
NEEDED: Config = {"secretsOperator": {}, "organization": ORGANIZATION}
TYPE = "infisical-platform:components:ApplicationSecrets"
SECRET = "postgresql://shop:hunter2-XJ4@db/shop"
GIVEN = {"shopDatabaseUrl": SECRET}


def load(
    applications: Config, encrypted: Mapping[str, str] = GIVEN, plain: Mapping[str, str] = {}, **beside: Any
) -> settings.Settings:
    config = {**SMALLEST, "applications": applications, **NEEDED, **beside}
    values = {f"{PROJECT}:{key}": v if isinstance(v, str) else json.dumps(v) for key, v in config.items()}
    values |= {f"{PROJECT}:{key}": value for key, value in {**encrypted, **plain}.items()}
    secret = [*encrypted, *(key for key in beside if key in ("extraSecrets", "generatedValues"))]
    return settings.load(COMMANDS, values, [f"{PROJECT}:{key}" for key in secret])


def shop(path: str = "", value: Any = None) -> Config:
    """Return the sample with one change, at a path in which parts are divided by blanks."""
    application = copy.deepcopy(SHOP)
    if path:
        *parents, last = path.split()
        section: Any = application
        for parent in parents:
            section = section[int(parent)] if isinstance(section, list) else section.setdefault(parent, {})
        section[int(last) if isinstance(section, list) else last] = value
    return {"shop": application}


def complaints(applications: Config, encrypted: Mapping[str, str] = GIVEN, **more: Any) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        load(applications, encrypted, **more)
    assert SECRET not in str(caught.value)
    return str(caught.value).splitlines()[1:]


# --- what is right ---------------------------------------------------------------------------------------------------


def test_the_sample_loads_with_a_value_of_each_kind() -> None:
    application = load(shop()).applications["shop"]
    found = {each.key: each.value for each in secrets_of(application)}
    assert found["FEATURES"] == "search,cart"
    assert isinstance(found["SESSION_KEY"], Generated)
    assert isinstance(found["STRIPE_KEY"], PeopleOwned)
    source = found["DATABASE_URL"]
    assert isinstance(source, Encrypted)
    assert source.bytes == SECRET.encode()
    assert SECRET not in repr(application)


def test_a_stack_without_applications_has_none() -> None:
    assert load({}, {}).applications == {}


def test_whole_numbers_are_text() -> None:
    """`pulumi config set --path` writes them without quotes."""
    application = load(shop("secrets prod / PORT", 8080)).applications["shop"]
    assert {each.key: each.value for each in secrets_of(application)}["PORT"] == "8080"


@pytest.mark.parametrize(
    ("name", "project", "slug"),
    [("shop", None, "shop-app"), ("store", None, "store"), ("shop", "shop-2", "shop-2")],
)
def test_a_project_has_a_slug_that_infisical_takes(name: str, project: str | None, slug: str) -> None:
    application = shop("project", project)["shop"]
    loaded = load({name: {key: value for key, value in application.items() if value is not None}})
    assert project_slug(name, loaded.applications[name]) == slug


def test_bytes_are_given_in_base64() -> None:
    value = {"from": "shopDatabaseUrl", "encoding": "base64"}
    application = load(shop("secrets prod / KEYSTORE", value), {"shopDatabaseUrl": "AP8="}).applications["shop"]
    keystore = next(each for each in secrets_of(application) if each.key == "KEYSTORE")
    assert isinstance(keystore.value, Encrypted)
    assert keystore.value.bytes == b"\x00\xff"
    assert keystore.encoded


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("a", True),
        ("a b", True),
        ("a\nb\n", True),
        ("a\r\nb", True),
        ("$HOME", True),
        ("${HOME}", False),
        (" a", False),
        ("a ", False),
        ("a\n\n", False),
        ("a\r\n", False),
        ("\ufeffa", False),
        ("a\0b", False),
        ("\n", True),
    ],
)
def test_what_infisical_would_change_is_stored_in_base64(value: str, kept: bool) -> None:
    """By the script that moves secrets too, which can't import the settings' own rule."""
    assert is_kept(value) is kept
    text, encoded = stored(value.encode())
    assert encoded is not kept
    assert (text == value) is kept
    assert is_kept(text)


def test_people_are_named_in_lowercase_as_infisical_has_them() -> None:
    """It refuses to invite Dev@Example.org, and lists who is there as dev@example.org."""
    change = {"viewer": ["Dev@Example.org"], "admin": ["dev@example.org"]}
    assert load(shop("people", change)).applications["shop"].people == {
        "viewer": ("dev@example.org",),
        "admin": ("dev@example.org",),
    }


def test_people_may_keep_bytes_in_base64() -> None:
    application = load(shop("secrets prod / KEY", {"owner": "people", "encoding": "base64"})).applications["shop"]
    assert [each.key for each in secrets_of(application) if each.encoded] == ["KEY"]


# --- encrypted keys --------------------------------------------------------------------------------------------------


def test_a_key_that_is_missing_is_named_with_the_command_that_sets_it() -> None:
    [line] = complaints(shop(), {})
    assert line.startswith("- shopDatabaseUrl: required, but not set. applications.shop.secrets.prod")
    assert line.endswith(f"Set it: pulumi config set --stack dev --secret '{PROJECT}:shopDatabaseUrl'")


def test_a_key_in_plain_text_is_refused() -> None:
    [line] = complaints(shop(), {}, plain=GIVEN)
    assert line.startswith("- shopDatabaseUrl: it stands in plain text")
    assert "--secret" in line


def test_an_empty_key_is_refused() -> None:
    [line] = complaints(shop(), {"shopDatabaseUrl": ""})
    assert line.startswith("- shopDatabaseUrl: it is encrypted and empty")


def test_a_key_that_nothing_names_is_refused() -> None:
    [line] = complaints(shop(), {**GIVEN, "shopDatabaseUrI": "x" * 9})
    assert line.startswith("- shopDatabaseUrI: there is no such key, and no application takes a value {from: it}")
    assert line.endswith(f"Remove it: pulumi config rm --stack dev '{PROJECT}:shopDatabaseUrI'")


@pytest.mark.parametrize("key", ["encryptionKey", "database", "applications"])
def test_a_setting_is_no_value_of_an_application(key: str) -> None:
    [line] = complaints(shop("secrets prod / KEY", {"from": key}))
    assert line.startswith(f'- applications.shop.secrets.prod["/"].KEY.from: {key} is a setting of its own')


def test_a_key_that_is_no_base64_is_named_and_not_repeated() -> None:
    value = {"from": "shopKeystore", "encoding": "base64"}
    [line] = complaints(shop("secrets prod / KEYSTORE", value), {**GIVEN, "shopKeystore": "hunter2-*"})
    assert line.startswith("- shopKeystore: it isn't base64")
    assert "hunter2" not in line


def test_a_fault_elsewhere_makes_no_key_look_unused() -> None:
    [line] = complaints(shop("environment", {}))
    assert "applications.shop.environment: there is no such key (did you mean environments?)" in line


# --- what is wrong ---------------------------------------------------------------------------------------------------

TLS = {"environment": "prod", "namespace": "shop", "secret": "tls", "type": "kubernetes.io/tls"}
APPROVAL = {"environment": "prod", "approvers": ["a@b.org"]}
WRONG: list[tuple[str, Any, str, str]] = [
    ("environments", {}, "applications.shop.environments", "required"),
    ("environments", {"Prod": "P"}, "applications.shop.environments.Prod", "single '-'"),
    ("secrets staging", {"/": {"A": "a"}}, "applications.shop.environments.staging", "secrets.staging is for it"),
    ("secrets prod a/", {"A": "a"}, 'applications.shop.secrets.prod["a/"]', "Write a folder from the root on"),
    (f"secrets prod {'/a' * 20}", {"A": "a"}, f'applications.shop.secrets.prod["{"/a" * 20}"]', "at most 19 levels"),
    ("secrets prod / A:B", "a", 'applications.shop.secrets.prod["/"].A:B', "A key of a Kubernetes Secret"),
    ("secrets prod / A", "", 'applications.shop.secrets.prod["/"].A', "at least one character"),
    ("secrets prod / A", 1.5, 'applications.shop.secrets.prod["/"].A', "write it in quotes"),
    ("secrets prod / A", True, 'applications.shop.secrets.prod["/"].A', "write it in quotes"),
    ("secrets prod / A", ["a"], 'applications.shop.secrets.prod["/"].A', "write text in quotes"),
    ("secrets prod / A", {"form": "a"}, 'applications.shop.secrets.prod["/"].A', "write text in quotes"),
    ("secrets prod / A", {"generate": 8}, 'applications.shop.secrets.prod["/"].A.generate', "16"),
    ("secrets prod / A", {"owner": "me"}, 'applications.shop.secrets.prod["/"].A.owner', "people"),
    ("secrets prod / A", {"owner": "people", "initial": " a"}, 'applications.shop.secrets.prod["/"].A.initial', "${"),
    (
        "secrets prod / A",
        {"owner": "people", "initial": "a", "encoding": "base64"},
        'applications.shop.secrets.prod["/"].A',
        "leave initial out",
    ),
    ("secrets prod / A", "é" * 150_001, 'applications.shop.secrets.prod["/"].A', "no value of more than 900000"),
    ("secrets prod / A", " " + "x" * 700_000, 'applications.shop.secrets.prod["/"].A', "no value of more than 900000"),
    (
        "secrets prod /big",
        {f"A{n}": "x" * 90_001 for n in range(10)},
        "applications",
        "the Secret that has them can hold no more",
    ),
    ("people owner", ["a@b.org"], "applications.shop.people.owner", "there is no such role"),
    ("people viewer", ["a"], "applications.shop.people.viewer[0]", "name@host.domain"),
    ("removed", {"prod": {"/": ["FEATURES"]}}, 'applications.shop.removed.prod["/"][0]', "secrets has FEATURES too"),
    ("deliver 0 environment", "staging", "applications.shop.deliver[0].environment", "no environment staging"),
    ("deliver 0 path", "/worker", "applications.shop.deliver[0].path", "the Secret would be empty"),
    ("deliver 0 keys", {"a": "B"}, "applications.shop.deliver[0].keys", "has no B"),
    ("deliver 0 restarts", ["shop"], "applications.shop.deliver[0].restarts[0]", "deployment/NAME"),
    ("deliver 0", TLS, "applications.shop.deliver[0].type", "needs tls.crt and tls.key"),
    ("deliver 0", TLS | {"keys": {"tls.crt": "A"}}, "applications.shop.deliver[0].keys", "needs tls.key too"),
    ("deliver", [SHOP["deliver"][0]] * 2, "applications.shop.deliver[1].secret", "each would undo the other"),
    (
        "roles",
        {"auditor": {"name": "A", "permissions": [{"subject": "secrets", "actions": ["read"]}]}},
        "applications.shop.roles",
        "with a licence alone",
    ),
    ("groups", {"viewer": ["developers"]}, "applications.shop.groups", "with a licence alone"),
]


@pytest.mark.parametrize(
    ("path", "value", "key", "reason"), WRONG, ids=[f"{path}={str(v)[:30]}" for path, v, _, _ in WRONG]
)
def test_what_is_wrong_is_named(path: str, value: Any, key: str, reason: str) -> None:
    [line] = complaints(shop(path, value))
    assert line.startswith(f"- {key}: ")
    assert reason in line
    assert f"'{PROJECT}:{key}'" in line


def test_names_fit_the_config_maps_that_tell_them_to_jobs() -> None:
    keys = {f"{number:0250}": "x" for number in range(200)}
    deliver = [{**SHOP["deliver"][0], "path": "/long", "secret": f"long-{number}"} for number in range(10)]
    long = shop("secrets prod /long", keys)
    assert load(long).applications
    long["shop"]["deliver"] = deliver
    [line] = complaints(long)
    assert line.startswith("- applications: the names of delivered keys are")
    many = {f"{number:0253}": "x" for number in range(2900)}
    assert "the names of secrets and their folders are" in complaints(shop("secrets prod /long", many))[0]


def test_two_applications_have_two_projects() -> None:
    [line] = complaints({**shop(), "shop-app": {"environments": {"prod": "P"}}})
    assert line.startswith("- applications.shop-app.project: shop has the project shop-app already")


def test_a_retired_application_needs_nothing() -> None:
    assert load({"shop": {"retired": True}}, {}).applications["shop"].retired


def test_what_needs_a_licence_is_there_with_one() -> None:
    licensed = {"extraSecrets": {"LICENSE_KEY": "l" * 9}}
    assert load(shop("groups", {"viewer": ["developers"]}), **licensed).applications["shop"].groups
    [line] = complaints(shop("approvals", [APPROVAL]), **licensed)
    assert "approvals[0].path: the stack keeps secrets of / itself" in line
    [line] = complaints(shop("approvals", [APPROVAL | {"path": "/people", "required": 2}]), **licensed)
    assert "approvals[0].required: there are 1 approvers" in line


def test_saml_needs_a_licence() -> None:
    sign_on = {"saml": {"defaultOrganization": "acme-x1", "configured": True}}
    [line] = complaints(shop(), signOn=sign_on)
    assert line.startswith("- signOn.saml.configured: Infisical has SAML with a licence alone")
    assert load(shop(), signOn=sign_on, extraSecrets={"LICENSE_KEY": "l" * 9}).sign_on.saml


def test_a_path_is_one_that_pulumi_reads() -> None:
    assert key_path("a", "b", 0, "c-d_e") == "a.b[0].c-d_e"
    assert key_path("a", "/", "tls.crt", 'x"y') == 'a["/"]["tls.crt"]["x\\"y"]'
