"""Constrained types of a stack's settings. Each says what it allows, and why it refuses the rest."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from settings.machinery import cron
from settings.machinery.forms import (
    DNS_NAME,
    HOST,
    HOST_LENGTH,
    LOWER_HOST,
    Form,
    armour,
    authorities,
    base64_of,
    matching,
    moment,
    origin,
    pem,
    secret_matching,
    secretly,
)


class Section(BaseModel):
    """Base of all sections. Keys are camelCase in the stack file, unknown keys are refused, no error shows a value."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # `pulumi config set --path` turns "2" into a number
        defer_build=True,  # builds each validator once, when the whole of the settings is built
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """Return the fields by the names that they have in the stack file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


# Control characters, and what JavaScript's trim() removes.
_BLANK = r"\x00-\x20\x7f\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

# As the distribution project's reference grammar has it: a registry alone may be in capitals.
_REGISTRY = r"(localhost(:\d+)?|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?|[A-Za-z0-9-]+:\d+)"
_PATH = r"[a-z0-9]+((\.|__?|-+)[a-z0-9]+)*"

DnsLabel = Annotated[
    str,
    Field(max_length=63),
    matching(
        r"[a-z]([-a-z0-9]*[a-z0-9])?", "Use a-z, 0-9 and '-', and begin with a letter. It names a Kubernetes object"
    ),
]
DnsName = Annotated[
    str,
    Field(max_length=253),
    matching(DNS_NAME, "Use a-z, 0-9, '-' and '.'. It names a Kubernetes object"),
]
CertificateName = Annotated[
    str,
    Field(max_length=HOST_LENGTH),
    matching(LOWER_HOST, "Write a DNS name in lower case, with at most 63 characters between two dots"),
]
SiteName = Annotated[
    str,
    Field(max_length=HOST_LENGTH),
    matching(
        rf"(\*\.)?{LOWER_HOST}",
        "Write a DNS name in lower case, or one after '*.' for all names that are one label longer",
    ),
]
HostName = Annotated[
    str,
    Field(max_length=HOST_LENGTH),
    matching(
        HOST, "Write a host name alone, without scheme, port or path, with at most 63 characters between two dots"
    ),
]
_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
HostPort = Annotated[
    str,
    matching(
        rf"{HOST}:{_PORT}", "Write host:port, with a port from 1 to 65535. Infisical ends at a Sentinel without a port"
    ),
]
PostgresName = Annotated[
    str,
    matching(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", "Use letters, digits, '_' and '-'. It becomes part of an address"),
]
Cpu = Annotated[
    str,
    matching(
        r"(?!0+(\.0+)?m?$)(\d+m|\d+(\.\d{1,3})?)",
        'Write more than 0 cores as a string, "500m" or "1.5". Both operators refuse a number',
    ),
]
Memory = Annotated[
    str,
    matching(
        r"(?!0+(\.0+)?[kKMGTPE])\d+(\.\d+)?([MGTPE]i?|Ki|k)",
        'Write more than 0 bytes with a unit, as in "512Mi". Kubernetes has k and Ki, and no K',
    ),
]
IMAGE = matching(r".*(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})", "Pin a tag (not latest) or a digest")
Image = Annotated[
    str,
    matching(
        rf"({_REGISTRY}/)?{_PATH}(/{_PATH})*(:\w[\w.-]{{0,127}})?(@sha256:[0-9a-f]{{64}})?",
        "Write it as registry/name:tag. The name is in lower case, because no node can pull it otherwise",
    ),
    IMAGE,
]
Digest = Annotated[str, matching(r"sha256:[0-9a-f]{64}", "Write sha256: and 64 hexadecimal digits")]
ChartVersion = Annotated[
    str, matching(r"\d+\.\d+\.\d+", "Write one exact version, as in 1.10.0. A range would not pin the chart")
]
OperatorVersion = Annotated[
    str,
    matching(r"v\d+\.\d+\.\d+", "Write one exact version with its v, as in v0.11.5. A range would not pin the chart"),
]
ChartRepository = Annotated[
    str, matching(r"(https|oci)://[!-~]+", "Write the whole address. It begins with https:// or oci://")
]
Hours = Annotated[
    str, matching(r"[1-9][0-9]{0,5}h", 'Write whole hours, as in "2160h". cert-manager has no longer unit of time')
]
Minutes = Annotated[int, Field(ge=2, le=240)]  # of patience
Cron = Annotated[str, Form(cron.checked, cron.FIELDS)]
Email = Annotated[
    str,
    # zod 3, by which Infisical judges addresses.
    matching(
        r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+.-]*[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}",
        "Write it as name@host.domain, the address alone. Infisical takes letters of ASCII, digits and _'+-. in a name",
    ),
]
SiteUrl = Annotated[str, origin("https", "https://secrets.example.org", named=True)]
Origin = Annotated[str, origin("https?", "https://app.example.org")]
CertificatePem = Annotated[str, pem("CERTIFICATE")]
AuthoritiesPem = Annotated[str, authorities()]
Line = Annotated[
    str,
    matching(
        rf"[^{_BLANK}]([^\x00-\x1f\x7f]*[^{_BLANK}])?",
        "Write one line of text without control characters and without space around it. Infisical treats a value of "
        "blanks as not set",
    ),
]
VariableName = Annotated[
    str,
    matching(
        r"[A-Z_][A-Z0-9_]*",
        "Write the variable's name in capitals, digits and '_'. Infisical reads no variable with a different name",
    ),
]
GeneratedName = Annotated[
    str, matching(r"[a-z0-9-]+-[0-9a-f]{12}", "Write the name that `up` or the escrow has: an application, 12 digits")
]
StackId = Annotated[
    str,
    matching(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Write the id that the namespaces of the stack carry, as `up` names it",
    ),
]
OrganizationSlug = Annotated[
    str,
    matching(r"[a-z0-9]+(-[a-z0-9]+)*", "Use a-z, 0-9 and '-'. Write the organisation's slug, not its name"),
]
AwsAccessKeyId = Annotated[
    str,
    matching(r"[A-Z0-9]{16,128}", "Write 16 to 128 capitals and digits. This is the id of the key, not its secret"),
]
ArchiveId = Annotated[
    str,
    matching(r"[0-9a-f]{8}(-[0-9a-f]{12})?", "Write 8 hexadecimal digits, and those behind them, as the output shows"),
]
Moment = Annotated[
    str,
    moment(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]+)?[+-][0-2][0-9]:[0-5][0-9]",
        'Write it in quotes, as in "2026-11-26T11:20:00+00:00", with the offset, as the operator asks for it',
    ),
]
KeyLabel = Annotated[
    str,
    matching(r"[0-9a-f]{32}", "Write the label of the key, 32 hexadecimal digits, as `make escrow` prints it"),
]

BucketEndpoint = Annotated[str, origin("https", "https://s3.example.org")]
BucketName = Annotated[
    str,
    Field(min_length=3, max_length=63),
    matching(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", "Use a-z, 0-9, '-' and '.', as every S3-compatible service takes it"),
]
NamePrefix = Annotated[
    str,
    Field(max_length=12),
    matching(
        r"(?!(infisical|platform)$)[a-z][a-z0-9]*",
        "Use at most 12 of a-z and 0-9, a letter first, and not infisical or platform, which names begin with anyway",
    ),
]
KubeconfigPath = Annotated[
    str, matching(r"(?!~).+", "Write the whole path, as in /home/ci/.kube/config, because nobody expands ~ in it")
]
BucketPrefix = Annotated[
    str,
    Field(max_length=200),
    matching(r"([A-Za-z0-9._-]+/)*", "Use letters, digits, '-', '.' and '_', and end it with /"),
]
OpenPgpPublicKey = Annotated[str, armour("PGP PUBLIC KEY BLOCK")]
RestoreId = Annotated[
    str,
    Field(max_length=40),
    matching(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "Use a-z, 0-9 and '-', in quotes. It becomes part of a Job's name"),
]
BackupName = Annotated[
    str,
    matching(
        r"latest|[0-9a-f]{8,32}|infisical-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8,32}",
        "Write latest, the name of a backup, or the identifier at its end",
    ),
]
Day = Annotated[str, moment(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", 'Write a day in quotes, as in "2026-11-26"')]
OverwriteToken = Annotated[
    str, matching(r"[0-9a-f]{12}", "Write the 12 hexadecimal digits that the refused restore has printed")
]

SecretLine = Annotated[
    SecretStr,
    secret_matching(
        r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", "Write one line of printable ASCII without space around it"
    ),
]
GeneratedValue = Annotated[
    SecretStr,
    secret_matching(
        r"[\x21-\x7e]{16,256}", "Write what Infisical has: 16 to 256 characters without space, as the stack makes them"
    ),
]
AdminPassword = Annotated[
    SecretStr,
    secret_matching(r"[\x21-\x7e][\x20-\x7e]{12,126}[\x21-\x7e]", "Write 14 to 128 characters of printable ASCII"),
]
PASSWORD = matching(
    r"(?!md5[0-9a-f]{32}\Z)[A-Za-z0-9]{16,128}",  # the operator would take md5… for a hash that it need not make
    "Use 16 to 128 letters and digits, because the password passes through URIs, files and the operators' shells. "
    "It must not look like an md5 hash",
)
Password = Annotated[SecretStr, secretly(PASSWORD)]
EncryptionKey = Annotated[
    SecretStr,
    # What upstream takes, for keys that move in: its 32 bytes are the AES-256 key, whoever made them.
    secret_matching(
        r"[\x21-\x7e][\x20-\x7e]{30}[\x21-\x7e]",
        "Write exactly 32 printable ASCII characters, as `openssl rand -hex 16` prints them. They are the AES-256 key",
    ),
]
Base64Key = Annotated[SecretStr, secretly(base64_of(32))]
SigningKey = Annotated[
    SecretStr,
    secret_matching(
        r"[\x21-\x7e]{32,}", "Use at least 32 printable characters. Whoever guesses this key can forge sessions"
    ),
]
BackupPassphrase = Annotated[
    SecretStr,
    secret_matching(
        r"[\x21-\x7e]{32,128}",
        "Use 32 to 128 printable characters without space. Whoever guesses it reads every backup",
    ),
]
OpenPgpPrivateKey = Annotated[SecretStr, secretly(armour("PGP PRIVATE KEY BLOCK"))]
PrivateKeyPem = Annotated[SecretStr, secretly(pem("(RSA )?PRIVATE KEY"))]


def bytes_of(memory: str) -> float:
    """Return the bytes of a Memory: "1.5Gi" is 1610612736."""
    match = re.fullmatch(r"(?P<number>[\d.]+)(?P<unit>[KMGTPE])(?P<binary>i?)", memory.replace("k", "K"))
    assert match, memory
    return float(match["number"]) * (1024 if match["binary"] else 1000) ** ("KMGTPE".index(match["unit"]) + 1)


def cores_of(cpu: str) -> float:
    """Return the cores of a Cpu: "500m" is 0.5."""
    return float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
