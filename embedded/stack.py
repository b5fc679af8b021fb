"""The stack `dev` on the embedded cluster: Pulumi's environment, and what `make up` prints at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import yaml

from embedded.errors import EmbeddedError
from embedded.instance import Instance
from embedded.programs import Programs

PROJECT = Path(__file__).parent.parent
STACK = "dev"


class Stack:
    """One stack, its state in a folder of the instance, encrypted with a passphrase of the instance.

    The configuration is a copy of Pulumi.dev.yaml: initialising a stack adds its encryption salt to that file, and a
    checkout should stay as it is.
    """

    def __init__(self, instance: Instance, programs: Programs) -> None:
        self._folder = instance.folder / "pulumi"
        self._kubeconfig = instance.kubeconfig
        self._programs = programs

    @property
    def configuration(self) -> Path:
        """What `--config-file` names."""
        return self._folder / f"Pulumi.{STACK}.yaml"

    def init(self, overrides: Mapping[str, object] | None = None) -> None:
        """Makes the stack where there is none, and takes the checkout's configuration with `overrides` of whole keys."""
        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        passphrase = self._folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        shutil.copy(PROJECT / "Pulumi.yaml", self._folder / "Pulumi.yaml")
        salt = self._salt()
        wanted = yaml.safe_load((PROJECT / f"Pulumi.{STACK}.yaml").read_text())
        for key, value in (overrides or {}).items():
            wanted["config"][f"infisical-platform:{key}"] = value
        if salt:
            wanted["encryptionsalt"] = salt
        self.configuration.write_text(yaml.safe_dump(wanted, sort_keys=False))
        if not salt:
            self.pulumi("stack", "init", STACK, cwd=self._folder, quiet=True)

    def _salt(self) -> str:
        if not self.configuration.exists():
            return ""
        return yaml.safe_load(self.configuration.read_text()).get("encryptionsalt", "")

    def run(self, command: str, *arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """`pulumi COMMAND` on the stack; with `quiet`, what it prints is in the result."""
        return self.pulumi(command, *self.options, *arguments, quiet=quiet)

    @property
    def options(self) -> list[str]:
        """Which stack, and where its configuration is."""
        return ["--stack", STACK, "--config-file", str(self.configuration), "--non-interactive"]

    def pulumi(self, *arguments: str, cwd: Path = PROJECT, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Raises EmbeddedError when Pulumi fails; its own output has said why."""
        done = subprocess.run(
            [self.program, *arguments], cwd=cwd, env=self.environment(), capture_output=quiet, text=True
        )
        if done.returncode:
            said = f":\n{done.stdout}{done.stderr}" if quiet else ""
            raise EmbeddedError(f"pulumi {arguments[0]} failed{said}")
        return done

    def repair(self, quiet: bool = False) -> None:
        """`repair.sh`, as a user on a cluster of their own runs it. Raises EmbeddedError."""
        command = [str(PROJECT / "repair.sh"), STACK, "--config-file", str(self.configuration), "--skip-preview"]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment(), capture_output=quiet, text=True)
        if done.returncode:
            raise EmbeddedError(f"repair failed{f':{chr(10)}{done.stdout}{done.stderr}' if quiet else ''}")

    @property
    def program(self) -> str:
        """The user's own Pulumi, else the built one."""
        return shutil.which("pulumi") or str(self._programs.path("pulumi"))

    def environment(self) -> dict[str, str]:
        """For Pulumi: backend, passphrase and cluster of the instance, and the built plugins on PATH."""
        environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{self._folder}/state",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_ERROR_OUTPUT_STRING": "true",
            "KUBECONFIG": str(self._kubeconfig),
            # The virtual environment first: the built language host runs whichever python3 it finds.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(self._programs_folder())]),
        }
        if not shutil.which("pulumi"):
            environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return environment

    def _programs_folder(self) -> Path:
        """One folder with kubectl, Pulumi and its plugins."""
        folder = self._folder / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        for name in [*plugins(), "kubectl"]:
            target, source = folder / name, self._programs.path(name)
            target.unlink(missing_ok=True)
            if name.startswith("pulumi-language-python"):  # looks for its script beside itself, past any link
                shutil.copy(source, target)
            else:
                target.symlink_to(source)
        return folder


def plugins() -> Sequence[str]:
    """What has to be built for Pulumi here: all of it, or what a Pulumi on PATH can't download."""
    built = ["pulumi-resource-kubernetes"] + ([] if _has_random() else ["pulumi-resource-random"])
    if shutil.which("pulumi"):
        return built
    return [*built, "pulumi", "pulumi-language-python", "pulumi-language-python-exec"]


def _has_random() -> bool:
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return bool(shutil.which("pulumi-resource-random") or list(home.glob("plugins/resource-random-v*")))


def summary(instance: Instance, status: Callable[[], str]) -> str:
    """The short block at the end of `make up`."""
    host = "secrets.infisical.test"
    authority = instance.folder / "ca.crt"
    curl = f"curl --cacert {authority} --resolve {host}:443:{instance.node_address} https://{host}/api/status"
    return "\n".join(
        [
            "",
            f"Infisical answers at  https://{host}  ({status()})",
            f"  authority           {authority}",
            f"  try it              {curl}",
            f"  kubeconfig          {instance.kubeconfig}",
            f"  look around         export KUBECONFIG={instance.kubeconfig} PATH=$PATH:{instance.folder}/bin",
            "                      kubectl get pods -A",
            f"  stop and delete     make down{'' if instance.name == 'dev' else f' INSTANCE={instance.name}'}",
        ]
    )
