"""Refuses to deliver where the operator would harm: it overwrites any Secret of that name, and says that it's well."""

from collections.abc import Iterator
from dataclasses import dataclass

from delivery_wish import ADOPT, DELIVERERS, MARK, STACK, Delivery, deliveries_in, find_secret, texts
from job import Failed, Report, run, secret, wait
from kube import Api, Object


@dataclass(frozen=True)
class Config:
    """wish: folder with what is delivered.

    The environment has STACK_ID, which everything that the stack delivers carries.
    """

    wish: str
    deadline_seconds: float


def refusals(delivery: Delivery, found: Object, stack_id: str) -> Iterator[str]:
    """Yield why the operator must not write into a Secret that exists.

    The annotation names who takes it: External Secrets Operator leaves it there, and it gives it to nobody else.
    """
    metadata: Object = found["metadata"]
    annotations, labels = texts(metadata, "annotations"), texts(metadata, "labels")
    where = f"{delivery.name} ({delivery.source})"
    ours = MARK in labels and annotations.get(STACK) == stack_id  # of whichever application: one alone delivers it
    taker = f"{stack_id}/{delivery.application}"
    command = f"kubectl annotate secret {delivery.secret} -n {delivery.namespace} {ADOPT}={taker}"
    command += " --overwrite" if MARK in labels or ADOPT in annotations else ""
    if ours or annotations.get(ADOPT) == taker:
        pass
    elif MARK in labels:
        yield (
            f"{where}: application {labels[MARK]} of a different stack, whose cluster.stackId is "
            f"{annotations.get(STACK)}, delivers it already. If that application is gone, give it to this one: "
            f"{command}"
        )
    else:
        yield (
            f"{where}: there is one already, {_maker(metadata)}, and the operator would replace all its keys. Deliver "
            f"under a different name, or give it to the application: {command}"
        )
    yield from (f"{where}: {sentence}" for sentence in _owned_by_others(delivery, metadata))
    # The operator makes a Secret again as it was, while there is the delivery of before.
    anew = "take the delivery out and run `pulumi up`, delete the Secret, and set the delivery again" if ours else ""
    ways = f"Deliver under a different name, or {anew or 'delete it'}"
    if found.get("immutable"):
        yield f"{where}: it is immutable, so nothing can write it. {ways}"
    if found.get("type", "Opaque") != delivery.type:
        yield (
            f"{where}: it is of type {found.get('type')}, {delivery.type} is asked for, and Kubernetes never changes a "
            f"type. {ways}"
        )


def _owned_by_others(delivery: Delivery, metadata: Object) -> Iterator[str]:
    """Yield what to do about owners with which Kubernetes would delete the Secret, other than the delivery's own."""
    for owner in metadata.get("ownerReferences", []):
        kind, name = owner["kind"], owner["name"]
        if kind in DELIVERERS and name == delivery.secret:
            continue
        group, _, version = owner["apiVersion"].rpartition("/")
        resource = f"{kind}.{version}.{group}" if group else kind
        yield (
            f"{kind} {name} owns it, and would write it again, or take it along when it goes. Have the owner let it "
            "go, which leaves the Secret where it is: "
            f"kubectl delete {resource} {name} -n {delivery.namespace} --cascade=orphan"
        )


def _maker(metadata: Object) -> str:
    """Return who made it, as far as it says so."""
    owners = [f"{owner['kind']} {owner['name']}" for owner in metadata.get("ownerReferences", [])]
    managers = sorted({entry["manager"] for entry in metadata.get("managedFields", [])})
    if owners:
        return f"owned by {', '.join(owners)}"
    return f"made by {', '.join(managers)}" if managers else "made by somebody else"


def judge(api: Api, deliveries: tuple[Delivery, ...]) -> str:
    """Return that every target may be written. Raise Failed with all that speaks against it."""
    stack_id = secret("STACK_ID")
    wrong: list[str] = []
    there = 0
    for delivery in deliveries:
        found = find_secret(api, delivery)
        there += found is not None
        wrong += refusals(delivery, found, stack_id) if found else []
    if wrong:
        raise Failed(". ".join(wrong))
    return f"{len(deliveries)} Secrets may be written; {there} are there already"


def main(config: Config, report: Report) -> str:
    """Ask until the API server has answered for every target."""
    api, deliveries = Api(), deliveries_in(config.wish)
    return wait(lambda: judge(api, deliveries), report, deadline_seconds=config.deadline_seconds)


if __name__ == "__main__":
    run("targets-free", Config, main)
