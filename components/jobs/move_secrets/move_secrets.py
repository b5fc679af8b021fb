"""Move the Secrets of a namespace into Infisical, inside the cluster, so that no value comes to anybody's machine.

A line that begins with `MOVED` says in JSON what became of one Secret: names, sizes and verdicts, never a value or its
digest, by which a short one could be guessed.
"""

import hashlib
import hmac
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from infisical_api import InfisicalApi, stack_login
from job import Failed, Pending, Report, run, wait
from kube import RIGHTS_GRACE_SECONDS, Api, Object, path
from moved_kinds import found, values_of
from moved_store import Store, origin_of
from moved_value import stored


@dataclass(frozen=True)
class Item:
    """A Secret that moves, the folder that it moves to, and the Secret that is delivered from there."""

    name: str
    folder: str
    target: str


@dataclass(frozen=True)
class Config:
    """What is done with the Secrets of a namespace: `check` only says what `copy` would do."""

    mode: Literal["inventory", "check", "copy", "compare", "remove"]
    namespace: str
    url: str
    project: str
    environment: str
    items: tuple[Item, ...] | None = None
    credentials: str = "/bootstrap"
    deadline_seconds: float = 300


def main(config: Config, report: Report) -> str:
    """Do what `mode` says. Return the outcome in numbers."""
    kube = Api()
    if config.mode == "inventory":
        return _inventory(config, kube, report)
    if config.mode == "compare":
        return _compare(config, kube, report)
    store = Store(_log_in(config), config.project, config.environment)
    work = {"check": _check, "copy": _copy, "remove": _remove}[config.mode]
    counts = [work(config, store, item, _secret(kube, config, item.name, report)) for item in config.items or ()]
    verb = {"check": "to copy", "copy": "copied", "remove": "removed"}[config.mode]
    return f"{config.namespace}: {sum(counts)} values {verb}, of {len(counts)} Secrets"


def _log_in(config: Config) -> InfisicalApi:
    folder = Path(config.credentials)
    keys = ("identityId", "clientId", "clientSecret")
    held = {key: (folder / key).read_text().strip() for key in keys if (folder / key).is_file()}
    return stack_login(InfisicalApi(config.url, deadline_seconds=config.deadline_seconds), held)


def _secret(kube: Api, config: Config, name: str, report: Report) -> Object:
    where = path("secrets", config.namespace, name)
    return wait(lambda: kube.get(where), report, deadline_seconds=RIGHTS_GRACE_SECONDS)


def _tell(**what: Any) -> None:
    sys.stdout.write(f"MOVED {json.dumps(what, sort_keys=True)}\n")
    sys.stdout.flush()


def _inventory(config: Config, kube: Api, report: Report) -> str:
    where = path("secrets", config.namespace)
    listed = wait(lambda: kube.items(where), report, deadline_seconds=RIGHTS_GRACE_SECONDS)
    secrets = [found(secret) for secret in listed]
    for secret in secrets:
        _tell(**secret.line)
    movable = sum(not secret.obstacle for secret in secrets)
    return f"{config.namespace}: {movable} of {len(secrets)} Secrets can move"


def _missing(config: Config, store: Store, item: Item, secret: Object) -> dict[str, str]:
    """Return what Infisical lacks of a Secret. Raises Failed where it has something else."""
    if obstacle := found(secret).obstacle:
        raise Failed(f"Secret {config.namespace}/{item.name} can't move: {obstacle}")
    texts = {key: stored(value)[0] for key, value in values_of(secret).items()}
    there = store.read(item.folder)
    if different := sorted(key for key in texts.keys() & there.keys() if not _same(texts[key], there[key])):
        raise Failed(
            f"{config.project} {config.environment}:{item.folder} has another value than Secret {config.namespace}/"
            f"{item.name} for {', '.join(different)}. Nothing was overwritten: delete the wrong one of the two"
        )
    return {key: text for key, text in texts.items() if key not in there}


def _same(text: str, secret: Object) -> bool:
    return _equal(text.encode(), str(secret["secretValue"]).encode())


def _equal(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())


def _check(config: Config, store: Store, item: Item, secret: Object) -> int:
    missing = _missing(config, store, item, secret)
    _tell(name=item.name, folder=item.folder, missing=sorted(missing))
    return len(missing)


def _copy(config: Config, store: Store, item: Item, secret: Object) -> int:
    missing = _missing(config, store, item, secret)
    if missing:
        store.create(item.folder, missing, f"{config.namespace}/{item.name}")
    if left := _missing(config, store, item, secret):
        raise Failed(f"Secret {config.namespace}/{item.name}: {', '.join(sorted(left))} can't be read back")
    _tell(name=item.name, folder=item.folder, copied=sorted(missing), equal=True)
    return len(missing)


def _remove(config: Config, store: Store, item: Item, secret: Object) -> int:
    """Delete what the move wrote, as long as it still equals its origin: people may have changed it since."""
    texts = {key: stored(value)[0] for key, value in values_of(secret).items()}
    origin = f"{config.namespace}/{item.name}"
    ours = {key: held for key, held in store.read(item.folder).items() if origin_of(held) == origin}
    equal = sorted(key for key, held in ours.items() if key in texts and _same(texts[key], held))
    if equal:
        store.delete(item.folder, equal)
    _tell(name=item.name, folder=item.folder, removed=equal, left=sorted(ours.keys() - set(equal)))
    return len(equal)


def _compare(config: Config, kube: Api, report: Report) -> str:
    """Wait until every delivered Secret has what the first one has. Keys that it has beside those are no fault."""
    for item in config.items or ():

        def check(item: Item = item) -> None:
            difference = _difference(
                kube.get(path("secrets", config.namespace, item.name)),
                kube.find(path("secrets", config.namespace, item.target)),
            )
            if difference:
                raise Pending(f"Secret {config.namespace}/{item.target} is not {item.name} yet: {difference}")

        wait(check, report, deadline_seconds=config.deadline_seconds, interval=1)
        _tell(name=item.name, target=item.target, equal=True)
    return f"{config.namespace}: {len(config.items or ())} delivered Secrets equal the ones that they come from"


def _difference(before: Object, after: Object | None) -> str:
    if after is None:
        return "it does not exist"
    if before.get("type", "Opaque") != after.get("type", "Opaque"):
        return f"its type is {after.get('type')}, not {before.get('type')}"
    old, new = values_of(before), values_of(after)
    if missing := sorted(old.keys() - new.keys()):
        return f"it lacks {', '.join(missing)}"
    if different := sorted(key for key in old if not _equal(old[key], new[key])):
        return f"{', '.join(different)} differ"
    return ""


if __name__ == "__main__":
    run("move-secrets", Config, main)
