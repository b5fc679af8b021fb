"""Run an operation with `python -m operations COMMAND --stack NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from operations import (
    charts,
    destroy,
    doctor,
    escrow,
    forget_cluster,
    importing,
    reference,
    refresh,
    repair,
    restoring,
    secrets,
    status,
)
from operations.adoption import command as adoption
from operations.delivery import command as delivery
from operations.drift import command as drift
from operations.errors import OperationError
from operations.moving import command as moving
from operations.pulumi import Stack


class _Parser(argparse.ArgumentParser):
    """A parser that ends with 64, because 2 says that there is drift."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: error: {message}\n")


def main() -> int:
    """Parse the command line. A known problem is one sentence on stderr and exit status 1."""
    parser = _Parser(prog="python -m operations", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(commands, doctor.run, "doctor", "ask the cluster for what `pulumi up` will need")
    _command(commands, status.run, "status", "what runs, how old backups are, what expires, what is pending")
    command = _command(commands, restoring.run, "restore", "write a restore into the stack file; `pulumi up` does it")
    command.add_argument("--confirm", help="the value that the refused restore has printed")
    command.add_argument("backup", nargs="?", default="", help="latest, or a backup's name; without: list them")
    command = _command(commands, charts.run, "charts", "put the chart into charts/, pinned by its digest")
    command.add_argument("--chart", type=Path, help="a copy of yours: the archive that `helm package` makes")
    _command(commands, secrets.run, "secrets", "which encrypted settings are set, missing, optional; how to set them")
    command = _command(commands, importing.run, "import-secrets", "take over the environment of another deployment")
    command.add_argument("--overwrite", action="store_true", help="replace values which the stack has already")
    command.add_argument("file", type=_manifest, help="manifest of a Kubernetes Secret")
    command = _command(commands, moving.run, "migrate-secrets", "move the Secrets of a namespace into Infisical")
    command.add_argument("--step", choices=list(moving.STEPS), default="inventory", help="default: inventory")
    command.add_argument("--all", action="store_true", help="every step, with `pulumi up` where it belongs")
    command.add_argument("--yes", action="store_true", help="do it; otherwise a step says what it would do")
    command.add_argument("--undo", action="store_true", help="take the step back")
    command.add_argument("--application", help="default: the namespace's name")
    command.add_argument("--environment", default="prod", help="slug of the environment; default: prod")
    command.add_argument("--title", help="name of the environment as people see it")
    command.add_argument("--leave", action="append", default=[], metavar="NAME", help="a Secret that stays")
    command.add_argument("namespace", type=_named("NAMESPACE"), help="whose Secrets move")
    command = _command(commands, escrow.run, "escrow", "write what must be kept outside of the cluster, encrypted")
    command.add_argument("--output", type=Path, help="default: escrow-<stack>-<time>")
    command.add_argument("recipient", type=_named("RECIPIENT"), help="of age (age1…, ssh-…) or GPG")
    command = _command(commands, destroy.run, "destroy", "`pulumi destroy`, unless a namespace holds what is not ours")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command = _command(commands, forget_cluster.run, "forget-cluster", "take a cluster that is gone out of the state")
    command.add_argument("cluster", type=_named("CLUSTER"), help="uid of its namespace kube-system, as `up` prints it")
    command = _command(commands, refresh.run, "refresh", "`pulumi refresh`, in the stack's own cluster alone")
    command.add_argument("--yes", action="store_true", help="do not ask")
    _owning(commands)
    command = _command(commands, repair.run, "repair", "after a killed `up`: release the lock, clear what is stuck")
    command.add_argument("--yes", action="store_true", help="do not ask whether the run that holds the lock is dead")
    command = commands.add_parser("reference", help="write what follows from settings/: reference, schema, Pulumi.yaml")
    command.set_defaults(run=reference.run, stack="", config_file=None)
    arguments = parser.parse_args()
    if arguments.config_file and not arguments.config_file.is_file():
        parser.error(f"--config-file {arguments.config_file}: there is no such file")
    try:
        return arguments.run(Stack(arguments.stack, arguments.config_file), arguments)
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _manifest(name: str) -> Path:
    """Return the path that FILE names. `make` hands over an empty one for none."""
    if not name:
        raise argparse.ArgumentTypeError("name the manifest of a Kubernetes Secret, FILE=…")
    return Path(name)


def _named(variable: str) -> Callable[[str], str]:
    """Return the type of an argument that must not be empty, as `make` hands it over where its variable is not set."""

    def name(value: str) -> str:
        if not value.strip():
            raise argparse.ArgumentTypeError(f"it is empty: {variable}=…")
        return value

    return name


def _owning(commands: argparse._SubParsersAction[_Parser]) -> None:
    """Add what takes objects from others, looks whether somebody else has changed them, and delivers."""
    command = _command(commands, adoption.run, "adopt", "what taking over a running deployment would do; do it")
    command.add_argument("--write", action="store_true", help="put into the stack file what keeps things as they are")
    command.add_argument("--take", action="store_true", help="take the objects from who deployed them, for `up`")
    command.add_argument("--back", type=Path, help="give back what the file says was taken")
    command = _command(
        commands, drift.run_drift, "drift", "list fields that differ from the stack (exit status 2 if any)"
    )
    command.add_argument("--json", action="store_true", help="for programs")
    command = _command(commands, drift.run_heal, "heal", "put back what the stack owns")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command = _command(commands, delivery.run, "deliver", "what CI systems call through ci/deliver.sh")
    command.add_argument("deliver", choices=[*delivery.COMMANDS, "comment"])
    command.add_argument("file", type=Path, nargs="?", help="the comment: what `preview` printed")


def _command(
    commands: argparse._SubParsersAction[_Parser],
    run: Callable[[Stack, argparse.Namespace], int],
    name: str,
    purpose: str,
) -> _Parser:
    parser = commands.add_parser(name, help=purpose)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--config-file", type=Path, help="default: Pulumi.<stack>.yaml")
    parser.set_defaults(run=run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
