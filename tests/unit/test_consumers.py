"""The example of docs/consumers.md, run as it stands there, against the outputs that a stack has."""

from __future__ import annotations

import re
from typing import Any

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from tests.unit.harness import ROOT, platform

PAGE = (ROOT / "docs" / "consumers.md").read_text()


class Cloud(Mocks):
    """A backend that has stack prod, and notes what is made."""

    def __init__(self) -> None:
        self.outputs = {leaf.where: leaf.value for leaf in platform("prod").exports.values()}
        self.made: dict[str, Any] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.inputs["name"], "outputs": self.outputs, "secretOutputNames": []}
        self.made[args.name] = args.inputs
        return args.name, dict(args.inputs)

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise AssertionError(args.token)


def test_the_example_reads_a_stacks_outputs() -> None:
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    cloud = Cloud()

    @pulumi.runtime.test
    def run() -> None:
        exec(example, {})  # noqa: S102  # the page's own example

    pulumi.runtime.set_mocks(cloud, "shop", "prod", preview=False)
    run()
    assert cloud.made["infisical"]["data"] == {"INFISICAL_API_URL": "http://infisical-backend.infisical.svc:8080"}


def test_every_output_is_on_the_page() -> None:
    listed = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert listed == {*Cloud().outputs, "backup", "readme"}
