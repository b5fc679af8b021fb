"""Every setting of backups and of a restore with a different value, as `changes` has the others."""

from __future__ import annotations

from tests.unit.changes import CANARY, CORPORATE, DATABASE, PEM, RELEASE, WHOLE, Config, change
from tests.unit.harness import AUTHORITY, BUCKET, OTHER_SERVER, RECIPIENT

PRIVATE_OPENPGP = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nBBBB\n-----END PGP PRIVATE KEY BLOCK-----\n"
BACKUP = (
    "Job/backup-before Job/backup Job/backup-rehearsal CronJob/backup-schedule CronJob/backup-rehearsal-schedule "
    "Job/restore"
)
# What was true of the data that was there before.
PROVEN_AGAIN = (
    "Job/bootstrap Job/application-secrets CronJob/infisical-drift-schedule Job/operator-canary "
    f"Job/secret-delivery-gate {CANARY}"
)
BACKED_UP: Config = {
    **WHOLE,
    "backup": {"target": {"kind": "volume"}, "recipients": [RECIPIENT]},
    "restore": {"id": "one", "from": "latest"},
}
MOVED_IN: Config = {
    **BACKED_UP,
    "restore": {"id": "one", "server": OTHER_SERVER | {"tls": True, "authority": AUTHORITY}},
    "restorePassword": "o" * 9,
}
IN_A_BUCKET: Config = {
    **BACKED_UP,
    "backup": {"target": BUCKET, "recipients": [RECIPIENT]},
    "backupAccessKey": "access",
    "backupSecretKey": "secret",
}
BACKUPS = (
    change("backup.image", "spilo:9", BACKUP),
    change("backup.schedule", "5 5 * * *", "CronJob/backup-schedule"),
    change("backup.rehearsalSchedule", "6 6 * * *", "CronJob/backup-rehearsal-schedule"),
    change("backup.recipients", [RECIPIENT.replace("AAAA", "BBBB")], f"{BACKUP} Secret/backup-store-secret", "BBBB"),
    change("backup.retention.days", 1093, "Job/backup-before Job/backup CronJob/backup-schedule", "1093"),
    change("backup.retention.atLeast", 1000, "Job/backup-before Job/backup CronJob/backup-schedule", "1000"),
    change("backup.deadlineMinutes", 71, BACKUP, None),
    change("backup.memoryLimit", "1025Mi", BACKUP),
    change("backup.target.size", "11Gi", "PersistentVolumeClaim/backup-store-volume"),
    change("backup.target.storageClass", "slow", "PersistentVolumeClaim/backup-store-volume"),
    change("backupPassphrase", "p" * 40, "Secret/backup-store-secret"),
    change("restore.id", "another", f"Job/restore Job/infisical-migration {RELEASE} {PROVEN_AGAIN}", "another"),
    change("restore.from", "0123abcd", "Job/restore"),
    change("restore.overwrite", "0123abcd4567", "Job/restore"),
    change("restoreIdentity", PRIVATE_OPENPGP, "Job/restore Secret/restore-identity"),
)
BUCKETS = (
    change("backup.target.endpoint", "https://other.example.org", BACKUP),
    change("backup.target.name", "other-dumps", BACKUP),
    change("backup.target.region", "eu-9", BACKUP),
    change("backup.target.prefix", "mine/", BACKUP),
    change("backup.target.addressing", "virtual", BACKUP),
    change("backup.target.authority", PEM.format("BBBB"), "Secret/backup-store-secret"),
    change("backup.target.lockDays", 1097, BACKUP, "1097"),
    change(
        "backup.target.pointInTime",
        True,
        f"{DATABASE} Secret/platform-db-wal-archive NetworkPolicy/platform-db-policies-database",
        "USE_WALG_BACKUP",
    ),
    change("backupAccessKey", "k" * 9, "Secret/backup-store-secret"),
    change("backupSecretKey", "t" * 9, "Secret/backup-store-secret"),
)
_PLAIN = {"id": "one", "server": OTHER_SERVER}
# The backup's name changes, so that it is taken anew.
_DUMP = "Job/move-in-dump Job/move-in-rehearsal Job/restore"
MOVES = (
    change("restore.server.host", "other.old.svc", _DUMP),
    change("restore.server.port", 5499, f"{_DUMP} NetworkPolicy/platform-db-policies-move-in-dump"),
    change("restore.server.name", "otherdb", _DUMP),
    change("restore.server.user", "older", f"{_DUMP} Secret/move-in-server"),
    change("restore.server.tls", False, f"{_DUMP} Secret/move-in-server", None, restore=_PLAIN),
    change("restore.server.authority", CORPORATE, f"{_DUMP} Secret/move-in-server"),
    change("restorePassword", "p" * 9, "Secret/move-in-server"),
)
