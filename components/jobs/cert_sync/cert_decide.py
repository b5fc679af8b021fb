"""Decide what to publish and what to restart, from what is trusted and what every pod presents. Asks nobody itself.

Published is the union of the authorities in both Secrets: cert-manager does not reissue a leaf when its authority
changes, and the `ca.crt` beside a leaf stays the old one until then.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from job import Failed
from x509 import Certificate

# Share of its lifetime at which a leaf still served after its renewal is an alarm: cert-manager renews at a third.
ALARMING_LIFE_LEFT = 0.1


@dataclass(frozen=True)
class Service:
    """A Service of the database. Clients ask for its DNS name, so every pod behind it is verified for that name."""

    name: str
    role: Literal["primary", "replica", "pooler"]
    host: str


@dataclass(frozen=True)
class Pod:
    """A pod that a Service sends clients to."""

    service: Service
    name: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.service.role} {self.name} ({self.address}:{self.port})"


@dataclass(frozen=True)
class Trust:
    """What the Secrets hold: authorities that have not expired, and the leaf that every pod ought to present."""

    authorities: tuple[Certificate, ...]
    leaf: Certificate


@dataclass(frozen=True)
class Refusal:
    """Why a client refuses a certificate. Waiting mends one that only is not valid yet: clocks differ."""

    reason: str
    not_yet_valid: bool = False


@dataclass(frozen=True)
class Observation:
    """What a pod presents, and whether a client accepts it that trusts all authorities, those published included."""

    pod: Pod
    leaf: Certificate
    refusal: Refusal | None = None
    ours: bool = True  # one of the authorities issued it, whatever its names and age
    needs_published: bool = False  # accepted only because of an authority that is published and in no Secret any more


@dataclass(frozen=True)
class Plan:
    """What to do now. While `refused` names a pod, nothing is published."""

    publish: tuple[Certificate, ...] = ()
    restart_pooler: bool = False
    refused: str = ""
    hopeless: bool = False  # waiting doesn't mend what is refused
    outdated: tuple[str, ...] = ()  # accepted, but from before the renewal
    overdue: str = ""  # about to expire, and nobody has taken up the renewed one


def trusted(authorities: Iterable[Certificate], leaf: Certificate, now: datetime) -> Trust:
    """Return what to trust of the authorities found. Raises Failed when all of them have expired."""
    found = distinct(authorities)
    if alive := tuple(item for item in found if not item.expired(now)):
        return Trust(alive, leaf)
    raise Failed(f"every authority has expired: {', '.join(map(str, found))}")


def decide(trust: Trust, published: Sequence[Certificate], observations: Sequence[Observation], now: datetime) -> Plan:
    """Return the plan after one look at every pod."""
    refused = [seen for seen in observations if seen.refusal]
    outdated = [seen for seen in observations if _outdated(seen, trust.leaf)]
    hopeless = any(_hopeless(seen, trust.leaf) for seen in refused)
    # Also when such a leaf is refused (expired, a name too few), as the restart is what mends it; but never while
    # anything presents a certificate of foreign origin.
    restart = any(seen.pod.service.role == "pooler" for seen in outdated) and all(seen.ours for seen in observations)
    if refused:
        reasons = _said(refused, lambda seen: f": {seen.refusal.reason}" if seen.refusal else "")
        return Plan(refused="; ".join(reasons), hopeless=hopeless, restart_pooler=restart and not hopeless)
    # After a new authority has issued a new leaf, some pod presents one of the old authority for a while. What is
    # published stays as long as it is needed, and goes with the first run that does without it.
    needed = any(seen.needs_published for seen in observations)
    late = [seen for seen in outdated if seen.leaf.life_left(now) < ALARMING_LIFE_LEFT]
    return Plan(
        publish=distinct([*trust.authorities, *(published if needed else ())]),
        restart_pooler=restart,
        outdated=_said(outdated, lambda seen: f" from before the renewal: {_remedy(seen.pod.service.role)}"),
        overdue="; ".join(_said(late, lambda _: "")),
    )


def distinct(certificates: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """Return them in their order, each once."""
    return tuple(dict.fromkeys(certificates))


def _outdated(seen: Observation, leaf: Certificate) -> bool:
    """Whether it is from before the renewal. A later one means that the renewal came after the Secret was read."""
    return seen.ours and seen.leaf != leaf and (seen.leaf.not_before <= leaf.not_before or seen.refusal is not None)


def _hopeless(seen: Observation, leaf: Certificate) -> bool:
    """Whether the very leaf of the Secret is refused, and not only because its time is still to come."""
    return seen.leaf == leaf and seen.refusal is not None and not seen.refusal.not_yet_valid


def _said(observations: Iterable[Observation], ending: Callable[[Observation], str]) -> tuple[str, ...]:
    """Return a sentence for each certificate and ending, with all the pods that it is of."""
    pods: dict[tuple[Certificate, str], list[str]] = {}
    for seen in observations:
        pods.setdefault((seen.leaf, ending(seen)), []).append(str(seen.pod))
    return tuple(
        f"{', '.join(who)} {'presents' if len(who) == 1 else 'present'} {leaf}{how}"
        for (leaf, how), who in pods.items()
    )


def _remedy(role: str) -> str:
    restarted = "the restart of its pods is under way"
    return restarted if role == "pooler" else "PostgreSQL's pod reloads it by itself within five minutes"
