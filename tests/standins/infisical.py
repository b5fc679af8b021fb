"""The stand-in of Infisical as a process on loopback, for the tests of this folder."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.node_packages import installed
from tests.standins.engines import LIMIT, WITH_PARENT, free_port, wait_for

APPLICATION = Path(__file__).parents[2] / "embedded" / "images" / "infisical"
IMAGE: dict[str, Any] = json.loads((APPLICATION / "image.json").read_text())
Environment = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(kw_only=True)
class Infisical:
    """One process of the stand-in, started as its image starts it, on a port of its own."""

    folder: Path
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                [*WITH_PARENT, *IMAGE["entrypoint"]],
                cwd=self.folder,
                env={**image_environment(), "HOST": "127.0.0.1", "PORT": str(self.port), **self.environment},
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )

    def output(self) -> str:
        return self.log.read_text()

    def request(
        self, method: str, path: str, body: object = None, token: str | None = None, limit: float = LIMIT
    ) -> Answer:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, method=method, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=limit) as response:
                return Answer(status=response.status, body=json.load(response), headers=dict(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, body=json.load(error), headers=dict(error.headers))

    def status(self) -> Answer | None:
        """The answer of /api/status; None while nothing listens. Raises when the process has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"Infisical ended with {self._process.returncode}:\n{self.output()}")
        try:
            return self.request("GET", "/api/status")
        except urllib.error.URLError:
            return None

    def detail(self) -> dict[str, Any]:
        """What a server whose database answers says of its connections."""

        def found() -> dict[str, Any] | None:
            answer = self.status()
            return answer.body["detail"] if answer and "error" not in answer.body["detail"]["database"] else None

        return wait_for("a database that answers", found)

    def token(self) -> str:
        return hmac.new(self.environment["AUTH_SECRET"].encode(), b"stand-in", hashlib.sha256).hexdigest()

    def exit_code(self) -> int:
        return self._process.wait(timeout=LIMIT)

    def terminate(self) -> None:
        self._process.terminate()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def image_environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **IMAGE["env"]}


def install_application(folder: Path) -> None:
    """The application with its locked packages, as the image build installs them."""
    shutil.copytree(APPLICATION / "dist", folder / "dist")
    shutil.copy(APPLICATION / "package.json", folder)
    (folder / "node_modules").symlink_to(installed(APPLICATION))


def run_npm(folder: Path, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`npm run SCRIPT` as in the image, where node_modules/npm is the `npm` on PATH."""
    return subprocess.run(
        ["node", "node_modules/npm/bin/npm-cli.js", "run", script],
        cwd=folder,
        env={**image_environment(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
