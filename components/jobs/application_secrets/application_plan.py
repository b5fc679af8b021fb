"""Decide what to do about an application, from what is wished for and what is found. Asks nobody itself."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from application_generated import Written
from application_wish import ENCODED, STACK, Application, Place, Secret, shown

# To recode is to store a value in base64 from now on, or no longer. Until its delivery changes too, pods would get
# something else.
Verb = Literal["create", "update", "recode", "delete"]


@dataclass(frozen=True)
class Stored:
    """A secret as Infisical has it."""

    value: str
    comment: str = ""

    @property
    def ours(self) -> bool:
        """Whether the stack made it and keeps it."""
        return self.comment.startswith(STACK)

    @property
    def encoded(self) -> bool:
        """Whether the stack stored it in base64."""
        return self.comment.startswith(ENCODED)


@dataclass(frozen=True)
class Member:
    """A person in a project."""

    membership: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a project has."""

    environments: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])  # slug to id and name
    folders: frozenset[tuple[str, str]] = frozenset()  # environment and path
    secrets: dict[Place, Stored] = field(default_factory=dict[Place, Stored])
    members: dict[str, Member] = field(default_factory=dict[str, Member])  # by address


@dataclass(frozen=True)
class Write:
    """Secrets of one folder that are created, changed or deleted by one request.

    A value is sent also where the comment alone changes: releases of March 2026 empty one that is left out
    (Infisical/infisical#5659).
    """

    verb: Verb
    environment: str
    path: str
    secrets: tuple[tuple[str, str | None, str], ...]  # name, value, comment


@dataclass(frozen=True)
class Plan:
    """What to do, in this order, and what to say. While there are conflicts, nothing is done."""

    environments: tuple[tuple[str, str], ...] = ()  # to create: slug and name
    renamed: tuple[tuple[str, str], ...] = ()  # id of an environment, and its new name
    folders: tuple[tuple[str, str], ...] = ()  # parents before their children
    writes: tuple[Write, ...] = ()
    invited: tuple[tuple[str, tuple[str, ...]], ...] = ()
    roles: tuple[tuple[str, tuple[str, ...]], ...] = ()  # id of a membership, and its roles
    conflicts: tuple[str, ...] = ()
    access: tuple[str, ...] = ()  # whom `invited` and `roles` give what
    drift: tuple[str, ...] = ()  # what is not as the stack says, whoever has to act
    created: int = 0
    put_back: int = 0
    removed: int = 0

    @property
    def empty(self) -> bool:
        """Whether everything is as it is wished for."""
        steps = (self.environments, self.renamed, self.folders, self.writes, self.invited, self.roles)
        return not any(steps)

    @property
    def places(self) -> list[str]:
        """Return the folders that are written to."""
        return sorted({f"{each.environment}:{each.path}" for each in self.writes})

    def without(self, places: Collection[str]) -> "Plan":
        """Return a plan that leaves the secrets of these folders alone."""
        writes = tuple(each for each in self.writes if f"{each.environment}:{each.path}" not in places)
        return replace(self, writes=writes)

    @property
    def recodes(self) -> bool:
        """Whether it changes how a value is stored."""
        return any(each.verb == "recode" for each in self.writes)

    @property
    def without_recoding(self) -> "Plan":
        """Return a plan that changes all but that."""
        writes = tuple(each for each in self.writes if each.verb != "recode")
        put_back = sum(len(each.secrets) for each in writes if each.verb == "update")
        return replace(self, writes=writes, put_back=put_back)

    def without_access(self, way: str) -> "Plan":
        """Return a plan that gives nobody anything, and says so. `way` is how it is given."""
        told = (f"{each}. Take the address out of `people`, or change it there. {way}" for each in self.access)
        return replace(self, invited=(), roles=(), drift=(*self.drift, *told))

    def within(self, other: "Plan") -> bool:
        """Whether another plan has each of its steps, so that nothing new is found."""
        return _steps(self) <= _steps(other)


def _steps(plan: Plan) -> set[tuple[object, ...]]:
    named = ("environments", "renamed", "folders", "invited", "roles")
    steps: set[tuple[object, ...]] = {(name, step) for name in named for step in getattr(plan, name)}
    return steps | {(each.verb, each.environment, each.path, secret) for each in plan.writes for secret in each.secrets}


def decide(application: Application, found: Found, written: Written | None = None) -> Plan:
    """Return the plan for an application whose project is there and is the stack's.

    `written` is what the stack's state has written there before.
    """
    decisions = [*_secrets(application, found, written or Written()), *_removed(application, found)]
    drift = [*(each.drift for each in decisions if each.drift), *_abandoned(application, found)]
    drift += [
        f"{each} is a member, and the stack names nobody of that address"
        for each in sorted(found.members.keys() - application.people.keys())
    ]
    people = application.people.items()
    missing = {slug: name for slug, name in application.environments.items() if slug not in found.environments}
    return Plan(
        environments=tuple(missing.items()),
        renamed=tuple(
            (found.environments[slug][0], name)
            for slug, name in application.environments.items()
            if slug in found.environments and found.environments[slug][1] != name
        ),
        folders=tuple(_folders(application, found)),
        writes=tuple(_grouped(decisions)),
        invited=tuple((who, roles) for who, roles in people if who not in found.members),
        roles=tuple(
            (found.members[who].membership, roles)
            for who, roles in people
            if who in found.members and set(found.members[who].roles) != set(roles)
        ),
        access=tuple(_access(application, found)),
        conflicts=tuple(each.conflict for each in decisions if each.conflict),
        drift=tuple(drift),
        created=sum(each.verb == "create" for each in decisions),
        put_back=sum(each.verb in ("update", "recode") for each in decisions),
        removed=sum(each.verb == "delete" for each in decisions),
    )


# How a value is stored, and what its people's line says then, or it would be delivered undecoded or decoded twice.
_ENCODINGS = {
    True: "in base64: write {owner: people, encoding: base64}",
    False: "not in base64: write {owner: people}",
}


@dataclass(frozen=True)
class _Decision:
    place: Place
    verb: Verb | None = None
    value: str | None = None
    comment: str = ""
    conflict: str = ""
    drift: str = ""


def _secrets(application: Application, found: Found, written: Written) -> Iterator[_Decision]:
    for secret in application.secrets:
        there = found.secrets.get(secret.place)
        if secret.owner == "people":
            yield _of_people(secret, there)
        else:
            yield _of_stack(secret, there, written)


def _of_people(secret: Secret, there: Stored | None) -> _Decision:
    if there is None and secret.value is None:
        return _Decision(secret.place, drift=f"{shown(secret.place)} waits for its people to write it")
    if there is None:
        return _Decision(secret.place, "create", secret.value, secret.comment)
    if there.ours and there.encoded != secret.encoded:
        conflict = f"{shown(secret.place)} is handed over as Infisical has it, which is {_ENCODINGS[there.encoded]}"
        return _Decision(secret.place, conflict=conflict)
    if there.ours:  # the stack kept it before, and hands over the value as it is
        return _Decision(secret.place, "update", there.value, secret.comment)
    return _Decision(secret.place)


def _of_stack(secret: Secret, there: Stored | None, written: Written) -> _Decision:
    place = secret.place
    if there is None:
        return _Decision(place, "create", secret.value, secret.comment)
    recoded = there.ours and there.encoded != secret.encoded
    if there.value == secret.value and not recoded:
        same = there.comment == secret.comment
        return _Decision(place) if same else _Decision(place, "update", secret.value, secret.comment)
    if there.ours and not written.replaceable(secret, there.value):
        conflict = (
            f"{shown(place)} has what was generated before, and the stack has generated another value for it since: "
            "its state is lost or an old one, or the key or its environment was away from the stack file. To keep what "
            f"is there, set the encrypted key generatedValues.{secret.name} to it (docs/applications.md). To have the "
            "new one, delete it in the web UI"
        )
        return _Decision(place, conflict=conflict)
    if recoded:
        return _Decision(place, "recode", secret.value, secret.comment)
    if there.ours:
        return _Decision(
            place, "update", secret.value, secret.comment, drift=f"{shown(place)} was not what the stack says"
        )
    ways = "Let it be theirs ({owner: people}), or delete it in the web UI"
    conflict = f"{shown(place)} has a value that people wrote. {ways}"
    return _Decision(place, conflict=conflict)


def _removed(application: Application, found: Found) -> Iterator[_Decision]:
    for place in application.removed:
        there = found.secrets.get(place)
        if there and there.ours:
            yield _Decision(place, "delete")
        elif there:
            yield _Decision(place, drift=f"{shown(place)} is to be removed, but people wrote it, so it stays")


def _abandoned(application: Application, found: Found) -> Iterator[str]:
    known = {secret.place for secret in application.secrets} | {*application.removed}
    left = sorted(place for place, there in found.secrets.items() if there.ours and place not in known)
    for place in left:
        if place[0] in application.environments:
            yield f"{shown(place)} is no longer in the stack. List it in removed to have it deleted"
    for environment, count in sorted(Counter(place[0] for place in left).items()):
        if environment not in application.environments:
            yield (
                f"environment {environment} is no longer in the stack, and has {count} of its secrets. List them in "
                "removed to have them deleted, or delete the environment in the web UI"
            )


def _access(application: Application, found: Found) -> Iterator[str]:
    for who, roles in application.people.items():
        there, given = found.members.get(who), f"the stack gives them {' and '.join(roles)}"
        if there is None:
            yield f"{who} is no member, and {given}"
        elif set(there.roles) != set(roles):
            yield f"{who} has the role {' and '.join(there.roles)}, and {given}"


def _folders(application: Application, found: Found) -> Iterator[tuple[str, str]]:
    wanted = sorted({secret.place[:2] for secret in application.secrets})
    done = set(found.folders)
    for environment, path in wanted:
        parts = path.strip("/").split("/") if path != "/" else []
        for depth in range(1, len(parts) + 1):
            folder = (environment, "/" + "/".join(parts[:depth]))
            if folder not in done:
                done.add(folder)
                yield folder


def _grouped(decisions: Iterable[_Decision]) -> Iterator[Write]:
    groups: defaultdict[tuple[Verb, str, str], list[tuple[str, str | None, str]]]
    groups = defaultdict(list)
    for each in decisions:
        if each.verb:
            environment, path, key = each.place
            groups[each.verb, environment, path].append((key, each.value, each.comment))
    for (verb, environment, path), secrets in groups.items():
        yield Write(verb, environment, path, tuple(secrets))
