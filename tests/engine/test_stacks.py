"""Each stack of the project previews where there is neither a cluster nor a network, as in a user's CI."""

from __future__ import annotations

import sys

from checkout import Checkout

from tests.unit.harness import THROW_AWAY


def test_prod(checkout: Checkout) -> None:
    checkout("pulumi", "stack", "init", "prod")
    printed = checkout.preview("prod", fails=True)
    for key in THROW_AWAY:
        assert f"pulumi config set --stack prod --secret 'infisical-platform:{key}'" in printed
    listed = checkout(sys.executable, "-m", "operations", "secrets", "--stack", "prod", fails=True)
    assert all(key in listed for key in THROW_AWAY)
    for key, value in THROW_AWAY.items():
        checkout.set("prod", key, value)
    checkout(sys.executable, "-m", "operations", "secrets", "--stack", "prod")

    assert "Pin it: `make charts STACK=prod`" in checkout.preview("prod", fails=True)
    checkout.take_chart("prod", "infisical")
    assert " to create" in checkout.preview("prod")

    with (checkout.folder / "charts/infisical-0.4.2.tgz").open("ab") as archive:
        archive.write(b"\0")
    assert "infisical.chart.digest is sha256:" in checkout.preview("prod", fails=True)
    (checkout.folder / "charts/infisical-0.4.2.tgz").unlink()
    assert "make charts STACK=prod CHART=path" in checkout.preview("prod", fails=True)
    fetched = checkout(sys.executable, "-m", "operations", "charts", "--stack", "prod", fails=True)
    assert "CHART=" in fetched  # no repository here: it says how to point at a copy
    assert "Traceback" not in fetched


def test_two_keys_are_a_stack(checkout: Checkout) -> None:
    checkout("pulumi", "stack", "init", "minimal")
    checkout.take_chart("minimal", "infisical-standalone")
    assert " to create" in checkout.preview("minimal")


def test_an_old_bucket_whose_stacks_have_no_project_is_read(checkout: Checkout) -> None:
    """As Pulumi made them before 3.61: nothing moves such a stack but `pulumi state upgrade`."""
    old = Checkout(checkout.folder, {**checkout.environment, "PULUMI_DIY_BACKEND_LEGACY_LAYOUT": "true"})
    old("pulumi", "stack", "init", "minimal")
    old.take_chart("minimal", "infisical-standalone")
    assert " to create" in old.preview("minimal")


def test_what_can_not_be_decrypted_is_a_sentence(checkout: Checkout) -> None:
    checkout("pulumi", "stack", "init", "prod")
    checkout.set("prod", "smtpPassword", THROW_AWAY["smtpPassword"])
    wrong = Checkout(checkout.folder, {**checkout.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"})
    assert "incorrect passphrase" in wrong.preview("prod", fails=True)
    assert "incorrect passphrase" in wrong(
        sys.executable, "-m", "operations", "charts", "--stack", "prod", "--chart", "x", fails=True
    )

    file = checkout.folder / "Pulumi.prod.yaml"
    text = file.read_text()
    start = text.index("secure: v1:")
    file.write_text(text[: start + 11] + "AAAA" + text[start + 15 :])
    printed = checkout.preview("prod", fails=True)
    assert "message authentication failed" in printed  # Pulumi's own words, which docs/troubleshooting.md explains
    assert "Traceback" not in printed


def test_a_plain_secret_beside_an_encrypted_one_stops_the_preview(checkout: Checkout) -> None:
    """The engine calls the whole key encrypted, and `make secrets` must not be content either."""
    checkout("pulumi", "stack", "init", "minimal")
    checkout.take_chart("minimal", "infisical-standalone")
    key, value = "infisical-platform:extraSecrets", "plain-hunter2-hunter2"
    config = ("pulumi", "config", "set", "--stack", "minimal", "--path")
    checkout(*config, "--secret", f"{key}.OTEL_A", input="sealed")
    assert " to create" in checkout.preview("minimal")
    checkout(*config, "--plaintext", f"{key}.OTEL_B", value)
    printed = checkout.preview("minimal", fails=True)
    command = f"pulumi config set --stack minimal --path --secret '{key}.OTEL_B'"
    assert "extraSecrets.OTEL_B: it stands in plain text" in printed
    listed = checkout(sys.executable, "-m", "operations", "secrets", "--stack", "minimal", fails=True)
    assert command in printed
    assert command in listed
    assert value not in printed + listed
    checkout(*config, "--secret", f"{key}.OTEL_B", input="sealed too")
    assert " to create" in checkout.preview("minimal")
    checkout(sys.executable, "-m", "operations", "secrets", "--stack", "minimal")
