"""Rules over what applications ask for. Each takes the keys at the top that it judges by name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from settings.applications import (
    BUILT_IN_ROLES,
    CANARY,
    ApplicationSettings,
    Encrypted,
    Named,
    PeopleOwned,
    project_slug,
    secrets_of,
)
from settings.delivery import keys_of_type
from settings.machinery.finding import Finding, key_path
from settings.machinery.stored_value import is_kept
from settings.organization import OrganizationSettings
from settings.sign_on import SignOnSettings

Findings = Iterator[Finding]
Applications = Mapping[str, ApplicationSettings]

LICENCE = ("LICENSE_KEY", "LICENSE_KEY_OFFLINE")
_MOST_BYTES = 900_000  # of all values: a Secret of Kubernetes has at most 1 MiB
_LONGEST = 900_000  # bytes of one as JSON: Infisical takes no request of more than 1 MiB
_MOST_NAMES = 1_000_000  # bytes: a ConfigMap has at most 1 MiB too
_ENTRY = 100  # bytes that JSON has around the names of one, at most
_MOST_SECRETS = 5000  # of a stack


def _in(name: str, *parts: str | int) -> str:
    return key_path("applications", name, *parts)


def somebody_provisions(applications: Applications, organization: OrganizationSettings | None) -> Findings:
    """Require the organisation, whose account makes the projects of applications."""
    if applications and not organization:
        names = ", ".join(applications)
        reason = f"required, but not set. The stack can make what {names} gets only in an organisation that it set up"
        for key in ("name", "admin"):
            yield Finding(f"organization.{key}", reason, "set")


def environments_exist(applications: Applications) -> Findings:
    """Require environments, and that whatever names one names one of them."""
    for name, application in applications.items():
        if application.retired:
            continue
        if not application.environments:
            yield Finding(
                _in(name, "environments"), "required, but not set. Infisical keeps secrets in environments", "set"
            )
            continue
        for place, environment in _named_environments(application):
            if environment not in application.environments:
                known = ", ".join(application.environments)
                if place[0] == "secrets":  # a command for the key itself would overwrite what is in it
                    reason = f"required, but not set. {key_path(*place)} is for it, and environments has {known}"
                    yield Finding(_in(name, "environments", environment), f"{reason}. Or correct the name there", "set")
                    continue
                yield Finding(_in(name, *place), f"there is no environment {environment}. environments has {known}")


def _named_environments(application: ApplicationSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for environment in application.secrets:
        yield ("secrets", environment), environment
    for number, delivery in enumerate(application.deliver):
        yield ("deliver", number, "environment"), delivery.environment
    for number, approval in enumerate(application.approvals):
        yield ("approvals", number, "environment"), approval.environment
    for slug, role in application.roles.items():
        for number, permission in enumerate(role.permissions):
            for place, environment in enumerate(permission.environments):
                yield ("roles", slug, "permissions", number, "environments", place), environment


def projects_are_apart(applications: Applications) -> Findings:
    """Refuse two applications with one project, because the project is what keeps them apart."""
    owners = {CANARY: "the proof of the operator"}
    for name, application in applications.items():
        if name == CANARY:
            yield Finding(_in(name), "the stack calls the proof of its operator so. Choose a different name")
            continue
        slug = project_slug(name, application)
        if slug in owners:
            reason = f"{owners[slug]} has the project {slug} already. Each application needs a project of its own"
            yield Finding(_in(name, "project"), reason, "set")
        owners.setdefault(slug, name)


def values_can_be_stored(applications: Applications) -> Findings:
    """Refuse values that Infisical or Kubernetes can't hold."""
    size = count = 0
    for name, application in applications.items():
        for secret in secrets_of(application):
            count += 1
            try:
                value = _bytes(secret)
            except ValueError:
                continue  # reported by its encrypted key
            size += len(value)
            yield from _fits_a_request(name, secret, value)
            yield from _begins_as_text(name, secret)
    if size > _MOST_BYTES:
        reason = (
            f"the values are {size} bytes together, and the Secret that has them can hold no more than {_MOST_BYTES}"
        )
        yield Finding("applications", reason)
    if count > _MOST_SECRETS:
        yield Finding("applications", f"a stack has at most {_MOST_SECRETS} secrets. Divide them among stacks")


def _bytes(secret: Named) -> bytes:
    match secret.source:
        case Encrypted() as source:
            return source.bytes
        case str() as text:
            return text.encode()
        case _:
            return b""


def _fits_a_request(name: str, secret: Named, value: bytes) -> Findings:
    length = len(base64.b64encode(value) if secret.encoded else json.dumps(value.decode()))
    if length > _LONGEST:
        reason = (
            f"its value makes a request of {length} bytes, and Infisical takes no value of more than {_LONGEST}, as "
            "JSON or base64 writes them. Give it to pods by a volume or an image"
        )
        yield Finding(_in(name, "secrets", secret.environment, secret.path, secret.key), reason)


def _begins_as_text(name: str, secret: Named) -> Findings:
    """Refuse to begin with what would be stored in base64, because people would go on with text."""
    source = secret.source
    if not isinstance(secret.value, PeopleOwned) or source is None or secret.encoded:
        return
    coded = isinstance(source, Encrypted) and source.encoding == "base64"
    text = "" if coded else _bytes(secret).decode()
    if coded or not is_kept(text):
        place = _in(name, "secrets", secret.environment, secret.path, secret.key, "initial")
        reason = (
            "Infisical doesn't keep this value as it is (blanks around it, ${, NUL or bytes), and people could not go "
            "on with its base64"
        )
        yield Finding(place, reason)


def names_fit_config_maps(applications: Applications) -> Findings:
    """Refuse more names than the ConfigMaps hold by which the Jobs of provisioning and of delivery are told them."""
    wished = delivered = 0
    for name, application in applications.items():
        for secret in secrets_of(application):
            wished += _ENTRY + len(name + secret.environment + secret.path + secret.key)
        for delivery in application.deliver:
            keys = delivery.keys or dict.fromkeys(
                application.secrets.get(delivery.environment, {}).get(delivery.path, ())
            )
            delivered += sum(_ENTRY + len(name + key + (secret or key)) for key, secret in keys.items())
    for what, size in (("secrets and their folders", wished), ("delivered keys", delivered)):
        if size > _MOST_NAMES:
            reason = (
                f"the names of {what} are {size} bytes together, and the ConfigMap that has them can hold no more than "
                f"{_MOST_NAMES}. Shorten them, deliver fewer, or divide the applications among stacks"
            )
            yield Finding("applications", reason)


def removed_is_removed(applications: Applications) -> Findings:
    """Refuse to delete what the stack also asks for."""
    for name, application in applications.items():
        there = {(each.environment, each.path, each.key) for each in secrets_of(application)}
        for environment, folders in application.removed.items():
            for path, keys in folders.items():
                for number, key in enumerate(keys):
                    if (environment, path, key) in there:
                        place = _in(name, "removed", environment, path, number)
                        yield Finding(
                            place, f"secrets has {key} too, so it would be written and deleted in turn", "remove"
                        )


def deliveries_have_something(applications: Applications) -> Findings:
    """Require the folder and the keys that are delivered, and a Secret for each delivery."""
    taken: dict[tuple[str, str], str] = {}
    joined: dict[str, str] = {}  # names with which the stack tells its deliveries apart
    for name, application in applications.items():
        for number, delivery in enumerate(application.deliver):
            place, target = _in(name, "deliver", number), (delivery.namespace, delivery.secret)
            keys = application.secrets.get(delivery.environment, {}).get(delivery.path, {})
            if target in taken:
                reason = f"{taken[target]} delivers into {'/'.join(target)} already, and each would undo the other"
                yield Finding(key_path(place, "secret"), reason)
            elif (other := joined.setdefault("-".join(target), place)) != place:
                reason = f"with its namespace it is {'-'.join(target)}, and so is that of {other}. Name one otherwise"
                yield Finding(key_path(place, "secret"), reason)
            taken.setdefault(target, place)
            if not keys and delivery.environment in application.environments:
                folder = f"secrets.{delivery.environment} has nothing in {delivery.path}"
                yield Finding(key_path(place, "path"), f"{folder}, so the Secret would be empty")
            elif lacking := sorted(set(delivery.keys.values()) - keys.keys()):
                yield Finding(key_path(place, "keys"), f"the folder {delivery.path} has no {', '.join(lacking)}")
            elif not delivery.keys and (lacking := sorted(keys_of_type(delivery.type) - keys.keys())):
                reason = f"a Secret of type {delivery.type} needs {' and '.join(lacking)}. Name them in keys"
                yield Finding(key_path(place, "type"), reason)


def roles_exist(applications: Applications) -> Findings:
    """Require the role that people are given."""
    for name, application in applications.items():
        for section in ("people", "groups"):
            for role in getattr(application, section):
                if role not in BUILT_IN_ROLES | application.roles.keys():
                    known = ", ".join([*sorted(BUILT_IN_ROLES), *application.roles])
                    yield Finding(_in(name, section, role), f"there is no such role. There are {known}", "remove")
        for slug in application.roles.keys() & BUILT_IN_ROLES:
            yield Finding(_in(name, "roles", slug), "Infisical has a role of this slug itself", "remove")


def approvals_leave_the_stack_alone(applications: Applications) -> Findings:
    """Refuse to guard what the stack itself writes: its changes would only be requests, and never come into force."""
    for name, application in applications.items():
        for number, approval in enumerate(application.approvals):
            values = application.secrets.get(approval.environment, {}).get(approval.path, {}).values()
            if any(not isinstance(value, PeopleOwned) for value in values):
                reason = f"the stack keeps secrets of {approval.path} itself, and its changes would only be requests"
                yield Finding(_in(name, "approvals", number, "path"), reason)
            if approval.required > len(approval.approvers):
                reason = f"there are {len(approval.approvers)} approvers, so nothing would ever be consented to"
                yield Finding(_in(name, "approvals", number, "required"), reason)


def licence_is_there(
    applications: Applications,
    sign_on: SignOnSettings,
    extra_environment: Mapping[str, str],
    extra_secrets: Mapping[str, SecretStr],
) -> Findings:
    """Refuse what Infisical does with a licence alone. Without one it answers "due to plan restriction"."""
    if set(LICENCE) & {*extra_environment, *extra_secrets}:
        return
    for name, application in applications.items():
        for section in ("roles", "groups", "approvals"):
            if getattr(application, section):
                yield Finding(_in(name, section), f"Infisical does this with a licence alone. {_NO_LICENCE}", "remove")
    if sign_on.saml and sign_on.saml.configured:
        yield Finding("signOn.saml.configured", f"Infisical has SAML with a licence alone. {_NO_LICENCE}")


_NO_LICENCE = "The stack has none: it is extraSecrets.LICENSE_KEY"

APPLICATION_RULES = (
    somebody_provisions,
    environments_exist,
    projects_are_apart,
    values_can_be_stored,
    names_fit_config_maps,
    removed_is_removed,
    deliveries_have_something,
    roles_exist,
    approvals_leave_the_stack_alone,
    licence_is_there,
)
