"""Compare what the stack would make with what is there, and change nothing.

The API server itself says what an apply would change, in a dry run: it knows its defaults and what can't be changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from operations.adoption.effects import Difference, Effect, differences, effect_of, keeps, unsaid, worst
from operations.adoption.owners import external, keepers, owner_of, stays
from operations.adoption.wanted import Wanted
from operations.cluster import Cluster, Object, outcome_of
from operations.field_managers import Key

_APPLIES = 4  # kubectl processes at a time
_TOLD = ("apiVersion", "kind", "status")  # by the API server
_EXTERNAL_SECRETS = "externalsecrets.external-secrets.io"
# The parts of a `postgresql` in which others may have things of theirs.
_SHARED = ("users", "databases", "preparedDatabases")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What becomes of one object."""

    key: Key
    owner: str
    effect: Effect
    notes: Sequence[str] = ()
    keeps: Mapping[str, str] = field(default_factory=dict[str, str])  # settings that make the difference none


def compare(cluster: Cluster, asked: Wanted, live: Mapping[Key, Object]) -> list[Row]:
    """Return a row for each object that is there. Raises Unanswered."""
    adopted = {each["metadata"]["uid"] for each in live.values()}

    def row(key: Key) -> Row:
        return _kept(cluster, key, live[key], adopted) or _row(cluster, asked.objects[key], key, live[key])

    with ThreadPoolExecutor(_APPLIES) as pool:
        return list(pool.map(row, live))


def _kept(cluster: Cluster, key: Key, live: Object, adopted: Collection[str]) -> Row | None:
    """Return the row of an object that somebody keeps, who would write it again or take it along."""
    keeping = keepers(live, adopted) if live["kind"] != "Job" else ()
    notes: list[str] = []
    for each in keeping:
        group, _, version = str(each["apiVersion"]).rpartition("/")
        leave = _leave(cluster, f"{each['kind']}.{version}.{group}", each["name"], key.namespace)
        notes.append(f"{each['kind']} {each['name']} keeps it, and takes it along when it goes: {leave} it")
    owned = {each["name"] for each in keeping if each["kind"] == "ExternalSecret"}
    for name in external(live):
        # Its entry stays when it has gone, and is taken as any deployer's.
        if name not in owned and cluster.exists(_EXTERNAL_SECRETS, name, "-n", key.namespace):
            leave = _leave(cluster, _EXTERNAL_SECRETS, name, key.namespace)
            notes.append(f"ExternalSecret {name} writes it again with every refresh: {leave} it")
    return Row(key=key, owner=owner_of(live), effect=Effect.REFUSED, notes=notes) if notes else None


def _leave(cluster: Cluster, kind: str, name: str, namespace: str) -> str:
    """Return the commands that end a keeper without what it keeps, and the verb."""
    delete = f"`{cluster.kubectl(f'delete {kind} {name} -n {namespace} --cascade=orphan')}`"
    if not kind.lower().startswith("externalsecret"):
        return f"{delete} leaves"
    # A finalizer deletes the Secret under a deletionPolicy of Delete, whatever the cascade says.
    retain = """{"spec": {"target": {"deletionPolicy": "Retain"}}}"""
    patch = cluster.kubectl(f"patch {kind} {name} -n {namespace} --type=merge --patch '{retain}'")
    return f"`{patch}`, then {delete} leave"


def _row(cluster: Cluster, asked: Object, key: Key, live: Object) -> Row:
    kind, owner = str(live["kind"]), owner_of(live)
    if kind == "Secret":
        return Row(key=key, owner=owner, effect=Effect.NOTHING)  # its values are compared apart
    if kind == "Job":
        return _job(key, owner, live)
    manifest = {**asked, "apiVersion": live["apiVersion"]}
    applied = cluster.would_apply(manifest)
    if isinstance(applied, str):
        return Row(key=key, owner=owner, effect=Effect.REFUSED, notes=[applied])
    found = [each for part in applied if part not in _TOLD for each in _changes(part, live, applied)]
    effects = [effect_of(kind, each) for each in found]
    notes = [_said(each, effect) for each, effect in zip(found, effects, strict=True)]
    kept = {**keeps(kind, found), **unsaid(kind, live, asked)}
    if found and (fights := _fights(cluster, manifest, live)):
        effects, notes = [Effect.REFUSED], [*notes, *fights]
    return Row(key=key, owner=owner, effect=worst(effects), notes=[*notes, *_others(live, asked)], keeps=kept)


def _fights(cluster: Cluster, manifest: Object, live: Object) -> list[str]:
    """Return a sentence for each owner of a field that `up` would change, and that adopting doesn't take it from."""
    if manifest["metadata"].get("annotations", {}).get("pulumi.com/patchForce") == "true":
        return []
    return [
        f"{each.manager} owns {each.fields}, and `up` would end in a conflict: keep what is there, or end what writes "
        "it and set the new value with kubectl"
        for each in cluster.conflicts(manifest)
        if stays(live, each)
    ]


def _job(key: Key, owner: str, live: Object) -> Row:
    if outcome_of(live):
        return Row(key=key, owner=owner, effect=Effect.RUNS, notes=["no Job can be changed: the finished one goes"])
    return Row(key=key, owner=owner, effect=Effect.REFUSED, notes=["it is running: wait until it has ended"])


def _changes(part: str, live: Object, applied: Object) -> list[Difference]:
    before, after = live.get(part), applied.get(part)
    if part == "metadata":
        before, after = (
            {name: (object_["metadata"].get(name) or {}) for name in ("labels", "annotations")}
            for object_ in (live, applied)
        )
    return [] if after is None else differences(before, after, part)


def _said(each: Difference, effect: Effect) -> str:
    plain = all(isinstance(value, str | int | float | bool | None) for value in (each.live, each.wanted))
    change = f"{each.path}: {_text(each.live)} → {_text(each.wanted)}" if plain else each.path
    return f"{change} ({effect})" if effect is Effect.REFUSED else change


def _text(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 and "\n" not in text else "…"


def _others(live: Object, asked: Object) -> Iterator[str]:
    """Yield what others have in a shared database cluster, which stays."""
    if live["kind"] != "postgresql":
        return
    for part in _SHARED:
        more = sorted(set(live["spec"].get(part) or {}) - set(asked["spec"].get(part) or {}))
        if more:
            yield f"keeps {part} of others: {', '.join(more)}"
    parameters = sorted(live["spec"].get("postgresql", {}).get("parameters") or {})
    if parameters:
        yield f"keeps parameters: {', '.join(parameters)}"
