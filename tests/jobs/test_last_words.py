"""What a crashing server said last: its cause, without chatter, and never a password."""

from __future__ import annotations

import json

import pytest
from job import Failed
from last_words import telling_lines
from pods import PodProblem
from redact import redactor
from rollout import Config, Rollout

NAME, SECRET = "infisical", "postgresql://infisical_user:S3cr3t-value@host/db"
WRONG = "wrong-value-of-the-password"
CHATTER = "PostHogFetchNetworkError: Network error while fetching PostHog"


def as_printed(log: str) -> str:
    return telling_lines(log, redactor([]))


@pytest.mark.parametrize(
    "cause",
    [
        "unable to verify the first certificate",
        "Root encryption key not found in KMS database",
        "Unsupported state or unable to authenticate data",
        "self-signed certificate in certificate chain",
        "Plugin did not start in time: 'redis'",
        "Hostname/IP does not match certificate's altnames",
        "deadlock detected",
    ],
)
def test_the_cause_is_told_from_what_follows_it(cause: str) -> None:
    log = "\n".join([json.dumps({"level": "info", "msg": "starting"}), cause, "shutting down", "bye", "closed", "done"])
    assert as_printed(log) == cause


def test_chatter_of_telemetry_is_no_cause() -> None:
    log = "\n".join(["Error: connect ECONNREFUSED 10.0.0.1:5432", CHATTER, CHATTER, CHATTER])
    assert as_printed(log) == "Error: connect ECONNREFUSED 10.0.0.1:5432"


def test_chatter_alone_is_better_than_nothing() -> None:
    assert "PostHog" in as_printed(CHATTER)


def test_issues_of_the_environments_schema_are_named() -> None:
    """As pino prints an array: an object with its indices."""
    issues = {
        "0": {"code": "invalid_type", "path": ["AUTH_SECRET"], "message": "Required"},
        "1": {"code": "custom", "path": ["SMTP_PORT"], "message": "Expected number, received nan"},
    }
    log = "Invalid environment variables. Check the error below\n" + json.dumps({"level": 50, "time": 1, **issues})
    assert as_printed(log) == (
        "Invalid environment variables. Check the error below | "
        "AUTH_SECRET: Required; SMTP_PORT: Expected number, received nan"
    )


@pytest.mark.parametrize(
    "line",
    [
        json.dumps({"msg": "failed", "command": {"name": "auth", "args": [WRONG]}}),
        json.dumps({"command": {"name": "AUTH", "args": ["default", WRONG]}, "level": 50}),
        json.dumps({"message": json.dumps({"command": {"name": "auth", "args": [WRONG]}})}),
        f"ReplyError: WRONGPASS {{ command: {{ name: 'auth', args: [ 'default', '{WRONG}' ] }} }}",
        f"error {{\n  command: {{\n    name: 'auth',\n    args: [\n      '{WRONG}'\n    ]\n  }}\n}}",
        json.dumps({"command": {"args": [WRONG], "name": "auth"}, "error": "WRONGPASS"}),
        f"Error: connect to redis://default:{WRONG}@host:6379 failed",
        json.dumps({"command": {"name": "hello", "args": ["3", "AUTH", "default", WRONG]}}),
    ],
)
def test_a_wrong_password_is_in_no_secret_and_is_hidden_all_the_same(line: str) -> None:
    """The server's log shows the command that Redis refused; the mounted Secret has a different password by then."""
    assert WRONG not in as_printed(line)
    assert WRONG not in redactor(["another-value"])(line)


def test_what_stands_around_a_hidden_password_is_still_understood() -> None:
    log = json.dumps(
        {"msg": "Redis failed", "err": {"message": "WRONGPASS"}, "command": {"name": "auth", "args": [WRONG]}}
    )
    assert as_printed(log) == "Redis failed: WRONGPASS"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("started\nlistening\n", "started | listening"),
        ("one error\ntwo errors\nall good\n", "one error | two errors"),
        (json.dumps({"level": 50, "msg": "boot failed", "err": {"message": "no key"}}), "boot failed: no key"),
        (json.dumps({"level": 50, "msg": "boot failed", "error": "no key"}), "boot failed: no key"),
        ("42\n", "42"),
        ('Traceback (most recent call last):\n  File "x.py", line 1\nValueError: no\n', "ValueError: no"),
        ("", ""),
    ],
)
def test_telling_lines(log: str, words: str) -> None:
    assert telling_lines(log, lambda text: text) == words


def test_secret_is_masked_before_the_cut() -> None:
    secret = "x" * 700
    words = telling_lines(f"error: {secret} denied", redactor([secret]))
    assert words == "error: *** denied"


class Logs:
    """An API which knows nothing but logs, by whether the previous container is asked for."""

    def __init__(self, logs: dict[bool, str]) -> None:
        self.logs = logs

    def log(self, _namespace: str, _pod: str, _container: str, *, previous: bool) -> str:
        return self.logs.get(previous, "")


NODE_CRASH = """
> backend@1.0.0 migration:latest
/backend/dist/main.mjs:1234
    throw new Error(`broken`);
    ^

Error: getaddrinfo ENOTFOUND S3cr3t-value
    at GetAddrInfoReqWrap.onlookup [as oncomplete] (node:dns:107:26) {
  errno: -3008,
  code: 'ENOTFOUND'
}

Node.js v20.20.2
"""


@pytest.mark.parametrize(
    ("waiting", "logs", "words"),
    [
        (True, {True: NODE_CRASH, False: "Error: another"}, "Error: getaddrinfo ENOTFOUND ***"),
        (True, {False: NODE_CRASH}, "Error: getaddrinfo ENOTFOUND ***"),
        (False, {True: "Error: another", False: NODE_CRASH}, "Error: getaddrinfo ENOTFOUND ***"),
    ],
)
def test_last_words(waiting: bool, logs: dict[bool, str], words: str) -> None:
    config = Config("ns", NAME, "http://localhost/", "http://localhost/", 10, failure_grace_seconds=0)
    rollout = Rollout(config, Logs(logs), redactor([SECRET]))  # type: ignore[arg-type]
    problem = PodProblem("pod-1", "infisical", "CrashLoopBackOff", restarts=3, waiting=waiting)
    with pytest.raises(Failed, match="its log ends with: ") as failure:
        rollout._fail_on_stubborn([problem])
    assert str(failure.value).endswith(words)
