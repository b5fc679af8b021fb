"""Proves the operator by a secret of the stack's own: it arrives, changes in Infisical, and arrives again.

That a secret arrives once proves little. The operator's log-in, its list of projects and its schedule may each end with
the first time, and it says that all is well in any case.
"""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

from application_plan import Plan, Write
from application_server import Server
from application_wish import Place, Secret, shown
from infisical_api import InfisicalApi, stack_login
from job import Failed, Pending, Report, run, wait
from kube import Api, path


@dataclass(frozen=True)
class Config:
    """project: a slug; namespace and secret: where it is delivered; why: the command that tells what the operator does.

    anew: the commands that provision it anew. `deadline_seconds` hold for both arrivals together.
    """

    address: str
    project: str
    environment: str
    key: str
    namespace: str
    secret: str
    why: str
    anew: str
    deadline_seconds: float
    bootstrap: str = "/bootstrap"


class Canary:
    """The secret in Infisical, and the Secret that the operator makes of it."""

    def __init__(self, config: Config, server: Server, kube: Api) -> None:
        self.config, self.server, self.kube = config, server, kube
        self.place: Place = (config.environment, "/", config.key)
        found = [each for each in server.projects() if each["slug"] == config.project]
        if not found:
            raise Failed(f"project {config.project} is gone, which proves the operator. {config.anew} makes it again")
        self.project = found[0]

    def kept(self) -> str:
        """Return the value that Infisical has. Raises Failed where it has none."""
        stored = self.server.found(self.project, {self.config.environment}).secrets.get(self.place)
        if stored is None:
            raise Failed(f"project {self.config.project} has no {shown(self.place)}")
        return stored.value

    def change(self) -> str:
        """Write a different value, which is no secret, and return it."""
        value = secrets.token_hex(16)
        environment, folder, key = self.place
        entry = (key, value, Secret(self.place, "people").comment)
        plan = Plan(writes=(Write("update", environment, folder, (entry,)),))
        if self.server.act(self.project["id"], plan):
            raise Failed(
                f"a policy makes every change of {shown(self.place)} a request for approval. Exempt its folder"
            )
        return value

    def delivered(self, value: str, otherwise: str) -> None:
        """Raise Pending unless the cluster has this value."""
        where = path("secrets", self.config.namespace, self.config.secret)
        data: dict[str, str] = (self.kube.find(where) or {}).get("data") or {}
        if base64.b64decode(data.get(self.config.key, "")) != value.encode():
            name = f"Secret {self.config.namespace}/{self.config.secret}"
            raise Pending(f"{otherwise.format(name)}. `{self.config.why}` tells why")


_NEVER = "the operator has not brought {} what Infisical has"
_ONCE = "the operator has brought {} once, and not what Infisical has since it was changed there"


def main(config: Config, report: Report) -> str:
    """Wait for both arrivals."""
    bootstrap = {each.name: each.read_text().strip() for each in Path(config.bootstrap).glob("[a-z]*")}
    api = InfisicalApi(config.address, deadline_seconds=config.deadline_seconds)

    def log_in() -> Server:
        return Server(stack_login(api, bootstrap))

    canary = Canary(config, log_in(), Api())

    def arrives(value: str, otherwise: str) -> None:
        left = config.deadline_seconds - report.elapsed
        wait(lambda: canary.delivered(value, otherwise), report, deadline_seconds=left)

    arrives(canary.kept(), _NEVER)
    canary.server = log_in()  # the first one may have ended meanwhile
    value, began = canary.change(), report.elapsed
    arrives(value, _ONCE)
    return f"a secret that changed in Infisical was in the cluster {report.elapsed - began:.1f} s later"


if __name__ == "__main__":
    run("operator-canary", Config, main)
