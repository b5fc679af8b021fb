"""The key pair of somebody who can open backups."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def recipient(tmp_path: Path) -> Iterator[str]:
    """Return the public key of somebody who keeps the private one elsewhere."""
    home = tmp_path / "keyring"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    made = ["--passphrase", "", "--quick-generate-key", "ops@example.org", "rsa2048", "encr", "never"]
    subprocess.run([*gpg, *made], check=True)
    yield subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)
