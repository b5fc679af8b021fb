"""Run the stack `dev` on the embedded cluster: Pulumi's environment, and what `make up` prints at the end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import yaml

from embedded import imagebuild, registry, sample
from embedded.errors import EmbeddedError
from embedded.instance import Instance, state_folder
from embedded.programs import Programs
from embedded.ranges import IPV6, url_host
from operations.child_process import outlast
from pictures import timeline

PROJECT = Path(__file__).parent.parent
STACK = "dev"
CHARTS = "operator-charts"  # the program that has the real ones
_CHARTS = {
    "postgresChart": "postgres-operator",
    "redisChart": "redis-operator",
    "certManagerChart": "cert-manager",
}
_INFISICAL = "infisical-platform:infisical"
_CREDENTIALS = "infisical-platform:registryCredentials"
_WRITTEN = ("escrow", "restore")  # what operations write into the stack file, and the checkout's does not have


class Stack:
    """Stack dev of one cluster, either the instance's or the one that `context` of the user's kubeconfig leads to.

    Its state lies in a folder of that cluster's own, encrypted with a passphrase beside it. The configuration is a copy
    of Pulumi.dev.yaml, or of Pulumi.hostile.yaml for a cluster of that kind: initialising a stack adds its encryption
    salt to that file, and a checkout should stay as it is. With a `folder` of its own, a second stack is in the same
    cluster.
    """

    def __init__(self, instance: Instance, programs: Programs, context: str = "", folder: str = "pulumi") -> None:
        self._context = context
        self._folder = state_folder() / "contexts" / context if context else instance.folder / folder
        self._kubeconfig = instance.kubeconfig
        self._binaries = instance.folder / "bin"
        self._programs = programs
        self._bare, self._domain = not context and instance.bare, instance.domain
        self._hostile = not context and instance.hostile
        self._ipv6 = not context and instance.ranges is IPV6
        self._instance_folder = instance.folder
        self.settings = PROJECT / f"Pulumi.{'hostile' if self._hostile else STACK}.yaml"
        self._sample = not context and instance.sample
        self._running: subprocess.Popen[str] | None = None
        self._interrupted = threading.Event()

    def _operators(self) -> dict[str, object]:
        """Return the section that installs the operators, from the real charts and with images of this cluster."""
        paths = {name: {"path": str(self._programs.path(f"{chart}-chart"))} for name, chart in _CHARTS.items()}
        part = imagebuild.reference
        images: dict[str, object] = {
            "postgresImages": {
                "operator": part("postgres-operator"),
                "spilo": part("postgres"),
                "pooler": part("pooler"),
            },
            "redisImage": part("redis-operator"),
            "certManagerImages": {
                name: part(f"cert-manager-{name}") for name in ("controller", "webhook", "cainjector")
            },
        }
        return {
            **dict.fromkeys(("postgres", "redis", "certManager"), "install"),
            **paths,
            **({} if self._hostile else images),  # there they have their public names, below a mirror
            "clusterDomain": self._domain,
            "redisConfigInInitContainer": True,  # the image of Redis is Debian's
        }

    @property
    def configuration(self) -> Path:
        """Return the file that `--config-file` names."""
        return self._folder / f"Pulumi.{STACK}.yaml"

    def init(self, overrides: Mapping[str, object] | None = None) -> None:
        """Make the stack where there is none, with the checkout's settings and `overrides` for whole keys.

        What `pulumi config set --secret` has encrypted in the copy stays, and what operations have noted there.
        """
        (self._folder / "state").mkdir(parents=True, exist_ok=True)
        passphrase = self._folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        shutil.copy(PROJECT / "Pulumi.yaml", self._folder / "Pulumi.yaml")
        before = yaml.safe_load(self.configuration.read_text()) if self.configuration.exists() else {}
        wanted = yaml.safe_load(self.settings.read_text())
        ours: dict[str, object] = {}
        ours |= {"cluster": {"context": self._context, "protect": False}} if self._context else {}
        ours |= {"operators": self._operators()} if self._bare else {}
        ours |= sample.sections() if self._sample else {}
        for key, value in {**ours, **(overrides or {})}.items():
            wanted["config"][f"infisical-platform:{key}"] = value
        if self._ipv6:
            wanted["config"][_INFISICAL] = {**wanted["config"][_INFISICAL], "ipv6": True}
        for key, value in before.get("config", {}).items():
            if (isinstance(value, dict) and "secure" in str(value)) or key.rpartition(":")[2] in _WRITTEN:
                wanted["config"][key] = value
        if salt := before.get("encryptionsalt"):
            wanted["encryptionsalt"] = salt
        self.configuration.write_text(yaml.safe_dump(wanted, sort_keys=False))
        if not salt:
            self.pulumi("stack", "init", STACK, cwd=self._folder, quiet=True)
        if self._hostile and _CREDENTIALS not in wanted["config"]:
            self._encrypt(_CREDENTIALS, registry.credentials(self._instance_folder))

    def _encrypt(self, key: str, value: str) -> None:
        """Set a secret, which goes over a pipe. Raises EmbeddedError."""
        command = [self.program, "config", "set", "--secret", key, *self.options, "--non-interactive"]
        done = subprocess.run(command, cwd=PROJECT, env=self.environment(), input=value, capture_output=True, text=True)
        if done.returncode:
            raise EmbeddedError(f"`{_shown(command)}` failed: {done.stderr.strip()}")

    def run(self, command: str, *arguments: str, quiet: bool = False) -> str:
        """Run `pulumi COMMAND` on the stack, and with `quiet` return what it prints. Raises EmbeddedError."""
        return self.pulumi(command, *self.options, *arguments, quiet=quiet)

    @property
    def options(self) -> list[str]:
        """Return the options that name the stack and its configuration file."""
        return ["--stack", STACK, "--config-file", str(self.configuration)]

    def pulumi(self, *arguments: str, cwd: Path = PROJECT, quiet: bool = False) -> str:
        """Run Pulumi. Raises EmbeddedError when it fails, after its own output has said why."""
        return self._run([self.program, *arguments, *(["--non-interactive"] if quiet else [])], cwd, quiet)

    def up(self, page: Path | None = None) -> None:
        """Run `pulumi up`, and draw its timeline on `page` even when it fails. Raises EmbeddedError."""
        if not page:
            self.run("up", "--yes", "--skip-preview")
            return
        events = self._folder / "events"
        events.unlink(missing_ok=True)
        try:
            self.run("up", "--yes", "--skip-preview", "--event-log", str(events))
        finally:
            if events.exists():
                state = self.pulumi("stack", "export", "--stack", STACK, cwd=self._folder, quiet=True)
                timeline.write(events, json.loads(state), page)
                events.unlink()  # it has every plain input

    def interrupt(self) -> None:
        """Have Pulumi end what it is doing or about to begin, as Ctrl-C does. Another thread may call it."""
        self._interrupted.set()
        if self._running:
            self._running.send_signal(signal.SIGINT)  # which does nothing to a process that has ended

    def operate(self, command: str, *arguments: str, quiet: bool = False) -> None:
        """Run `python -m operations COMMAND` on the stack. Raises EmbeddedError."""
        self._run([sys.executable, "-m", "operations", command, *self.options, *arguments], PROJECT, quiet)

    def repair(self, quiet: bool = False) -> None:
        """Put the stack in order after a killed `up`. Raises EmbeddedError."""
        self.operate("repair", "--yes", quiet=quiet)

    def _run(self, command: list[str], cwd: Path, quiet: bool) -> str:
        out, err = (subprocess.PIPE, subprocess.STDOUT) if quiet else (None, None)
        self._running = process = subprocess.Popen(
            command, cwd=cwd, env=self.environment(), stdout=out, stderr=err, text=True
        )
        if self._interrupted.is_set():
            process.send_signal(signal.SIGINT)
        printed = outlast(process)
        if process.returncode:
            raise EmbeddedError(f"`{_shown(command)}` failed" + (f":\n{printed}" if quiet else ""))
        return printed

    @property
    def program(self) -> str:
        """Return the user's own Pulumi, or else the built one."""
        return shutil.which("pulumi") or str(self._home() / "bin" / "pulumi")

    def environment(self) -> dict[str, str]:
        """Return Pulumi's environment: the instance's backend, passphrase and cluster, and its programs."""
        environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{self._folder}/state",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_ERROR_OUTPUT_STRING": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # or --event-log does not exist
            # The virtual environment first: the built language host runs whichever python3 it finds.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], str(self._binaries)]),
        }
        if not self._context:
            environment["KUBECONFIG"] = str(self._kubeconfig)
        if not shutil.which("pulumi"):
            home = self._home()
            environment["PULUMI_HOME"] = str(home)
            environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
            environment["PATH"] += f"{os.pathsep}{home / 'bin'}"
        return environment

    def _home(self) -> Path:
        """Make a PULUMI_HOME where Pulumi finds the built programs as its own, so that it has nothing to remark."""
        home = self._folder / "home"
        places = {name: home / "bin" / name for name in _CLI} | {
            f"pulumi-resource-{name}": home / "plugins" / f"resource-{name}-v{version(f'pulumi-{name}')}"
            for name in ("kubernetes", "random")
        }
        for name, place in places.items():
            if place.parent.name == "bin":
                _hard_link(self._programs.path(name), place)
            elif name in wanted():
                _hard_link(self._programs.path(name), place / name)
        _hard_link(Path(__file__).parent / _ANALYZER, home / "bin" / _ANALYZER)
        for plugin in _random_plugins():
            link = home / "plugins" / plugin.name
            if not link.exists():
                link.symlink_to(plugin)
        return home


def _shown(command: list[str]) -> str:
    """Return a command as messages show it, for example `pulumi up` or `python -m operations repair`."""
    return " ".join([Path(command[0]).name, *command[1 : 4 if command[1] == "-m" else 2]])


_CLI = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
_ANALYZER = "pulumi-analyzer-policy-python"


def wanted() -> set[str]:
    """Return the programs to build for Pulumi; none if the user has a Pulumi, because it downloads its plugins."""
    if shutil.which("pulumi"):
        return set()
    has_random = shutil.which("pulumi-resource-random") or _random_plugins()
    return {*_CLI, "pulumi-resource-kubernetes"} | (set() if has_random else {"pulumi-resource-random"})


def _random_plugins() -> list[Path]:
    """Return the real random provider, where a Pulumi has downloaded it before."""
    return sorted((Path.home() / ".pulumi" / "plugins").glob("resource-random-v*[0-9]"))


def _hard_link(source: Path, target: Path) -> None:
    """Make a hard link, because the language host follows a symbolic one and looks for its script beside the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copy(source, target)


def summary(instance: Instance) -> str:
    """Return the short block at the end of `make up`."""
    host = "secrets.infisical.test"
    authority = instance.folder / "ca.crt"
    curl = f"curl --cacert {authority} --resolve {host}:443:{url_host(instance.node_address)} https://{host}/api/status"
    return "\n".join(
        [
            "",
            f"Infisical answers at  https://{host}",
            f"  authority           {authority}",
            f"  try it              {curl}",
            f"  kubeconfig          {instance.kubeconfig}",
            f"  look around         export KUBECONFIG={instance.kubeconfig} PATH=$PATH:{instance.folder}/bin",
            "                      kubectl get pods -A",
            *([f"  log in              {sample.LOGIN}"] if instance.sample else []),
            f"  stop and delete     make down{'' if instance.name == 'dev' else f' INSTANCE={instance.name}'}",
        ]
    )
