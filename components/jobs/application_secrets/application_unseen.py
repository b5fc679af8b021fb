"""Tell an application's project from others', and from those that the stack's account is not in, and is not shown."""

from typing import Any

from application_owner import Owner
from application_server import Server
from application_wish import Application
from infisical_api import ApiError, provisioner
from job import Failed, Pending

Object = dict[str, Any]


def own_project(application: Application, server: Server, owner: Owner) -> Object | None:
    """Return the project. Raises Failed where it isn't the application's."""
    project = next((each for each in server.projects() if each["slug"] == application.slug), None)
    if project:
        owner.require(project, application.name)
    return project


def every_project(server: Server) -> list[Object]:
    """Return the organisation's projects, or those that this account is in where it is shown no others."""
    try:
        return [*server.projects(), *server.every_project()]
    except ApiError as error:
        if not 400 <= error.status < 500 or error.status == 429:
            raise
        return server.projects()  # a release that shows the others to people alone


def unlisted(slug: str) -> Pending:
    """Return that a project is not listed: a database that is read from replicas shows what was made a moment later."""
    return Pending(
        f"the organisation has a project {slug}, which Infisical does not list for the stack's own account. Run "
        "`pulumi up` again, or set `project` of the application to a different slug"
    )


def refuse_unseen(application: Application, server: Server, owner: Owner) -> None:
    """Raise Failed where there is a project with the application's slug."""
    slug = application.slug
    for each in server.every_project():
        if each["slug"] == slug:
            owner.require(each, application.name)
            account = provisioner(owner.stack)
            raise Failed(
                f"project {slug} is the stack's, and the stack's identity {account} is not in it: it was made anew "
                "since. Infisical lets no machine in by itself. As an admin of the organisation, open the project "
                "in the web UI, add this identity there with the role Admin, and run `pulumi up` again"
            )
