"""Run the cluster that the project brings along, and the stack `dev` on it, with `python -m embedded`."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from embedded import host, imagebuild, registry, stack
from embedded.cluster import Cluster
from embedded.errors import EmbeddedError
from embedded.hostile import DOMAIN as HOSTILE_DOMAIN
from embedded.instance import HOSTILE, KINDS, PLAIN, Instance, cache_folder
from embedded.pinned import PROGRAMS
from embedded.programs import Programs


class Progress:
    """Print one line an event, with the time since the start, because a build may run without a terminal."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, event: str) -> None:
        """Print an event."""
        elapsed = int(time.monotonic() - self._start)
        print(f"[{elapsed // 60:2}:{elapsed % 60:02}] {event}\n", end="", flush=True)  # one write: threads report too


def main() -> int:
    """Run the command; a known problem is one sentence on stderr and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = _command(commands, _up, "up", "start the cluster and run `pulumi up` of stack dev on it; repeat at will")
    up.add_argument("--timeline", type=Path, help="draw where the time went, as a page of HTML")
    up.add_argument("--nodes", type=int, choices=(1, 2), default=1, help="how many nodes the cluster has")
    up.add_argument("--domain", default="", help="the domain of the cluster's Services, instead of cluster.local")
    up.add_argument("--bare", action="store_true", help="without operators and cert-manager, which the stack installs")
    up.add_argument("--cluster", choices=KINDS, default=PLAIN, help="hostile asks much of pods, ipv6 has no IPv4")
    up.add_argument("--sample", action="store_true", help="with an application that gets its secrets from Infisical")
    up.add_argument("--cluster-only", action="store_true", help="stop before Pulumi")
    _command(commands, _down, "down", "end the cluster and delete all that it has on disk")
    _command(commands, _status, "status", "what runs, what does not, and why")
    preview = _command(commands, _pulumi, "pulumi", "run Pulumi on the stack: python -m embedded pulumi preview --diff")
    preview.add_argument("arguments", nargs=argparse.REMAINDER)
    operate = _command(
        commands, _operate, "operate", "run an operation on the stack: python -m embedded operate doctor"
    )
    operate.add_argument("arguments", nargs=argparse.REMAINDER)
    built = _command(commands, _build, "build", "build programs and images, start nothing")
    built.add_argument("--rehearsals", action="store_true", help="also what only `make rehearse` needs")
    image = _command(commands, _image, "image", "build the images and write them as an OCI archive, for kind or k3d")
    image.add_argument("archive", type=Path)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except EmbeddedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: what is done is kept, the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], None],
    name: str,
    purpose: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=purpose)
    parser.add_argument("--instance", default="dev", help="name of the cluster; several can run side by side")
    parser.add_argument("--context", default="", help="a context of your kubeconfig, instead of the embedded cluster")
    parser.set_defaults(run=run)
    return parser


def _up(arguments: argparse.Namespace) -> None:
    progress, instance = Progress(), Instance(arguments.instance)
    cluster = None
    if arguments.sample and (arguments.context or arguments.cluster != PLAIN):
        raise EmbeddedError("the sample application is for the plain embedded cluster: leave CONTEXT and CLUSTER out")
    if arguments.context:
        build_for_pulumi(progress)
    else:
        cluster = start(
            instance,
            progress,
            arguments.nodes,
            domain=arguments.domain,
            bare=arguments.bare,
            kind=arguments.cluster,
        )
    if arguments.cluster_only:
        progress(f"the cluster is ready: export KUBECONFIG={instance.kubeconfig}")
        return
    if cluster and arguments.sample:
        cluster.bring_sample()
    target = _stack(arguments)
    progress("pulumi up")
    with meanwhile(cluster, target.interrupt):
        target.up(arguments.timeline)
    if not arguments.context:
        print(stack.summary(instance))


def _stack(arguments: argparse.Namespace) -> stack.Stack:
    target = stack.Stack(Instance(arguments.instance), Programs(cache_folder()), arguments.context)
    target.init()
    return target


@contextmanager
def meanwhile(cluster: Cluster | None, interrupt: Callable[[], None]) -> Iterator[None]:
    """Give a bare cluster its authority while the stack installs cert-manager, as an administrator would.

    Without the authority `up` would wait in vain, so `interrupt` ends it, and the reason is raised in its place.
    """
    if not cluster or not cluster.instance.bare:
        yield
        return
    reasons: list[Exception] = []

    def bring() -> None:
        try:
            cluster.bring_authority()
        except Exception as reason:
            reasons.append(reason)
            interrupt()

    bringing = threading.Thread(target=bring, daemon=True)  # an `up` that fails by itself does not wait for it
    bringing.start()
    try:
        yield
        bringing.join()
    finally:
        if reasons:
            raise reasons[0]


def start(
    instance: Instance,
    progress: Callable[[str], None],
    nodes: int = 1,
    *,
    domain: str = "",
    bare: bool = False,
    kind: str = PLAIN,
) -> Cluster:
    """Start the cluster with its add-ons, after building what is not built yet. Raises EmbeddedError.

    A HOSTILE one has two nodes, a domain of its own and no operators.
    """
    host.prepare(cache_folder(), progress)
    programs, images = build(progress)
    cluster = Cluster(instance, programs, progress)
    hostile = kind == HOSTILE or instance.hostile
    if hostile:
        build_for_pulumi(progress, registry.PROGRAM)
    cluster.up(images, domain or (HOSTILE_DOMAIN if hostile else ""), bare=bare or hostile, kind=kind)
    if instance.bare:
        build_for_pulumi(progress, stack.CHARTS)
    if nodes > 1 or hostile:
        cluster.join(images)
    return cluster


def build(progress: Callable[[str], None]) -> tuple[Programs, imagebuild.Layout]:
    """Build the programs and images that the cache lacks, and return all. Raises EmbeddedError."""
    modules = (name for name, program in PROGRAMS.items() if not name.startswith("pulumi") and not program.rehearsals)
    images, paths = cache_folder() / "images", Programs(cache_folder()).path
    with ThreadPoolExecutor(1) as pool:
        # Packages come over the network, while the compilers keep the cores busy.
        packages = pool.submit(imagebuild.build, images, paths, progress, imagebuild.OF_PACKAGES)
        programs = build_for_pulumi(progress, *modules)
        packages.result()
    return programs, imagebuild.build(images, paths, progress)


def build_for_pulumi(progress: Callable[[str], None], *others: str) -> Programs:
    """Build what Pulumi needs and this machine lacks, and `others`. Raises EmbeddedError."""
    programs = Programs(cache_folder())
    needed = {*others, *stack.wanted()}
    if missing := [module for module in programs.missing() if module in needed]:
        programs.build(missing, progress)
    return programs


def _down(arguments: argparse.Namespace) -> None:
    progress, instance = Progress(), Instance(arguments.instance)
    Cluster(instance, Programs(cache_folder()), progress).down()
    progress(f"instance {instance.name} is gone; programs and images stay in {cache_folder()}")


def _status(arguments: argparse.Namespace) -> None:
    instance = Instance(arguments.instance)
    if arguments.context:
        _stack(arguments).operate("status")
        return
    status = Cluster(instance, Programs(cache_folder()), Progress()).status()
    if status.failure:
        raise EmbeddedError(status.failure)
    if not status.running:
        raise EmbeddedError(f"instance {instance.name} is not running: make up")
    print(f"node {instance.node_address} is running, kubeconfig {instance.kubeconfig}, logs {instance.logs}")
    print("\n".join(f"not ready: {pod}" for pod in status.not_ready) or "every pod is ready")
    print(flush=True)
    _stack(arguments).operate("status")


def _pulumi(arguments: argparse.Namespace) -> None:
    command, *rest = arguments.arguments or ["stack"]
    _stack(arguments).run(command, *rest)


def _operate(arguments: argparse.Namespace) -> None:
    command, *rest = arguments.arguments or ["--help"]
    _stack(arguments).operate(command, *rest)


def _build(arguments: argparse.Namespace) -> None:
    progress = Progress()
    host.prepare(cache_folder(), progress)
    build(progress)
    if arguments.rehearsals:
        build_for_pulumi(progress, *(name for name, program in PROGRAMS.items() if program.rehearsals))
    progress("everything is built")


def _image(arguments: argparse.Namespace) -> None:
    progress = Progress()
    host.prepare(cache_folder(), progress)
    _, images = build(progress)
    with arguments.archive.open("wb") as archive:
        images.archive(archive)
    progress(f"wrote {arguments.archive}")


if __name__ == "__main__":
    sys.exit(main())
