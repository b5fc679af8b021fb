"""Draw with `python -m pictures graph` and `python -m pictures timeline`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pictures import timeline


def main() -> int:
    """Run the command; a known problem is one sentence on stderr and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m pictures", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    graph = commands.add_parser("graph", help="the order in which a stack comes up, as SVG")
    graph.add_argument("--stack", choices=("dev", "sample", "prod", "everything"), default="dev")
    graph.add_argument("--only", nargs="+", default=(), help="components to draw, instead of all of them")
    graph.add_argument("--output", type=Path, default=Path("docs/graph.svg"))
    graph.add_argument("--table", type=Path, help="a document between whose marks the table of components is written")
    graph.set_defaults(run=_graph)
    bars = commands.add_parser("timeline", help="the event log of `pulumi up` as a page")
    bars.add_argument("events", type=Path, help="what `pulumi up --event-log FILE` wrote")
    bars.add_argument("--state", type=Path, help="what `pulumi stack export` wrote: which resource waited for which")
    bars.add_argument("--output", type=Path, default=Path("up.html"))
    bars.set_defaults(run=_timeline)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except timeline.TimelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _graph(arguments: argparse.Namespace) -> None:
    from pictures.architecture import with_table
    from pictures.graph import draw  # the harness needs what only a development environment has
    from tests.unit import harness

    shapes = {"everything": harness.everything, "sample": harness.sample}
    graph = shapes[arguments.stack]() if arguments.stack in shapes else harness.platform(arguments.stack)
    arguments.output.write_text(draw(graph, arguments.only))
    if arguments.table:
        arguments.table.write_text(with_table(arguments.table.read_text(), graph))


def _timeline(arguments: argparse.Namespace) -> None:
    timeline.write(arguments.events, arguments.state, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
