"""Every script starts under the newest Python that is here, as well as under the oldest of the promise."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "components/jobs"
SCRIPTS = sorted(path.name for path in JOBS.glob("*/*.py") if '__name__ == "__main__"' in path.read_text())


@functools.cache
def interpreters() -> list[str]:
    """Those of 3.11 to 3.14 that run: where pyenv keeps them, whose shims start a shell or three, and else on PATH."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    runs: list[str] = []
    for minor in range(11, 15):
        for found in (*map(str, versions.glob(f"3.{minor}.*/bin/python")), shutil.which(f"python3.{minor}")):
            if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
                runs.append(found)
                break
    return runs


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_starts_under_every_python(script: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It imports all that it needs, without a deprecation, and says what its CONFIG lacks."""
    [path] = JOBS.glob(f"*/{script}")
    compiled = str(tmp_path_factory.getbasetemp() / "compiled")
    environment = {"PYTHONPATH": str(JOBS / "shared"), "PYTHONPYCACHEPREFIX": compiled, "PATH": os.environ["PATH"]}
    assert interpreters()
    for python in interpreters():
        command = [python, "-W", "error", str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        assert (python, done.returncode, done.stderr) == (python, 2, "")
        assert "misconfigured: the environment variable CONFIG is not set" in done.stdout
