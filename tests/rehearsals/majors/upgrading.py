"""Have the operator run the database in the image with two major versions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from embedded import imagebuild
from embedded.__main__ import Progress
from embedded.instance import cache_folder
from tests.e2e.steps import configure
from tests.e2e.waits import ROLLOUT, kubectl_timeout
from tests.rehearsals.majors.image import IMAGES
from tests.rehearsals.platforms import Platform

_OPERATOR = "postgres-operator"
_MODE = "major_version_upgrade_mode"


@contextlib.contextmanager
def both_versions(platform: Platform) -> Iterator[str]:
    """Give the database an image with both versions, and yield its name. Afterwards the platform begins from empty."""
    layout = imagebuild.build(cache_folder() / "images", platform.kubectl.programs.path, Progress(), images=IMAGES)
    for place in (platform.instance.node, platform.instance.second_node):
        platform.cluster.import_images(layout, place)
    [image] = layout.digests()
    before = _configuration(platform)
    _configure_operator(platform, image, "manual")
    try:
        yield image
    finally:
        platform.stack.run("destroy", "--yes", "--skip-preview", quiet=True)
        configure(platform.stack)
        _configure_operator(platform, before["docker_image"], before["major_version_upgrade"][_MODE])
        platform.stack.run("up", "--yes", "--skip-preview", quiet=True)


def _configuration(platform: Platform) -> dict[str, Any]:
    found = platform.kubectl("get", f"operatorconfiguration/{_OPERATOR}", "-n", _OPERATOR, "-o", "json")
    configuration: dict[str, Any] = json.loads(found)["configuration"]
    return configuration


def _configure_operator(platform: Platform, image: str, mode: str) -> None:
    wanted = {"docker_image": image, "major_version_upgrade": {_MODE: mode}}
    patch = json.dumps({"configuration": wanted})
    platform.kubectl("patch", f"operatorconfiguration/{_OPERATOR}", "-n", _OPERATOR, "--type=merge", "-p", patch)
    deployment = (f"deployment/{_OPERATOR}", "-n", _OPERATOR)
    platform.kubectl("rollout", "restart", *deployment)
    platform.kubectl("rollout", "status", *deployment, kubectl_timeout(ROLLOUT))
