"""Packages of npm which tests need: installed once, as their lock file says."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from embedded.instance import cache_folder


def installed(folder: Path) -> Path:
    """The node_modules of `folder`'s package.json and package-lock.json."""
    lock = folder / "package-lock.json"
    packages = cache_folder() / "npm" / f"{folder.name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not (packages / "complete").exists():
        shutil.rmtree(packages, ignore_errors=True)
        packages.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, packages)
        subprocess.run(["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"], cwd=packages, check=True)
        (packages / "complete").touch()
    return packages / "node_modules"
