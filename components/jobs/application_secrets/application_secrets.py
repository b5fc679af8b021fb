"""Make Infisical's projects what the stack says, and read them back byte for byte.

One round looks at a project, decides, and writes what differs; the next one has to find nothing left to do. So a run
that was killed anywhere is completed by the next one.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from application_generated import Generated
from application_identity import LAG_SECONDS, Operator, give
from application_left import ended_proof, left_projects, retire
from application_licensed import Kept, let_through, licensed, make_roles
from application_owner import Owner
from application_plan import Plan, decide
from application_renamed import made_anew, refuse_renamed, renamed_environments, scheduled
from application_report import hiding, requested, shortened, unwritten
from application_server import Server
from application_turn import OurTurn, Overtaken, Turn
from application_unseen import own_project, refuse_unseen, unlisted
from application_wish import Application, application_of
from infisical_api import ApiError, InfisicalApi, stack_login
from job import Failed, Pending, Report, run, secret, wait
from kube import Api
from patient_api import PatientApi

Object = dict[str, Any]
T = TypeVar("T")

_ROUNDS = 4  # a value that still differs then is one that Infisical doesn't give back
_SHOWN = 20  # lines of drift
_PATIENCE_SECONDS = 60  # with the API server, which may be busy for a moment when all is done
_LOOK_SECONDS = 2 * LAG_SECONDS  # that each application has at least, while there is time


@dataclass(frozen=True)
class Config:
    """`drift` is a ConfigMap of `namespace`. WISH names the one with the wish, VALUES the Secret with its values.

    STACK_ID is the stack's id, and STATE_ID that of its state, which is lost with it. A run of the schedule leaves all
    as it is once an `up` has begun with another wish.
    """

    address: str
    namespace: str
    drift: str
    auth: Literal["kubernetes", "universal"]
    deadline_seconds: float
    run: Literal["up", "schedule"] = "up"
    operator_namespace: str | None = None  # None where nobody delivers
    canary: str = ""  # slug of the project that proves the operator
    data: str = ""  # where the database's data came from, if not from this instance
    values: str = "/values"
    bootstrap: str = "/bootstrap"
    authority: str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"


class Undone(Failed):
    """Some applications can't be done. Each was looked at."""


class Provision:
    """Bring every application to what is wished for."""

    def __init__(self, config: Config, server: Server, kube: Api, report: Report, owner: Owner) -> None:
        self.server, self.kube, self.report = server, kube, report
        self.canary = config.canary
        self.owner = owner
        self.operator = (
            Operator(config.operator_namespace, owner.organization, owner.marker, config.auth, config.authority)
            if config.operator_namespace
            else None
        )
        notes = _config_map(config, config.drift)
        self.policies = Kept(kube, notes)
        self.generated = Generated(kube, notes, f"{owner.state} {config.data}".strip())
        self.anew = made_anew(config.namespace) if config.run == "schedule" else ""
        self.created = set[str]()  # slugs of projects
        self.recoded: list[Application] = []  # how some of their values are stored has yet to change
        self.recodes = False
        self.acted = 0.0  # when a plan was done
        self.refused = ""  # why the last one was not
        self.before = ""  # what a run of the schedule was told by the last run
        self.counts: Counter[str] = Counter()
        self.drift: list[str] = []
        self.mended: list[str] = []  # drift that the run itself has ended
        self.undone: dict[str, str] = {}  # why not, by the names of applications

    def all(self, applications: Iterable[Application]) -> None:
        """Do each. Raises Undone, with a sentence for each that can't be, and at once what concerns the whole server.

        Nothing of one is half done that the next run won't find.
        """
        wished = [*applications]
        wished += ended_proof(self.canary, {each.slug for each in wished}, self.server, self.owner)
        self._each(self._each(wished, self._one), self._one)
        if not self.undone:  # which would end the `up`, and leave the deliveries as they are
            self.recodes = True
            self._each(self.recoded, self._recode)
        if self.anew:  # what an `up` has changed may be what it was run for
            self.drift += self.mended
        self.drift += left_projects({each.slug for each in wished}, self.server, self.owner)
        undone = [f"{name}: {why}" for name, why in self.undone.items()]
        self.drift = [*dict.fromkeys([*undone, *self.drift])]  # who was late has been looked at twice
        if self.undone:
            raise Undone(". ".join(f"application {name}: {why}" for name, why in self.undone.items()))

    def _each(self, applications: Sequence[Application], do: Callable[[Application], None]) -> list[Application]:
        """Do each in its share of the time, and return those that still waited for something then."""
        api, late = self.server.api, list[Application]()
        for number, application in enumerate(applications):
            self.undone.pop(application.name, None)
            try:
                with api.within(max(api.seconds_left / (len(applications) - number), _LOOK_SECONDS)):
                    do(application)
            except Failed as error:
                self.server.projects()  # raises where no application can be done
                self.undone[application.name] = str(error)
                if isinstance(error.__cause__, Pending):
                    late.append(application)
        return late

    def _one(self, application: Application) -> None:
        project = self._settled(lambda: self._project(application))
        if project is None:
            return
        if self.anew:
            application, gone = scheduled(application, project, self.anew)
            self.drift += [f"{application.name}: {each}" for each in gone]
        self._settled(lambda: make_roles(application, project["id"], self.server))
        self._settled(lambda: let_through(application, self.server, self.policies))
        first, last = self._write(application, project)
        self.drift += [f"{application.name}: {each}" for each in dict.fromkeys(last.drift)]
        self.mended += [f"{application.name}: {each}" for each in first.drift if each not in last.drift]
        self.generated.keep(application, all_of_it=not self.anew)
        if operator := self.operator:
            self.counts["identities changed"] += self._settled(
                lambda: give(application, project["id"], self.server, self.kube, operator)
            )
        self._settled(lambda: licensed(application, project["id"], self.server, self.policies))
        self.counts["projects"] += 1

    def _recode(self, application: Application) -> None:
        """Do the rest of an application of which all else is done."""
        project = self._settled(lambda: self._project(application))
        self._write(application, project or {})

    def _write(self, application: Application, project: Object) -> tuple[Plan, Plan]:
        """Write what differs and read it back. Return what was to do, and what is left to say."""
        plans: list[Plan] = []
        last = self._settled(lambda: self._round(application, project["id"], plans))
        first = plans[0] if plans else last
        for name in ("created", "put_back", "removed"):
            self.counts[name] += getattr(first, name)
        return first, last

    def _settled(self, act: Callable[[], T]) -> T:
        """Return what `act` does, begun again where it can find what there is. Raises Failed at the deadline.

        An answer that was lost may have been a write, and a second run at the same time, which the drift's CronJob may
        be, makes or removes what this one was about to.
        """

        def once() -> T:
            try:
                return act()
            except ApiError as error:
                overtaken = (error.status in (404, 409) and not error.has_no_route) or "already" in error.message
                if error.status and error.status < 500 and not overtaken:
                    raise
                raise Pending(str(error)) from error

        return wait(once, self.report, deadline_seconds=self.server.api.seconds_left, interval=0.2)

    def _round(self, application: Application, project: str, plans: list[Plan]) -> Plan:
        content = next((each for each in self.server.projects() if each["id"] == project), None)
        if content is None:
            raise Pending(f"project {application.slug} is not listed yet")
        found = self.server.found(content, {*application.environments})
        plan = decide(application, found, self.generated.written(application.slug))
        if conflicts := [*plan.conflicts, *renamed_environments(application, found)]:
            raise Failed("; ".join(conflicts))
        if self.anew:
            plan = plan.without_access(self.anew)
        if plan.recodes and not self.recodes:
            self.recoded = [*(each for each in self.recoded if each.name != application.name), application]
            plan = plan.without_recoding
        if plan.empty:
            return plan
        if plans and plan.within(plans[-1]) and time.monotonic() - self.acted < LAG_SECONDS:
            raise Pending(f"{application.slug} is written and not read back yet")
        if len(plans) >= _ROUNDS:
            unread = f"Infisical doesn't give back what was written to {', '.join(plan.places) or 'the project'}"
            raise Failed(self.refused or unread)
        plans.append(plan)
        self.generated.keep(application, all_of_it=False)
        held = requested(self.before, application.name)
        if waiting := [*self._act(project, plan.without(held)), *(place for place in plan.places if place in held)]:
            raise Failed(unwritten(waiting))
        self.acted = time.monotonic()
        raise Pending(f"{application.slug} is written and read back")

    def _act(self, project: str, plan: Plan) -> list[str]:
        self.refused = ""
        try:
            return self.server.act(project, plan)
        except ApiError as error:
            self.refused = str(error)
            raise

    def _project(self, application: Application) -> Object | None:
        project = own_project(application, self.server, self.owner)
        if application.retired:
            left = retire(application, project, self.server, self.owner)
            self.drift += [f"{application.name}: {each}" for each in left]
            self.counts["projects removed"] += bool(project) and not left
            return None
        if not project and application.slug in self.created:
            raise unlisted(application.slug)
        return project or self._create(application)

    def _create(self, application: Application) -> Object:
        refuse_renamed(application, self.server, self.owner.marker, self.anew)
        description = (
            f"{self.owner.marker} keeps this project. The stack's `applications.{application.name}` says what is in it"
        )
        try:
            self.server.create(application.name, application.slug, description)
        except ApiError as error:
            if error.status and error.status < 500 and "already exists" not in error.message:
                raise
            if not own_project(application, self.server, self.owner):
                refuse_unseen(application, self.server, self.owner)
                if error.status != 400:  # not made, whatever else
                    raise
        else:
            self.created.add(application.slug)
        if not (project := own_project(application, self.server, self.owner)):
            raise unlisted(application.slug)
        return project


def main(config: Config, report: Report) -> str:
    """Return counts, and never a value."""
    kube = PatientApi(report, _PATIENCE_SECONDS)
    document = kube.get(_config_map(config, secret("WISH")))["data"]
    wishes = [json.loads(document[name]) for name in sorted(document)]
    applications = [application_of(each, config.values) for each in wishes]
    bootstrap = {each.name: each.read_text().strip() for each in Path(config.bootstrap).glob("[a-z]*")}
    api = InfisicalApi(config.address, deadline_seconds=config.deadline_seconds)
    api.hide = report.hide = hiding(applications)
    turn = Turn(kube, _config_map(config, config.drift), f"{secret('WISH')} {secret('VALUES')}")
    api = stack_login(api, bootstrap, config.namespace)
    owner = Owner(bootstrap.get("organizationId", ""), secret("STACK_ID"), secret("STATE_ID"))
    if config.run == "up":
        turn.begin()
    try:
        server = Server(api if config.run == "up" else OurTurn(api, turn))
        provision = Provision(config, server, kube, report, owner)
        return _told(provision, applications, turn)
    except Overtaken:
        return "`pulumi up` has begun with a different wish, which this run leaves alone"


def _told(provision: Provision, applications: Sequence[Application], turn: Turn) -> str:
    """Do it, write down what is not as the stack says, and return counts. Raises Undone."""
    undone: Undone | None = None
    provision.before = turn.drift() if provision.anew else ""
    try:
        provision.all(applications)
    except Undone as error:
        undone = error
    turn.say({"checked": datetime.now(UTC).isoformat(timespec="seconds"), "drift": shortened(provision.drift)})
    for line in [*dict.fromkeys(provision.drift + provision.mended)][:_SHOWN]:
        provision.report.progress(line)
    if undone:
        raise undone
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(provision.counts.items()) if count)
    total = sum(len(application.secrets) for application in applications)
    return (
        f"{len(applications)} applications, {total} secrets as the stack says{f' ({counts})' if counts else ''}, "
        f"{len(provision.drift)} to look at, {provision.server.api.requests} requests"
    )


def _config_map(config: Config, name: str) -> str:
    return f"/api/v1/namespaces/{config.namespace}/configmaps/{name}"


if __name__ == "__main__":
    run("application-secrets", Config, main)
