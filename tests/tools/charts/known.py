"""The chart that these tests know, and archives that are like it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from operations.pulumi import ROOT, Stack
from settings import Commands, Settings
from tests.packed import packed

NAME, VERSION = "infisical-standalone", "1.10.0"
PROD = Commands("infisical-platform", "prod")
COPY = f"charts/{NAME}-{VERSION}.tgz"


def own_copy(archive: bytes) -> str:
    """Return the path of an archive that lies beside a different one."""
    return f"charts/{NAME}-{VERSION}-{hashlib.sha256(archive).hexdigest()[:12]}.tgz"


FOLDER = ROOT / "embedded" / "charts" / NAME
CHART = packed(FOLDER)
OTHER_DIGEST = f"sha256:{'0' * 64}"


def digest(archive: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


def archive(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member in members:
            info, content = (
                (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            )
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def chart_yaml(name: str = NAME, version: str = VERSION) -> tuple[str, bytes]:
    return f"{name}/Chart.yaml", f"name: {name}\nversion: {version}\n".encode()


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@dataclasses.dataclass(frozen=True)
class KnownStack(Stack):
    """A stack whose chart is known; what is set is only noted."""

    chart: dict[str, str] = dataclasses.field(default_factory=dict)
    operator: dict[str, str] | None = None
    was_set: dict[str, str] = dataclasses.field(default_factory=dict)
    deployed: str = ""  # the path that its release was made from

    def settings(self) -> Settings:
        infisical = {"siteUrl": "https://secrets.example.org", "chart": self.chart}
        sections = {"infisical": infisical, "ingress": {"issuer": {"kind": "existing", "name": "ca"}}}
        if self.operator is not None:
            sections["secretsOperator"] = {"chart": self.operator}
        return Settings.model_validate(sections)

    def run(self, *arguments: str, input: str = "") -> str:
        assert arguments == ("stack", "export")
        release = {"type": "kubernetes:helm.sh/v3:Release", "urn": "urn::infisical"}
        outputs = {"values": {"infisical": {}}, "chart": self.deployed}
        return json.dumps({"deployment": {"resources": [release | {"outputs": outputs}] if self.deployed else []}})

    def set(self, key: str, value: str, *, secret: bool, text: bool = False) -> None:
        assert not secret
        self.was_set[key] = value


Run = Callable[..., KnownStack]
