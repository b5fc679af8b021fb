"""Check that the secrets operator still brings applications what Infisical has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from operations.checks.result import Result, fail, ok, warn
from operations.cluster import Cluster, Object
from settings import Commands, Settings
from settings.applications import ApplicationSettings, PeopleOwned
from settings.delivery import Delivery

_SUBJECT = "deliveries"
_GROUP = "secrets.infisical.com"
_PATIENCE = timedelta(minutes=20)  # after a failure the operator asks ever more rarely, at the latest after 17 minutes
_MISSING = re.compile(r"error calling fail: (\S+) has no value in Infisical")  # as a delivery's template ends
# As External Secrets Operator has it in an event, in the server's words, or in its own for whatever is not found.
_MISSING_EXTERNALLY = re.compile(
    r"\(key: (\S+)\), err: .*((?P<any>Secret does not exist)|Secret with name '.*' not found)"
)
_OR_MORE = ", or its folder, environment or project is gone"


def deliveries(commands: Commands, cluster: Cluster, settings: Settings) -> Iterator[Result]:
    """Judge what the operator says of each Secret that it delivers. Raises Unanswered.

    One namespace that Infisical's own may no more read has it end at its next start, and nothing is delivered anywhere
    from then on.
    """
    operator = settings.secrets_operator
    if not operator:
        return
    going_on = [each for each in settings.applications.values() if not each.retired]
    wanted = [(each, _of_people(one, each)) for one in going_on for each in one.deliver]
    late = _PATIENCE + 3 * timedelta(seconds=operator.refresh_seconds)
    logs = cluster.kubectl(
        f"logs -n {settings.cluster.names.own(operator.namespace)} -l control-plane=controller-manager"
    )
    why = f"`{logs}` tells why"
    judged = [
        _judged(commands, cluster, each, theirs, late, why)
        if operator.kind == "infisical"
        else _judged_externally(commands, cluster, each, theirs)
        for each, theirs in wanted
    ]
    found = [result for result in judged if result]
    yield from found
    if wanted and not found:
        yield ok(_SUBJECT, f"{len(wanted)} up to date")


def _of_people(application: ApplicationSettings, delivery: Delivery) -> frozenset[str]:
    """Return the secrets of a delivery's folder that people write."""
    values = application.secrets.get(delivery.environment, {}).get(delivery.path, {})
    return frozenset(name for name, value in values.items() if isinstance(value, PeopleOwned))


def _judged(
    commands: Commands, cluster: Cluster, delivery: Delivery, theirs: frozenset[str], late: timedelta, why: str
) -> Result | None:
    name = f"{delivery.namespace}/{delivery.secret}"
    path = f"/apis/{_GROUP}/v1beta1/namespaces/{delivery.namespace}/infisicalstaticsecrets/{delivery.secret}"
    static = cluster.get(path)
    if static is None:
        return _gone(commands, name, "InfisicalStaticSecret")
    status, at = _condition(static, "LastReconcileStatus"), _condition(static, "LastSuccessfulReconcileAt")
    if not status:
        return fail(_SUBJECT, f"{name}: the operator has not looked at it yet", why)
    if status["status"] != "True":
        missing = _MISSING.search(status["message"])
        if missing and missing[1] in theirs:
            return _late(name, missing[1])
        return fail(_SUBJECT, f"{name}: {status['message']}", why)
    age = datetime.now(UTC) - datetime.fromisoformat(at["message"]) if at else timedelta()
    if age > late:
        return fail(_SUBJECT, f"{name}: the operator has not looked for {age.total_seconds() / 60:.0f} minutes", why)
    return None


def _gone(commands: Commands, name: str, kind: str) -> Result:
    again = f"`{commands.make('refresh')}`, then `{commands.pulumi('up')}`"
    return fail(_SUBJECT, f"{name}: its {kind} is gone", again)


def _judged_externally(
    commands: Commands, cluster: Cluster, delivery: Delivery, theirs: frozenset[str]
) -> Result | None:
    name = f"{delivery.namespace}/{delivery.secret}"
    path = f"/apis/external-secrets.io/v1/namespaces/{delivery.namespace}/externalsecrets/{delivery.secret}"
    found = cluster.get(path)
    if found is None:
        return _gone(commands, name, "ExternalSecret")
    conditions: list[Object] = (found.get("status") or {}).get("conditions") or []
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    why = f"`{cluster.kubectl(f'describe externalsecret {delivery.secret} -n {delivery.namespace}')}` tells why"
    if not ready:
        return fail(_SUBJECT, f"{name}: External Secrets Operator has not looked at it yet", why)
    if ready["status"] == "True":
        return None
    events = (
        f"/api/v1/namespaces/{delivery.namespace}/events?fieldSelector=involvedObject.uid={found['metadata']['uid']}"
    )
    warnings = sorted(cluster.items(events), key=lambda each: str(each.get("lastTimestamp") or ""))
    missing = _MISSING_EXTERNALLY.search(str(warnings[-1].get("message", ""))) if warnings else None
    if missing and missing[1] in theirs:
        return _late(name, f"{missing[1]}{_OR_MORE if missing['any'] else ''}")
    return fail(_SUBJECT, f"{name}: {ready['message']}", why)


def _late(name: str, key: str) -> Result:
    return warn(_SUBJECT, f"{name}: people have yet to write {key}", "Have them write it in the web UI")


def _condition(static: Object, kind: str) -> Object:
    conditions: list[Object] = (static.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == f"{_GROUP}/{kind}"), {})
