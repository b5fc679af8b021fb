"""`pulumi new` from a copy of the project: the stack says which two keys it needs, and then it previews."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml
from checkout import Checkout

from embedded.stack import PROJECT


def test_a_project_made_from_this_one_asks_for_two_keys_and_previews(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.folder / ".venv").unlink()
    made = replace(checkout, folder=tmp_path / "made")
    checkout("pulumi", "new", str(checkout.folder), "--dir", str(made.folder), "--generate-only", "--yes")
    assert yaml.safe_load((made.folder / "Pulumi.yaml").read_text())["name"] == "infisical-platform"
    (made.folder / ".venv").symlink_to(PROJECT / ".venv")  # as bootstrap.sh makes it

    made("pulumi", "stack", "init", "mine")
    needs = made.preview("mine", fails=True)
    for key in ("infisical.siteUrl", "ingress.issuer"):
        assert key in needs
    values = {
        "infisical.siteUrl": "https://secrets.example.org",
        "ingress.issuer.kind": "existing",
        "ingress.issuer.name": "letsencrypt-prod",
    }
    for key, value in values.items():
        made("pulumi", "config", "set", "--stack", "mine", "--path", f"infisical-platform:{key}", value)
    made.take_chart("mine", "infisical-standalone")
    assert "https://secrets.example.org" in made.preview("mine")
