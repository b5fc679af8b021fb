"""Find what the stack has made in Infisical and no longer asks for."""

from collections.abc import Collection
from typing import Any

from application_identity import take
from application_owner import Owner
from application_renamed import refuse_renamed
from application_server import Server
from application_unseen import every_project
from application_wish import Application


def retire(application: Application, project: dict[str, Any] | None, server: Server, owner: Owner) -> list[str]:
    """Delete the project of an application, and the operator's identity. Return, as drift, what can't be deleted."""
    take(application, server, owner.organization, owner.marker)
    if project:
        refusal = server.delete(project)
        return [refusal] if refusal else []
    refuse_renamed(application, server, owner.marker, anew="")
    return [
        f"project {application.slug} is the stack's, and is still there: the stack's identity is not in it, and can't "
        "delete it. Delete it in the web UI"
        for each in every_project(server)
        if each["slug"] == application.slug and owner.has(each)
    ]


def ended_proof(canary: str, wished: Collection[str], server: Server, owner: Owner) -> list[Application]:
    """Return the project that has proven an operator which is gone, to be retired. Nobody has a secret there."""
    if canary in wished:
        return []
    left = any(each["slug"] == canary and owner.has(each) for each in server.projects())
    return [Application(name=canary, slug=canary, retired=True)] if left else []


def left_projects(known: Collection[str], server: Server, owner: Owner) -> list[str]:
    """Return the stack's projects that no application has, as drift."""
    return [
        f"project {each['slug']} is the stack's, and no application has it. Delete it in the web UI, or take the "
        "beginning off its description"
        for each in server.projects()
        if each["slug"] not in known and owner.has(each)
    ]
