"""Tell what people have renamed or deleted in Infisical from what was never there.

Made a second time it would begin with the first values of everything, which the operator would then bring to the pods.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from application_plan import Found
from application_server import Server
from application_unseen import every_project
from application_wish import PEOPLE, STACK, Application
from job import Failed

Object = dict[str, Any]

_SLUG = re.compile(r"(?=.{5,36}$)[a-z0-9]+(-[a-z0-9]+)*")  # what a stack file may have (application_types.py)


def refuse_renamed(application: Application, server: Server, marker: str, anew: str) -> None:
    """Raise Failed where the project that the stack has made for an application has a different slug.

    A run of the schedule makes none in any case. `anew` is what has an `up` make it, and empty in an `up`.
    """
    named = f"`applications.{application.name}`"
    for each in every_project(server):
        slug, description = str(each["slug"]), str(each.get("description") or "")
        if slug != application.slug and description.startswith(marker) and named in description:
            or_set = f", or set `project` of the application to {slug}" if _SLUG.fullmatch(slug) else ""
            raise Failed(
                f"there is no project {application.slug}, and {slug} is the one that the stack has made for the "
                f"application. Change its slug to {application.slug} in the web UI (Project Settings){or_set}"
            )
    if anew:
        raise Failed(f"project {application.slug} is gone. Restore it or its slug in the web UI. {anew}")


def renamed_environments(application: Application, found: Found) -> Iterator[str]:
    """Yield why an environment must not be made: one that the stack doesn't name has the secrets that it would get."""
    theirs = {
        place: each.comment.startswith((STACK, PEOPLE))
        for place, each in found.secrets.items()
        if place[0] not in application.environments and place not in application.removed
    }
    for missing in application.environments.keys() - found.environments.keys():
        wanted = {secret.place[1:] for secret in application.secrets if secret.place[0] == missing}
        for other in sorted({place[0] for place, marked in theirs.items() if marked and place[1:] in wanted}):
            yield (
                f"there is no environment {missing}, and {other}, which the stack does not name, has its secrets. "
                f"Change the slug of {other} to {missing} in the web UI (Project Settings), or name it {other} in the "
                f"stack file. If {missing} is to begin anew, list what {other} has from the stack in `removed`"
            )


def scheduled(application: Application, project: Object, anew: str) -> tuple[Application, list[str]]:
    """Return what a run of the schedule keeps of an application, and what it would have to make instead, as drift.

    It puts back what the stack keeps, and makes no environment and no first value of people's: those may be renamed, or
    deleted by mistake, and restored. It changes nobody's rights: an admin may just have taken them away. `anew` is what
    has an `up` make them.
    """
    gone = [each for each in application.environments if each not in {one["slug"] for one in project["environments"]}]
    secrets = tuple(
        replace(each, value=None) if each.owner == "people" else each
        for each in application.secrets
        if each.place[0] not in gone
    )
    kept = replace(
        application,
        environments={slug: name for slug, name in application.environments.items() if slug not in gone},
        secrets=secrets,
        licensed={},
    )
    return kept, [f"environment {each} is gone. Restore it or its slug in the web UI. {anew}" for each in gone]


def made_anew(namespace: str) -> str:
    """Return how something is made again that only an `up` makes."""
    return (
        "To have it made anew, with the values that the stack has: `kubectl delete job application-secrets -n "
        f"{namespace}`, `make refresh STACK=NAME`, `pulumi up --stack NAME`"
    )
