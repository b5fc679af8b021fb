"""Every fault that a stack can have and that has to be named, and stacks with several of them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.contract.stacks.faults import Fault, encrypted, missing, plain_text, rule, wrong
from tests.contract.stacks.sound import stacks
from tests.contract.stacks.values import SECRET, Config, pem
from tests.jobs.job_pki import authority

AUTHORITY = authority("e").pem
_CERTIFICATE = pem("CERTIFICATE", b"c" * 40)
_BACKED_UP = dict.fromkeys(
    ["backup", "restore", "restoreIdentity", "backupAccessKey", "backupSecretKey", "backupPassphrase"]
)
_KEY = pem("PRIVATE KEY", b"k" * 40)
_GATEWAY = {"kind": "gateway", "name": "public", "namespace": "edge"}
_ACME = {"kind": "letsEncrypt", "email": "ops@example.org"}
_BUCKET = {"kind": "bucket", "endpoint": "https://s3.example.org", "name": "dumps"}
_ARMOUR = pem("PGP PUBLIC KEY BLOCK", b"k" * 40).replace("-----\n", "-----\n\n", 1)
_URI = f"postgresql://u:{SECRET}{SECRET}@h.example.org/i"


FAULTS: tuple[Fault, ...] = (
    # no such key
    wrong("databse", {"instances": 3}), wrong("zzz", "x"), wrong("smtpPasword", SECRET * 3),
    wrong("database.instnaces", 3), wrong("database.pooler.sze", 1), wrong("infisical.siteURL", "https://a.example.org"),
    wrong("mail.smtpPassword", "x"), wrong("ingress.route.clas", "nginx"),
    wrong("integrations.githubApp.privateKey", "x"),
    # no section
    wrong("database", "big"), wrong("redis", [1]), wrong("certificates", "x"), wrong("jobs", 7), wrong("cluster", True),
    wrong("infisical.chart", "infisical"), wrong("infisical.pools", [5]), wrong("database.pooler", "session"),
    wrong("extraEnvironment", ["A=b"]), wrong("extraSecrets", SECRET * 2), wrong("databaseReadReplicas", _URI),
    # missing
    missing("infisical.siteUrl"), missing("mail.host"), missing("mail.fromAddress"), missing("ingress.issuer.kind"),
    missing("integrations.githubApp.slug"), missing("signOn.saml.defaultOrganization"),
    # values
    *(wrong("infisical.siteUrl", value) for value in ("secrets.example.org", "https://a.example.org/", "http://a.org",
      "https://a b", "https://u:p@a.org", "https://a.org\n", "https://a.org:0", "https://a.org?x", "", 7,
      "https://10.0.0.5", "https://a.7:8443")),
    *(wrong("infisical.image", value) for value in ("infisical/infisical:latest", "infisical/infisical", "a b:1")),
    wrong("infisical.replicas", 0), wrong("infisical.replicas", "two"), wrong("infisical.replicas", 1.5),
    wrong("infisical.readReplicas", "perhaps"), wrong("infisical.telemetry", "perhaps"),
    wrong("infisical.allowInternalIpConnections", 2), wrong("infisical.replaceEncryptionKey", "0" * 13),
    wrong("infisical.corsAllowedOrigins[0]", "https://a.example.org/"), wrong("infisical.corsAllowedOrigins[0]", "*"),
    wrong("infisical.corsAllowedOrigins", "https://a.example.org"), wrong("infisical.corsAllowedOrigins", {}),
    wrong("infisical.chart.flavour", "infisical-ha"), wrong("infisical.chart.version", "^1.0"),
    wrong("infisical.chart.repository", "ftp://a"), wrong("infisical.chart.digest", "0" * 64),
    wrong("infisical.pools.min", -1), wrong("infisical.pools.replicaMax", 1001), wrong("infisical.pools.max", "many"),
    wrong("cluster.context", ""), wrong("cluster.protect", "perhaps"), wrong("cluster.kubeconfig", []),
    wrong("database.version", "13"), wrong("database.version", 9.6), wrong("database.instances", 0),
    wrong("database.storage", "0Gi"), wrong("redis.storage", "0.0M"),
    wrong("database.storage", "10g"), wrong("database.storage", 10), wrong("database.storageClass", "Fast"),
    wrong("database.cpuLimit", "2 cores"), wrong("database.cpuRequest", -1), wrong("database.memoryLimit", "512K"),
    wrong("database.memoryRequest", "0.5 Gi"), wrong("database.pooler.mode", "statement"),
    wrong("database.pooler.instances", 11), wrong("database.passwordRotation", 0),
    *(wrong(f"database.shared.users.{name}", []) for name in (
        "infisical_user", "infisical-user", "admin", "cron_admin")),
    wrong("database.shared.users.a[0]", "root"),
    wrong("database.shared.databases.a-b", "c"),
    *(wrong(f"database.shared.parameters.{name}", "x") for name in ("ssl_ciphers", "archive_command", "Work-Mem")),
    wrong("database.shared.parameters.password_encryption", "scram-sha-256"),
    wrong("redis.instances", 1), wrong("redis.sentinels", 2), wrong("redis.quorum", 1), wrong("redis.image", "redis"),
    wrong("redis.sentinelImage", "a:latest"), wrong("redis.storage", "lots"), wrong("redis.storageClass", "a_b"),
    wrong("redis.cpuRequest", "fast"),
    wrong("database.cpuLimit", 0), wrong("redis.memoryLimit", "512"), wrong("redis.maxMemoryMib", 31),
    wrong("certificates.leafDuration", "90d"), wrong("certificates.authorityDuration", 87600),
    wrong("certificates.leafRenewBefore", "0h"), wrong("certificates.extraNames[0]", "*.example.org"),
    wrong("certificates.extraNames[0]", f"{'a' * 64}.org"),
    *(wrong("certificates.syncSchedule", value) for value in (
        "60 * * * *", "* * * *", "@daily", "*/0 * * * *", "0 0 31 2 *", "0 0 * * 7")),
    wrong("ingress.issuer.kind", "vault"), wrong("ingress.issuer.email", "x"),
    wrong("ingress.issuer", "ca"), wrong("ingress.route.kind", "nodePort"), wrong("ingress.route", 7),
    *(wrong("mail.host", value) for value in ("https://smtp.example.org", "a b", "smtp.example.org:25", "", ".")),
    wrong("mail.port", 0), wrong("mail.port", 65536), wrong("mail.port", "smtp"), wrong("mail.fromAddress", "nobody"),
    wrong("mail.fromName", "a\nBcc: b"), wrong("mail.tls", "starttls"), wrong("mail.verify", "perhaps"),
    wrong("mail.fromName", " "), wrong("mail.username", "a\0b"), wrong("mail.username", "\u00a0"),
    wrong("mail.authority", _CERTIFICATE.replace("\n", " ")), wrong("mail.authority", _KEY),
    wrong("mail.authority", ""), wrong("infisical.authorities", _CERTIFICATE), wrong("infisical.authorities", _KEY),
    wrong("infisical.ipv6", "perhaps"), rule("extraSecrets.NO_PROXY", "extraEnvironment", {
        "extraSecrets.NO_PROXY": SECRET}),
    wrong("signOn.github.clientId", ""), wrong("signOn.github.clientId", " "),
    wrong("signOn.saml.configured", "perhaps"),
    wrong("signOn.saml.defaultOrganization", "Acme Inc"), wrong("integrations.githubApp.id", 0),
    wrong("integrations.githubApp.slug", "\t"), wrong("integrations.githubApp.clientId", "  "),
    wrong("integrations.aws.accessKeyId", "akia0000000000000000"),
    wrong("jobs.pythonImage", "python:latest"), wrong("jobs.postgresImage", "postgres"),
    wrong("jobs.pythonImage", "r.example.org/Python:3.13"),
    # backups
    wrong("backup.target", "volume"), missing("backup.target"), missing("backup.recipients"),
    wrong("backup.recipients", []), wrong("backup.recipients[0]", "age1"), wrong("backup.recipients[0]", _CERTIFICATE),
    wrong("backup.target.kind", "nfs"), wrong("backup.recipients[0]", _ARMOUR.replace("PUBLIC", "PRIVATE")),
    wrong("backup.recipients[0]", _ARMOUR[:-9]),
    wrong("backup.target.size", "big"), wrong("backup.schedule", "@daily"), wrong("backup.rehearsalSchedule", "weekly"),
    wrong("backup.image", "spilo"), wrong("backup.retention.days", 0), wrong("backup.retention.atLeast", 0),
    wrong("backup.deadlineMinutes", 4), wrong("backup.memoryLimit", "lots"), wrong("restore.id", "A b"),
    wrong("restore.from", "yesterday"), wrong("restore.overwrite", "yes"), missing("restore.id"),
    missing("escrow.date"), missing("escrow.keyLabel"), wrong("escrow.date", "yesterday"),
    wrong("escrow.keyLabel", "0123"), wrong("escrow.passphraseLabel", "0123"), wrong("escrow.archive", "somewhere"),
    *(wrong("restoreIdentity", value) for value in (_KEY, SECRET * 9, _ARMOUR)),
    *(wrong(key, f"{SECRET * 3}\n") for key in ("backupAccessKey", "backupSecretKey")),
    rule("backupSecretKey", "backup backupAccessKey", {"backup.target": _BUCKET, "backupAccessKey": SECRET * 3,
                                                       "backupSecretKey": None}),
    rule("backupAccessKey", "backup backupSecretKey", {"backup.target": {"kind": "volume"}, "backupSecretKey": None,
                                                       "backupAccessKey": SECRET * 3}),
    rule("backup.target.pointInTime", "backup backupAccessKey backupSecretKey", {
        "database.recover": {"archive": "0123abcd", "time": "2026-11-26T11:20:00+00:00"},
        "backup.target": {"kind": "volume"}, "backupAccessKey": None, "backupSecretKey": None}),
    wrong("backup.target.pointInTime", "often"),
    wrong("database.recover.archive", "platform-db-cluster"), wrong("database.recover.time", "yesterday"),
    wrong("database.recover.time", "2026-11-26T11:20:00Z"),
    missing("database.recover.archive"), missing("database.recover.time"),
    rule("backup", "restore restoreIdentity backupAccessKey backupSecretKey backupPassphrase", {
        "restore": {"id": "a", "from": "latest"}, "backup": None, "restoreIdentity": None,
        "backupAccessKey": None, "backupSecretKey": None, "backupPassphrase": None}),
    rule("backupPassphrase", f"{' '.join(_BACKED_UP)} restorePassword", {
        **_BACKED_UP, "restorePassword": None, "backupPassphrase": "p" * 40}),
    wrong("backupPassphrase", "p" * 31),
    rule("restorePassword", "restore", {"restore": None, "restoreIdentity": None, "restorePassword": SECRET * 2}),
    rule("restoreIdentity", "restore", {"restore": None, "restoreIdentity": _ARMOUR.replace("PUBLIC", "PRIVATE")}),
    # variables
    *(wrong(f"extraEnvironment.{name}", "x") for name in ("smtp_host", "A-B", "1A", "É")),
    wrong("extraEnvironment.A", True), wrong("extraEnvironment.A", ["a"]),
    rule("extraSecrets.B", "extraEnvironment", {"extraSecrets.B": f"{SECRET}\0{SECRET}"}),
    *(rule(f"extraEnvironment.{name}", "extraSecrets", {f"extraEnvironment.{name}": value}) for name, value in (
        ("REDIS_URL", "redis://cache"), ("SMTP_HOST", "smtp.example.org"), ("HTTPS_ENABLED", "false"),
        ("DB_ROOT_CERT", "x"), ("SMTP_SECURE", "true"), ("MONGO_URL", "x"), ("PORT", "80"), ("JWT_AUTH_SECRET", "x"),
        ("DEFAULT_SAML_ORG_SLUG", "acme"), ("NEXT_PUBLIC_SAML_ORG_SLUG", "acme"), ("OTEL_EXPORT_TYPE", ""), ("Z", " "),
        ("OTEL_EXPORT_TYPE", "grafana"), ("DISABLE_SECRET_SCANNING", "True"), ("CORS_ALLOWED_HEADERS", "a,b"),
        ("OTEL_TELEMETRY_COLLECTION_ENABLED", "1"), ("SALT_ROUNDS", "ten"), ("A", "a\0b"), ("NODE_ENV", "prod"),
        ("CORS_ALLOWED_HEADERS", "[x-a]"), ("CLICKHOUSE_AUDIT_LOG_INSERT_SETTINGS", "{async_insert: 1}"),
        ("CLICKHOUSE_URL", "https://u:p@clickhouse.example.org"), ("LICENSE_KEY", "x"), ("JWT_MFA_LIFETIME", "300"),
        ("PARAMS_FOLDER_SECRET_DETECTION_PATHS", '["/a"]'), ("OTEL_EXPORT_OTLP_ENDPOINT", "collector:4318"),
    )),
    *(rule(f"extraSecrets.{name}", "extraEnvironment", {f"extraSecrets.{name}": SECRET * 2}) for name in (
        "DB_CONNECTION_URI", "SMTP_PASSWORD", "REDIS_PASSWORD", "ENCRYPTION_KEY")),
    rule("extraEnvironment.A", "extraSecrets", {"extraEnvironment.A": "x", "extraSecrets.A": SECRET * 2}),
    # secrets
    *(wrong("encryptionKey", value) for value in (
        "0" * 31, "0" * 44, "0" * 64, "0" * 32 + "\n", f"{SECRET * 7}zQ9 ", f"{SECRET * 7}zQ9é")),
    *(wrong("rootEncryptionKey", value) for value in ("A" * 42, "A" * 43, "A" * 64, SECRET * 8)),
    *(wrong(key, value) for key in ("authSecret", "cookieSecret") for value in (SECRET * 7, f"{SECRET} " * 8)),
    *(wrong(key, f" {SECRET * 3}") for key in ("databasePassword", "redisPassword", "redisSentinelPassword")),
    *(rule(f"{section}Password", section, {f"{section}Password": value}) for section in ("database", "redis")
      for value in ("zQ9zQ9zQ9", f"{SECRET * 5}", "zQ9" * 43)),
    rule("redisSentinelPassword", "redis", {"redisSentinelPassword": SECRET * 3}),
    # databases of others
    wrong("database.kind", "rds"), wrong("redis.kind", "elasticache"),
    *(rule(key, f"database databasePassword infisical {' '.join(_BACKED_UP)}", {
        **_BACKED_UP, "infisical.readReplicas": None,
        "database": {"kind": "external", "host": "db.example.org", "authority": AUTHORITY, **given},
        "databasePassword": password}) for key, given, password in (
        ("database.authority", {"authority": _CERTIFICATE}, SECRET * 3), ("database.host", {"host": "a b"}, SECRET * 3),
        ("database.name", {"name": "a b"}, SECRET * 3), ("database.user", {"user": "a:b"}, SECRET * 3),
        ("database.port", {"port": 0}, SECRET * 3), ("database.storage", {"storage": "1Gi"}, SECRET * 3),
        ("database.passwordRotation", {"passwordRotation": 2}, SECRET * 3), ("databasePassword", {}, None))),
    *(rule(key, "redis redisPassword redisSentinelPassword", {
        "redis": {"kind": "external", **given}, "redisPassword": password, "redisSentinelPassword": None})
      for key, given, password in (
        ("redis.host", {}, SECRET * 3), ("redis.host", {"host": "a", "sentinelHosts": ["b:1"]}, SECRET * 3),
        ("redis.masterName", {"sentinelHosts": ["b:1"], "tls": False}, SECRET * 3),
        ("redis.tls", {"sentinelHosts": ["b:1"], "masterName": "m"}, SECRET * 3),
        ("redis.authority", {"host": "a", "tls": False, "authority": AUTHORITY}, SECRET * 3),
        ("redis.sentinelHosts[0]", {"sentinelHosts": ["b"], "masterName": "m", "tls": False}, SECRET * 3),
        ("redis.username", {"host": "a", "username": "a\nb"}, SECRET * 3),
        ("redis.port", {"host": "a", "port": 70000}, SECRET * 3),
        ("redis.storage", {"host": "a", "storage": "1Gi"}, SECRET * 3), ("redisPassword", {"host": "a"}, None))),
    *(wrong(key, value) for key in ("smtpPassword", "githubLoginClientSecret", "githubAppClientSecret",
      "awsSecretAccessKey") for value in (f" {SECRET * 3}", f"{SECRET * 3}\n", f"{SECRET}é{SECRET}")),
    *(wrong("githubAppPrivateKey", value) for value in (_KEY.replace("\n", "\\n"), _KEY.replace("\n", ""),
      _CERTIFICATE, _KEY[:-20], SECRET * 9)),
    *(wrong("databaseReadReplicas[0].uri", uri) for uri in (
        f"mysql://u:{SECRET}{SECRET}@h/i", f"{_URI}?sslmode=require", f"postgresql://u:{SECRET}#{SECRET}@h/i",
        f"postgresql://u:{SECRET}/{SECRET}@h/i", f"postgresql://u:{SECRET}@{SECRET}@h/i", f"{_URI}\n",
        f"postgresql://u:{SECRET}%{SECRET}@h/i", f"postgresql://u:{SECRET}{SECRET}@h:pg/i",
        f"postgresql://u:{SECRET}{SECRET}@h:99999/i", f"postgresql://u:{SECRET}%FF{SECRET}@h/i",
        f"postgresql://u:{SECRET}{SECRET}@h", "", SECRET * 3,
    )),
    wrong("databaseReadReplicas[0].authority", _CERTIFICATE.replace("\n", "")),
    wrong("databaseReadReplicas[0].sslmode", SECRET * 2),
    *(plain_text(key, value) for key, value in (
        ("encryptionKey", "0f" * 16), ("smtpPassword", SECRET * 4), ("databasePassword", "zQ9" * 8),
        ("githubAppClientSecret", SECRET * 4), ("githubAppPrivateKey", _KEY), ("extraSecrets", {"B": SECRET * 4}),
        ("databaseReadReplicas", [{"uri": _URI, "authority": _CERTIFICATE}]))),
    *map(encrypted, ("database", "mail", "infisical", "ingress", "signOn", "integrations", "extraEnvironment",
                     "cluster")),
    # rules of one section
    rule("database.cpuRequest", "", {"database.cpuRequest": "3", "database.cpuLimit": "2500m"}),
    rule("database.memoryRequest", "", {"database.cpuRequest": "1", "database.cpuLimit": "1",
                                        "database.memoryRequest": "1.1Gi", "database.memoryLimit": "1Gi"}),
    rule("database.shared.users.nobody[0]", "", {"database.shared": {"databases": {"reports": "nobody"}}}),
    rule("database.shared.users.a_b", "", {"database.shared": {"users": {"a-b": [], "a_b": []}}}),
    rule("restore.from", "", {"restore.id": "a", "restore.from": None}),
    rule("redis.sentinels", "", {"redis.sentinels": 4, "redis.quorum": 2}),
    rule("redis.quorum", "", {"redis.sentinels": 3, "redis.quorum": 5}),
    rule("redis.memoryRequest", "", {"redis.sentinels": 3, "redis.quorum": 2, "redis.memoryRequest": "64Mi",
                                     "redis.memoryLimit": "63Mi", "redis.maxMemoryMib": 32}),
    rule("redis.maxMemoryMib", "", {"redis.sentinels": 3, "redis.quorum": 2, "redis.memoryLimit": "100Mi",
                                    "redis.maxMemoryMib": 81}),
    rule("redis.storage", "", {"redis.sentinels": 3, "redis.quorum": 2, "redis.memoryLimit": "512Mi",
                               "redis.maxMemoryMib": 400, "redis.storage": "1199Mi"}),
    rule("certificates.leafDuration", "", {"certificates.authorityDuration": "9h", "certificates.leafDuration": "9h"}),
    rule("certificates.leafRenewBefore", "", {"certificates.authorityDuration": "9h", "certificates.leafDuration": "8h",
                                              "certificates.leafRenewBefore": "8h"}),
    rule("certificates.syncSchedule", "", {"certificates": {"leafRenewBefore": "24h", "syncSchedule": "0 3 * * *"}}),
    rule("infisical.chart.version", "", {"infisical.chart": {"flavour": "infisical", "version": "1.10.0"}}),
    rule("infisical.chart.version", "", {"infisical.chart": {"flavour": "infisical"}}),
    rule("infisical.pools.max", "", {"infisical.pools": {"min": 11}}),
    rule("infisical.pools.replicaMax", "", {"infisical.pools": {"replicaMin": 5, "replicaMax": 4}}),
    rule("infisical.pools.auditLogsMax", "", {"infisical.pools": {"auditLogsMax": 0}}),
    rule("infisical.image", "", {"infisical.image": "infisical/infisical:v0.136.1-postgres"}),
    rule("infisical.image", "", {"infisical.image": f"infisical/infisical:v0.150.9@sha256:{'0' * 64}"}),
    rule("mail.tls", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "port": 465, "tls": "off"},
                                      "smtpPassword": None}),
    rule("mail.tls", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "username": "u", "tls": "off"},
                                      "smtpPassword": SECRET * 3}),
    rule("mail.verify", "smtpPassword", {"mail": {"host": "h", "fromAddress": "a@b.org", "verify": False,
                                                  "authority": _CERTIFICATE}, "smtpPassword": None}),
    # rules over several
    *(rule("infisical.readReplicas", "database databaseReadReplicas", {
        "infisical.readReplicas": "cluster", "database.instances": instances, "database.synchronous": False,
        "databaseReadReplicas": None})
      for instances in (1, 2)),
    rule("database.pooler.mode", "infisical", {
        "database.pooler": {"mode": "session"}, "infisical.replicas": 20, "infisical.pools": {"max": 100}}),
    rule("infisical.readReplicas", "database databaseReadReplicas certificates", {
        "databaseReadReplicas[0].uri": _URI, "databaseReadReplicas[0].authority": _CERTIFICATE,
        "database.instances": 3, "infisical.readReplicas": "cluster"}),
    rule("databaseReadReplicas[0].authority", "certificates database infisical", {
        "databaseReadReplicas[0].uri": f"postgresql://u:{SECRET}{SECRET}@nowhere/i",
        "databaseReadReplicas[0].authority": None}),
    rule("ingress.route.redirectListener", "infisical", {
        "ingress": {"issuer": _ACME, "route": _GATEWAY}, "infisical.siteUrl": "https://a.example.org"}),
    *(rule("ingress.issuer.kind", "infisical", {"ingress": {"issuer": _ACME}, "infisical.siteUrl": f"https://{host}"})
      for host in ("secrets", "secrets.corp.internal")),
    rule("ingress.issuer.names", "infisical", {
        "ingress": {"issuer": {"kind": "existing", "name": "ca", "names": ["*.elsewhere.example.org"]}}}),
    rule("smtpPassword", "mail", {"mail.username": "u", "mail.tls": "required", "smtpPassword": None}),
    rule("mail.username", "smtpPassword", {"mail": None, "smtpPassword": SECRET * 3}),
    rule("githubLoginClientSecret", "signOn", {"signOn.github.clientId": "Iv1", "githubLoginClientSecret": None}),
    rule("signOn.github.clientId", "githubLoginClientSecret", {
        "githubLoginClientSecret": SECRET * 3, "signOn.github": None}),
    rule("githubAppPrivateKey", "integrations githubAppClientSecret", {
        "integrations.githubApp.slug": "acme", "githubAppPrivateKey": None}),
    rule("awsSecretAccessKey", "integrations", {"integrations.aws.accessKeyId": "A" * 20, "awsSecretAccessKey": None}),
    rule("integrations.aws.accessKeyId", "awsSecretAccessKey", {
        "awsSecretAccessKey": SECRET * 3, "integrations.aws": None}),
)  # fmt: skip


@st.composite
def broken_stacks(draw: st.DrawFn) -> tuple[Config, list[Fault]]:
    """A sound stack with up to four faults, all of which are to be named."""
    config = draw(stacks())
    faults: list[Fault] = []
    for fault in draw(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4)):
        if all(map(fault.agrees, faults)):
            faults.append(fault)
    for fault in faults:
        fault.do(config)
    return config, faults
