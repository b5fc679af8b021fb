"""Say what adopting a running deployment would do, take it over, and give it back: docs/moving-in.md."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from components.helm_release import release_name
from operations.adoption import argocd, helm
from operations.adoption.effects import Effect
from operations.adoption.installation import elsewhere, of_other_chart, strangers, without_database
from operations.adoption.owners import Taken, before, give_back, owner_keys, take, with_living_owners
from operations.adoption.plan import Row, compare
from operations.adoption.precious import lost_secrets
from operations.adoption.wanted import wanted
from operations.cluster import Cluster, Object, Unanswered
from operations.errors import OperationError
from operations.field_managers import Key, found, key_of, while_it_changes
from operations.own_cluster import refuse_strange
from operations.pulumi import Stack
from operations.state import state_of
from operations.table import table
from settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What adopting would do."""

    rows: Sequence[Row]
    live: Mapping[Key, Object]
    chart: Sequence[Object]  # objects of Infisical's chart
    release: str  # Helm's name for it; empty when the stack has it already
    records: Sequence[Object]  # Helm's, of this release and of the one that has the chart's objects
    refusals: Sequence[str]
    unfit: Mapping[Key, str] = field(default_factory=dict[Key, str])  # of the chart, and why
    remarks: Sequence[str] = ()

    @property
    def keeps(self) -> Mapping[str, str]:
        """Return what the stack file has to say so that nothing changes that need not."""
        return {key: value for row in self.rows for key, value in row.keeps.items()}

    @property
    def refused(self) -> bool:
        """Return whether something would be lost."""
        return bool(self.refusals or self.unfit) or any(row.effect is Effect.REFUSED for row in self.rows)


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Print the plan, and with a flag do a part of it. Return 1 when something would be lost. Raises OperationError."""
    settings = stack.settings()
    cluster = Cluster(settings.cluster.context, settings.cluster.kubeconfig)
    try:
        if arguments.back:
            return _back(stack, cluster, settings.cluster.names.infisical, arguments.back)
        refuse_strange(stack)
        plan = _plan(stack, cluster, settings)
        print("\n".join(report(stack, plan)))
        if arguments.write and plan.keeps:
            for key, value in plan.keeps.items():
                stack.set(key, value, secret=False)
            print(f"\nset {', '.join(plan.keeps)}; run this again: the plan is a different one now")
            return 0
        if plan.refused:
            return 1
        if arguments.take:
            take_all(stack, cluster, plan)
    except Unanswered as reason:
        raise OperationError(
            f"the cluster does not answer: {reason}; run this again, every step may be repeated"
        ) from None
    return 0


def _plan(stack: Stack, cluster: Cluster, settings: Settings) -> Plan:
    asked = wanted(stack)
    live = found(cluster, asked.objects)
    # The stack may install other charts as well, and their objects are not Infisical's.
    release = release_name(settings.infisical.chart.flavour, state_of(stack))
    release = release if release in asked.releases else ""
    chart = helm.chart_objects(cluster, settings) if release else []
    refusals, remarks = argocd.judge(cluster, [*live.values(), *chart])
    own_data = [*without_database(settings, asked.objects, live, chart)]
    second = of_other_chart(stack, cluster, settings)
    return Plan(
        rows=compare(cluster, asked, live),
        live=live,
        chart=chart,
        release=release,
        records=helm.records(cluster, release, chart, settings.cluster.names.infisical) if release else [],
        refusals=[
            *elsewhere(stack, cluster, settings, live, chart),
            *own_data,
            *([str(second)] if second else []),
            *lost_secrets(stack, cluster, settings, asked.objects),
            *refusals,
        ],
        # Whose data moves in needs no advice how to take the rest over.
        unfit=dict.fromkeys(map(key_of, chart), "") if own_data else strangers(cluster, settings, chart, release),
        remarks=remarks,
    )


def report(stack: Stack, plan: Plan) -> Iterator[str]:
    """Yield the table, what keeps things as they are, and the verdict."""
    if not plan.live and not plan.chart:
        yield "nothing that the stack would make is there: `up` makes it"
        yield from (f"REFUSED: {sentence}" for sentence in plan.refusals)
        return
    yield from _table(plan)
    yield ""
    yield from (f"REFUSED: {sentence}" for sentence in filter(None, [*plan.refusals, *plan.unfit.values()]))
    yield from (f"NOTE: {sentence}" for sentence in plan.remarks)
    if plan.keeps:
        yield "With these settings what is there stays as it is (`--write` sets them):"
        yield from (f"  {stack.commands.set(key, value)}" for key, value in plan.keeps.items())
    yield _verdict(stack, plan)


def _table(plan: Plan) -> Iterator[str]:
    rows = [("OBJECT", "DEPLOYED BY", "WHAT `UP` DOES")]
    for row in sorted(plan.rows, key=lambda row: row.key):
        rows.append((_named(row.key), row.owner, row.effect))
        rows += [("", "", f"  {note}") for note in row.notes]
    for live in plan.chart:
        key = key_of(live)
        effect = Effect.ROLLED if live["kind"] == "Deployment" else Effect.CHANGED
        effect = Effect.REFUSED if key in plan.unfit else effect
        rows.append((f"{live['kind']} {key.namespace}/{key.name}", "the chart", effect))
    yield from table(rows)


def _named(key: Key) -> str:
    return f"{key.kind.partition('.')[0]} " + f"{key.namespace}/{key.name}".removeprefix("/")


def _verdict(stack: Stack, plan: Plan) -> str:
    if plan.refused:
        return "nothing was changed: `up` would lose something, or fight with somebody"
    same = sum(row.effect is Effect.NOTHING for row in plan.rows)
    take = stack.commands.make("adopt", OPTIONS="--take")
    return f"{same} of {len(plan.rows)} objects stay as they are. Nothing was changed; `{take}` takes them over"


def take_all(stack: Stack, cluster: Cluster, plan: Plan) -> None:
    """Take every object of the plan, and say what comes next. Raises Unanswered."""
    file = Path(f"adopted-{stack.name.replace('/', '-')}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.json").absolute()
    with file.open("x") as output:
        file.chmod(0o600)
        print(f"\nwhat each object had before goes into {file}", flush=True)  # whoever interrupts this needs it, too
        taken = 0
        for live in [*plan.live.values(), *plan.chart]:
            if live["kind"] == "Job":
                key = key_of(live)
                cluster.delete(key.kind, key.name, "-n", key.namespace)
                continue
            owned = before(live)
            if owned:
                # Written first: after a kill in between, giving it back changes nothing.
                output.write(json.dumps(asdict(owned)) + "\n")
                output.flush()
                while_it_changes(cluster, live, partial(take, cluster, taken=owned))
                taken += 1
    # The records first: after a kill in between, the objects still say which release has them.
    helm.step_aside(cluster, plan.records)
    if plan.release:
        for live in helm.chart_objects(cluster, stack.settings()):
            helm.mark(cluster, live, plan.release)
    print(f"took {taken} objects over; no pod has noticed")
    print(f"now: {stack.commands.pulumi('up')}; then {stack.commands.make('repair')}")
    print(f"back: {stack.commands.make('adopt', OPTIONS=f'--back {file.name}')}")


def _saved(file: Path) -> list[Taken]:
    """Return what `--take` has written. A kill may have cut off the last line, whose object was not taken yet.

    Raises OperationError.
    """
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OperationError(f"{file} can't be read: {error}") from None
    saved: list[Taken] = []
    for number, line in enumerate(lines, 1):
        try:
            saved.append(Taken.read(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            if not isinstance(error, json.JSONDecodeError) or number < len(lines):
                raise OperationError(f"{file}, line {number}: this is not what `adopt --take` has written") from None
    return saved


def _uid(live: Object | None) -> str:
    return live["metadata"]["uid"] if live else ""


def _back(stack: Stack, cluster: Cluster, namespace: str, file: Path) -> int:
    saved = _saved(file)
    owners = [key for taken in saved for key in owner_keys(taken)]
    there = found(cluster, [*(taken.key for taken in saved), *owners])
    returned = [taken for taken in saved if _uid(there.get(taken.key)) == taken.uid]
    if saved and not returned:
        raise OperationError(
            f"none of the {len(saved)} objects in {file} is in the cluster that cluster.context of stack {stack.name} "
            "leads to, so nothing was given back. Helm's records there are another deployment's: choose the cluster "
            f"from which they were taken: {stack.commands.set('cluster.context', 'NAME')}"
        )
    for taken in returned:
        owned = with_living_owners(taken, there)
        give_back(cluster, there[taken.key], owned)
        for each in taken.owners:
            if each not in owned.owners:
                print(f"{_named(taken.key)} stays without its owner, {each['kind']} {each['name']}, which is gone")
    records = helm.come_back(cluster, namespace)
    print(f"gave {len(returned)} of {len(saved)} objects back, and {records} records of Helm")
    remove = stack.commands.pulumi("stack rm --force --preserve-config")
    print(f"if `up` has run since, its state is of no use any more, and must not destroy anything: {remove}")
    return 0
