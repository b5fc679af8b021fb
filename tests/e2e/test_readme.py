"""What README has a newcomer type, run as it is written there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from views import Kubectl
from waits import COMMAND, DELETION, eventually, kubectl_timeout

from embedded.cluster import Cluster
from embedded.instance import Instance
from embedded.stack import PROJECT

NAMESPACE = "shop"


def block(heading: str) -> str:
    """Return the first block of commands below a heading of README."""
    below = (PROJECT / "README.md").read_text().partition(f"### {heading}\n")[2]
    return re.findall(r"```\n(.*?)```", below, re.DOTALL)[0]


@pytest.fixture
def shop_env(cluster: Cluster, kubectl: Kubectl) -> Iterator[None]:
    """The Secret that the sample application is delivered into, without the minutes of its delivery."""
    kubectl("create", "namespace", NAMESPACE)
    account = ("get", "serviceaccount", "default", "-n", NAMESPACE, "-o", "name")
    eventually(lambda: kubectl(*account, check=False) or None, "pods may be made there")
    kubectl("create", "secret", "generic", "shop-env", "-n", NAMESPACE, "--from-literal=FEATURES=search,cart")
    yield
    kubectl("delete", "namespace", NAMESPACE, kubectl_timeout(DELETION))


@pytest.mark.usefixtures("shop_env")
def test_the_pod_of_the_readme_reads_its_secret(instance: Instance) -> None:
    path = f"{instance.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(instance.kubeconfig), "PATH": path}
    commands = ["bash", "-euc", block("A pod that reads a secret")]
    done = subprocess.run(commands, env=environment, capture_output=True, text=True, timeout=COMMAND)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "search,cart"
