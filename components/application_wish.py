"""Write what applications ask of Infisical as the Job that provisions them reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from components.base.content import digest
from settings.applications import ApplicationSettings, Generated, Named, PeopleOwned, project_slug, secrets_of


def file_of(application: str, secret: Named) -> str:
    """Return the key of the Secret with the stack's values where a secret's value is."""
    return f"{application}-{digest([secret.environment, secret.path, secret.key])}"


def wishes(applications: Mapping[str, ApplicationSettings]) -> dict[str, str]:
    """Return the structure of each application as JSON. It has no value."""
    return {f"{name}.json": json.dumps(_wish(name, each), sort_keys=True) for name, each in applications.items()}


def _wish(name: str, application: ApplicationSettings) -> dict[str, object]:
    people: dict[str, list[str]] = {}
    for role, addresses in application.people.items():
        for address in addresses:
            people.setdefault(address.lower(), []).append(role)
    licensed = application.model_dump(mode="json", include={"roles", "groups", "approvals"})
    return {
        "name": name,
        "slug": project_slug(name, application),
        "environments": application.environments,
        "people": people,
        "secrets": [] if application.retired else [_secret(name, each) for each in secrets_of(application)],
        "removed": [
            [environment, path, key]
            for environment, folders in application.removed.items()
            for path, keys in folders.items()
            for key in keys
        ],
        "retired": application.retired,
        "licensed": {key: value for key, value in licensed.items() if value},
    }


def _secret(application: str, secret: Named) -> dict[str, object]:
    owner = "people" if isinstance(secret.value, PeopleOwned) else "stack"
    file = {"file": file_of(application, secret)} if secret.source is not None else {}
    place = [secret.environment, secret.path, secret.key]
    made = {"generated": True} if owner == "stack" and isinstance(secret.source, Generated) else {}
    return {"place": place, "owner": owner, "encoded": secret.encoded, **file, **made}
