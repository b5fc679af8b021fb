"""Run `make migrate-secrets`: one step of a move, or all of them. Without `--yes` a step only says what it would do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from operations.cluster import Cluster, Unanswered
from operations.errors import OperationError
from operations.moving import sealed, stack_file
from operations.moving.consumers import KINDS, Use, by_secret, renaming, uses_of
from operations.moving.plan import Body, Found, Plan
from operations.moving.pod import Pod
from operations.own_cluster import own_cluster
from operations.pulumi import Stack
from operations.table import table
from settings import Settings

_PORT = 8080


@dataclass(frozen=True)
class Move:
    """The move of one namespace. What has been done already is read from the stack file and the cluster each time."""

    stack: Stack
    namespace: str
    application: str
    environment: str
    title: str
    dry: bool

    @cached_property
    def settings(self) -> Settings:
        """Return what the stack says. Raises OperationError."""
        return self.stack.settings()

    @cached_property
    def cluster(self) -> Cluster:
        """Return the stack's cluster. Raises OperationError when the settings lead to a different one."""
        return own_cluster(self.stack)

    @property
    def pod(self) -> Pod:
        """Return what runs the script."""
        name = "infisical-backend" if self.settings.infisical.chart.flavour == "infisical" else "infisical"
        home = self.settings.cluster.names.infisical
        address = f"http://{name}.{home}.svc:{_PORT}"
        return Pod(
            cluster=self.cluster,
            namespace=self.namespace,
            home=home,
            image=self.settings.jobs.python_image,
            address=address,
            pods=self.settings.pods,
            pulls=self.settings.registry_credentials is not None,
        )

    @property
    def kept(self) -> Path:
        """Return the file that keeps SealedSecrets that were deleted. They are encrypted, so it may lie anywhere."""
        return Path(f"sealed-secrets-of-{self.namespace}-{self.stack.name.replace('/', '-')}.json")

    @property
    def uses(self) -> list[Use]:
        """Return what uses the namespace's Secrets."""
        return uses_of(self.cluster.objects(KINDS, self.namespace))

    @cached_property
    def plan(self) -> Plan:
        """Return what can move. A Job in the cluster looks at the Secrets."""
        found = [Found(**line) for line in self.pod.run("inventory", self._place(self.application))]
        return Plan(
            namespace=self.namespace,
            application=self.application,
            environment=self.environment,
            found=sorted(found, key=lambda secret: secret.name),
            consumers=by_secret(self.uses),
        )

    def _place(self, project: str) -> Mapping[str, str]:
        return {"project": project, "environment": self.environment}

    @property
    def stated(self) -> Body:
        """Return the application in the stack file. Raises OperationError where it isn't planned yet."""
        body = stack_file.stated(self.stack.file, self.application)
        if body is None:
            raise OperationError(
                f"{self.stack.file} has no application {self.application} yet: {self.command('plan', '--yes')}"
            )
        return body

    @property
    def moving(self) -> list[Found]:
        """Return the Secrets whose folders the stack file has."""
        return self.plan.items(self.stated)

    @property
    def begun(self) -> list[Found]:
        """Return them with those that something keeps since: what was done to them can be taken back."""
        return self.plan.begun(self.stated)

    def script(self, mode: str) -> list[dict[str, object]]:
        """Run the script on the Secrets that move."""
        found = self.begun if mode == "remove" else self.moving
        items = [{"name": each.name, "folder": each.folder, "target": each.target} for each in found]
        project = str(self.stated.get("project") or self.plan.project)
        return self.pod.run(mode, self._place(project), items)

    def command(self, step: str, *options: str) -> str:
        """Return the command that takes a step, for messages."""
        words = [f"--step {step}", *options]
        if self.application != self.namespace:
            words.append(f"--application {self.application}")
        if self.environment != "prod":
            words.append(f"--environment {self.environment}")
        return self.stack.commands.make("migrate-secrets", NAMESPACE=self.namespace, OPTIONS=" ".join(words))


def _inventory(move: Move) -> str:
    rows = [("SECRET", "TYPE", "KEYS", "BYTES", "MADE BY", "USED BY", "")]
    for secret in move.plan.found:
        size = str(sum(int(key["size"]) for key in secret.keys.values()))
        used = " ".join(move.plan.consumers.get(secret.name, ())) or "-"
        verdict = f"stays: {secret.obstacle}" if secret.obstacle else f"moves to {secret.folder}"
        rows.append((secret.name, secret.type, str(len(secret.keys)), size, secret.owner or "-", used, verdict))
    print("\n".join(table(rows)))
    return f"{len(move.plan.movable)} of {len(move.plan.found)} Secrets can move"


def _plan(move: Move) -> str:
    held = stack_file.stated(move.stack.file, move.application)
    if held is not None:
        planned = {secret.folder for secret in move.plan.items(held)}
        missing = [secret.name for secret in move.plan.movable if secret.folder not in planned]
        others = f"; it has no folder for {', '.join(missing)}" if missing else ""
        return f"{move.stack.file} has application {move.application} already{others}"
    body = move.plan.body(move.title)
    if move.dry:
        print(stack_file.text_of(move.application, body), end="")
        return f"{move.stack.file} would get this below `applications`"
    stack_file.put(move.stack.file, move.application, body, None)
    return f"{move.stack.file} has application {move.application}: look at it, then {move.stack.commands.pulumi('up')}"


def _unplan(move: Move) -> str:
    body = move.stated
    if others := sorted(body.keys() - {"environments", "secrets"}):
        raise OperationError(f"application {move.application} has more than was planned: take out {', '.join(others)}")
    stack_file.put(move.stack.file, move.application, None, body)
    return f"{move.stack.file} has no application {move.application} any more"


def _copy(move: Move) -> str:
    said = move.script("check" if move.dry else "copy")
    count = sum(len(list(_list(line.get("missing" if move.dry else "copied")))) for line in said)
    return f"{count} values {'would be ' if move.dry else ''}copied, of {len(said)} Secrets; none is overwritten"


def _uncopy(move: Move) -> str:
    said = move.script("remove")
    left = [f"{line['folder']}: {', '.join(map(str, _list(line['left'])))}" for line in said if line["left"]]
    changed = f"; changed since, so left alone: {'; '.join(left)}" if left else ""
    return f"{sum(len(_list(line['removed'])) for line in said)} values removed from Infisical{changed}"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _deliver(move: Move) -> str:
    before = move.stated
    if "deliver" in before:
        return f"{move.stack.file} delivers {len(before['deliver'])} Secrets already"
    after = {**before, "deliver": move.plan.deliveries(move.moving)}
    if move.dry:
        print(stack_file.text_of(move.application, after), end="")
        return f"{move.stack.file} would say this of {move.application}"
    stack_file.put(move.stack.file, move.application, after, before)
    return f"{move.stack.file} delivers {len(after['deliver'])} Secrets: {move.stack.commands.pulumi('up')}"


def _undeliver(move: Move) -> str:
    before = move.stated
    after = {key: value for key, value in before.items() if key != "deliver"}
    stack_file.put(move.stack.file, move.application, after, before)
    return f"{move.stack.file} delivers nothing to {move.namespace} any more: {move.stack.commands.pulumi('up')}"


def _compare(move: Move) -> str:
    return f"{len(move.script('compare'))} delivered Secrets have the same bytes as those that they come from"


def _switch(move: Move) -> str:
    if not move.dry:
        move.script("compare")
    return _rename(move, {secret.name: secret.target for secret in move.moving})


def _switch_back(move: Move) -> str:
    return _rename(move, {secret.target: secret.name for secret in move.begun})


def _rename(move: Move, names: Mapping[str, str]) -> str:
    uses = [use for use in move.uses if use.secret in names]
    said = [f"{use.name}: {use.secret} -> {names[use.secret]}{' (make it anew yourself)' * use.fixed}" for use in uses]
    print("\n".join(dict.fromkeys(said)))
    patches = renaming(uses, names)
    for name, operations in patches.items() if not move.dry else ():
        kind, _, found = name.partition("/")
        move.cluster.patch(kind, found, move.namespace, operations)
    verb = "would be changed" if move.dry else "were changed"
    return f"{len(patches)} objects {verb}; change their manifests too, or whoever applies those changes them back"


def _retire(move: Move) -> str:
    left = {use.secret: use.name for use in move.uses}
    if used := [f"{secret.name} ({left[secret.name]})" for secret in move.moving if secret.name in left]:
        raise OperationError(f"still in use: {', '.join(used)}. First {move.command('switch', '--yes')}")
    sealed_ones = [secret for secret in move.moving if secret.sealed]
    plain = [secret.name for secret in move.moving if not secret.sealed]
    if not move.dry:
        move.script("compare")
        sealed.retire(move.cluster, move.kept, move.namespace, sealed_ones)
    if plain:
        delete = move.cluster.kubectl(f"delete secret -n {move.namespace} {' '.join(plain)}")
        print(f"no longer used, delete when you like: {delete}")
    names = ", ".join(secret.sealed for secret in sealed_ones) or "none"
    return f"SealedSecrets {'to delete' if move.dry else f'deleted, kept in {move.kept}'}: {names}"


def _unretire(move: Move) -> str:
    return f"SealedSecrets put back: {', '.join(sealed.restore(move.cluster, move.kept)) or 'none'}"


def _up(move: Move) -> str:
    if move.dry:
        return move.stack.commands.pulumi("up")
    move.stack.show("up", "--yes", "--skip-preview")
    return "the stack is as its file says"


@dataclass(frozen=True, slots=True)
class Step:
    """What a step does, and what takes it back. Both may be repeated."""

    act: Callable[[Move], str]
    undo: Callable[[Move], str] | None = None


STEPS: Mapping[str, Step] = {
    "inventory": Step(_inventory),
    "plan": Step(_plan, _unplan),
    "copy": Step(_copy, _uncopy),
    "deliver": Step(_deliver, _undeliver),
    "compare": Step(_compare),
    "switch": Step(_switch, _switch_back),
    "retire": Step(_retire, _unretire),
}
_ALL = ("inventory", "plan", "up", "copy", "deliver", "up", "compare", "switch", "retire")


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Take a step, or all of them. Return 0. Raises OperationError."""
    application = arguments.application or arguments.namespace
    title = arguments.title or arguments.environment.capitalize()
    move = Move(stack, arguments.namespace, application, arguments.environment, title, dry=not arguments.yes)
    try:
        if arguments.all and arguments.yes:
            for name in _ALL:
                print(f"{name}: {(STEPS[name].act if name in STEPS else _up)(move)}", flush=True)
        elif arguments.undo:
            _take_back(move, arguments.step)
        else:
            print(STEPS[arguments.step].act(move))
            _say_what_is_next(move, arguments.step)
    except Unanswered as reason:
        raise OperationError(f"the cluster does not answer: {reason}. Nothing is lost: run this again") from None
    return 0


def _take_back(move: Move, name: str) -> None:
    undo = STEPS[name].undo
    if undo is None:
        raise OperationError(f"step {name} changes nothing, so there is nothing to take back")
    if move.dry:
        raise OperationError(f"to take step {name} back: {move.command(name, '--undo', '--yes')}")
    print(undo(move))


def _say_what_is_next(move: Move, name: str) -> None:
    names = list(STEPS)
    if move.dry and STEPS[name].undo:
        print(f"nothing was changed. To do it: {move.command(name, '--yes')}")
    elif name != names[-1]:
        print(f"next: {move.command(names[names.index(name) + 1])}")
