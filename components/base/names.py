"""Names that users' clusters already have, and that must not change. settings/names.py has those of namespaces."""

from __future__ import annotations

DATABASE_CLUSTER = "platform-db-cluster"
REDIS_REPLICATION = "platform-kv"
REDIS_SENTINEL = "platform-kv-sentinel"
SENTINEL_STATEFUL_SET = f"{REDIS_SENTINEL}-sentinel"  # what the redis-operator calls it
ADMIN_SECRET = "infisical-admin"  # the first admin's address and password
BOOTSTRAP_SECRET = "infisical-bootstrap"  # what the stack logs in to Infisical with
INFISICAL_SECRET = "infisical-secrets"
# The operator's secret_name_template, with '_' as '-'. It adopts a Secret of that name whose username is the role's.
DATABASE_CREDENTIALS = f"infisical-user.{DATABASE_CLUSTER}.credentials.postgresql.acid.zalan.do"
BACKUP_STORE = "backup-store"  # the Secret with what backups are encrypted with
BACKUP_STATUS = "backup-status"
DRIFT_STATUS = "infisical-drift"  # what of applications is not as the stack says
# Each namespace says which stack it belongs to: organization/project/stack, and the id in that stack's state.
STACK_ANNOTATION = "infisical-platform/stack"
STACK_ID_ANNOTATION = "infisical-platform/stack-id"
GIVEN_ANNOTATION = "infisical-platform/given-to"  # project/stack that a namespace was made for by somebody else
JOB_LABEL = "infisical-platform/job"  # of the pods of this program's own Jobs: the Job's or CronJob's name


def type_token(component: str) -> str:
    """Return the Pulumi type of a component of this program."""
    return f"infisical-platform:components:{component}"
