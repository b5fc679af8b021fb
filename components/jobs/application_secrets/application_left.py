"""Find what the stack has made in Infisical and no longer asks for."""

from collections.abc import Collection

from application_owner import Owner
from application_server import Server
from application_wish import Application


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
