"""Tell what the stack has in Infisical from what other stacks and people have there."""

import re
from dataclasses import dataclass
from typing import Any

from job import Failed

_MARK = "infisical-platform "


@dataclass(frozen=True)
class Owner:
    """The stack by its ids: of its organisation in Infisical, its own, and its state's, lost with that state."""

    organization: str
    stack: str
    state: str

    @property
    def marker(self) -> str:
        """Return how the descriptions of its projects begin."""
        return f"{_MARK}{self.stack}"

    def has(self, project: dict[str, Any]) -> bool:
        """Return whether a project is the stack's."""
        return str(project.get("description") or "").startswith(self.marker)

    def require(self, project: dict[str, Any], application: str) -> None:
        """Raise Failed for a project that is not the stack's, or was made for a different application of it."""
        slug, description = str(project["slug"]), str(project.get("description") or "")
        if self.has(project):
            made_for = re.search(r"`applications\.([^`]+)`", description)
            if made_for and made_for[1] != application:
                raise Failed(
                    f"project {slug} was made for application {made_for[1]}, and what its people wrote is theirs. Set "
                    f"`project` of application {application} to a different slug. If nobody needs the project any "
                    "more, delete it in the web UI"
                )
            return
        if description.startswith(_MARK):
            other = description.removeprefix(_MARK).partition(" ")[0]
            raise Failed(
                f"project {slug} is kept by a different stack. Two stacks can't share an application. If this one "
                f"takes the place of that, set cluster.stackId to {other} (docs/runbooks/state-lost.md)"
            )
        raise Failed(
            f"project {slug} was not made by the stack. Set `project` of the application to a different slug, or let "
            f"the stack have the project: begin its description with `{self.marker}`"
        )
