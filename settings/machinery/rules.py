"""Rules over several keys at the top. Each rule takes the keys that it judges by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import SecretStr

from settings.backup import BackupSettings, RestoreSettings
from settings.certificates import CertificateSettings
from settings.external import Database, ExternalDatabase
from settings.infisical import InfisicalSettings
from settings.ingress import CILIUM_MODE, ExistingIssuer, IngressSettings, LetsEncrypt
from settings.integrations import IntegrationSettings
from settings.machinery.application_rules import APPLICATION_RULES
from settings.machinery.delivery_rules import DELIVERY_RULES
from settings.machinery.external_rules import EXTERNAL_RULES
from settings.machinery.extra_rules import EXTRA_RULES
from settings.machinery.finding import Finding
from settings.machinery.namespace_rules import NAMESPACE_RULES
from settings.mail import MailSettings
from settings.organization import OrganizationSettings
from settings.secrets import ReadReplica
from settings.sign_on import SignOnSettings

Findings = Iterator[Finding]

_POOL_MAX = 10  # connections of one Infisical when pools.max is not set
# Public DNS has no names without a dot and none below these, so Let's Encrypt can't prove them.
_PRIVATE = ("local", "internal", "test", "example", "invalid", "localhost", "lan", "home.arpa")


def replicas_exist(infisical: InfisicalSettings, database: Database) -> Findings:
    """Require a replica that is left when one pod is lost, because Infisical never reads from the primary instead.

    In a failover the only replica becomes the primary, so each failover would be an outage of reads.
    """
    if infisical.read_replicas != "cluster":
        return
    if isinstance(database, ExternalDatabase):
        reason = (
            "database.kind is external, and the program knows no replicas of it. Write them in databaseReadReplicas"
        )
        yield Finding("infisical.readReplicas", reason, "remove")
    elif database.instances < 3:
        yield Finding(
            "infisical.readReplicas",
            f"database.instances is {database.instances}, and with fewer than 3 no replica is left to read from when "
            "one pod is lost. Set readReplicas to none, or database.instances to 3",
        )


def session_pool_has_room(infisical: InfisicalSettings, database: Database) -> Findings:
    """Require as many server connections as Infisical opens, because in session mode each one occupies its own."""
    if isinstance(database, ExternalDatabase):
        return
    pooler = database.pooler
    wanted = infisical.replicas * (infisical.pools.max or _POOL_MAX)
    if pooler.mode == "session" and wanted > pooler.connections:
        yield Finding(
            "database.pooler.mode",
            f"in session mode Infisical wants {wanted} connections (replicas times pools.max, which is {_POOL_MAX} "
            f"unless set), and PgBouncer has {pooler.connections}. The others would wait for ever. Use transaction",
        )


def one_kind_of_replica(infisical: InfisicalSettings, database_read_replicas: tuple[ReadReplica, ...]) -> Findings:
    """Refuse replicas of both kinds, because Infisical picks one of all replicas at random for each query."""
    if infisical.read_replicas == "cluster" and database_read_replicas:
        yield Finding("infisical.readReplicas", "databaseReadReplicas is set too. Use one of the two")


def replicas_verify(
    database_read_replicas: tuple[ReadReplica, ...], certificates: CertificateSettings, database: Database
) -> Findings:
    """Require an authority, or a name in the platform's certificate, for every server to read from.

    Infisical takes the database's own authority for a replica without one.
    """
    if isinstance(database, ExternalDatabase):
        return
    for index, replica in enumerate(database_read_replicas):
        if not replica.authority and replica.host not in certificates.extra_names:
            yield Finding(
                f"databaseReadReplicas[{index}].authority",
                "required, but not set. Only a host in certificates.extraNames can do without",
                "set",
            )


def issuer_can_prove(ingress: IngressSettings, infisical: InfisicalSettings) -> Findings:
    """Require a public name and a way for plain HTTP, over which Let's Encrypt asks for a file."""
    if not isinstance(ingress.issuer, LetsEncrypt):
        return
    if ingress.route.kind == "gateway" and not ingress.route.redirect_listener:
        yield Finding(
            "ingress.route.redirectListener",
            "required, but not set. Let's Encrypt asks over plain HTTP (HTTP-01), so name the Gateway's listener of "
            "protocol HTTP, or use an existing issuer",
        )
    if ingress.route.kind == "ingress" and not ingress.route.shares_address:
        yield Finding(
            "ingress.issuer.kind",
            f"class {ingress.route.class_name} gives each Ingress a balancer of its own, so Let's Encrypt would not "
            "find the challenge's answer at the host's address. Use an existing issuer that proves the host by DNS-01"
            + (f", or set the annotation {CILIUM_MODE} to shared" if ingress.route.class_name == "cilium" else ""),
        )
    host = infisical.host
    if "." not in host or host.endswith(tuple(f".{name}" for name in _PRIVATE)):
        yield Finding("ingress.issuer.kind", "Let's Encrypt only certifies public DNS names. Use an existing issuer")


def certificate_is_for_the_site(ingress: IngressSettings, infisical: InfisicalSettings) -> Findings:
    """Require a name of the certificate that covers the host, because browsers and `up` verify it."""
    if isinstance(ingress.issuer, ExistingIssuer) and not ingress.issuer.covers(infisical.host):
        yield Finding(
            "ingress.issuer.names",
            f"none of them is for {infisical.host}, the host of infisical.siteUrl. A wildcard stands for one label. "
            "Add the host, or leave names out",
            "remove",
        )


def mail_is_a_pair(mail: MailSettings | None, smtp_password: SecretStr | None) -> Findings:
    """Require both or neither. With only one of them, upstream doesn't log in, and doesn't say so."""
    username = mail.username if mail else None
    yield from _pair(bool(username), "mail.username", smtp_password, "smtpPassword")


def github_sign_on_is_a_pair(sign_on: SignOnSettings, github_login_client_secret: SecretStr | None) -> Findings:
    """Require both the client id and the secret, or neither."""
    yield from _pair(
        bool(sign_on.github), "signOn.github.clientId", github_login_client_secret, "githubLoginClientSecret"
    )


def github_app_is_whole(
    integrations: IntegrationSettings,
    github_app_client_secret: SecretStr | None,
    github_app_private_key: SecretStr | None,
) -> Findings:
    """Require all five settings of the App or none. Otherwise connections fail when they are first used."""
    app = bool(integrations.github_app)
    secrets = {"githubAppClientSecret": github_app_client_secret, "githubAppPrivateKey": github_app_private_key}
    if not app and any(secrets.values()):
        for name in ("clientId", "slug", "id"):
            yield Finding(
                f"integrations.githubApp.{name}", "required, but not set. The secrets of the App are set", "set"
            )
    for key, value in secrets.items():
        if not value and (app or any(secrets.values())):
            yield Finding(key, "required, but not set. It belongs to integrations.githubApp", "set")


def aws_is_a_pair(integrations: IntegrationSettings, aws_secret_access_key: SecretStr | None) -> Findings:
    """Require both the key's id and its secret, or neither."""
    yield from _pair(
        bool(integrations.aws), "integrations.aws.accessKeyId", aws_secret_access_key, "awsSecretAccessKey"
    )


def _pair(plain: bool, plain_key: str, secret: SecretStr | None, secret_key: str) -> Findings:
    if plain and not secret:
        yield Finding(secret_key, f"required, but not set. It belongs to {plain_key}", "set")
    if secret and not plain:
        yield Finding(plain_key, f"required, but not set. It belongs to {secret_key}", "set")


def backups_have_their_secrets(
    backup: BackupSettings | None,
    backup_access_key: SecretStr | None,
    backup_secret_key: SecretStr | None,
    backup_passphrase: SecretStr | None,
) -> Findings:
    """Require both halves of the bucket's credentials, none without a bucket, and no passphrase without backups."""
    if backup_passphrase and not backup:
        yield Finding("backupPassphrase", "there is no section backup, so nothing would use it", "remove")
    bucket = backup is not None and backup.target.kind == "bucket"
    for key, value in {"backupAccessKey": backup_access_key, "backupSecretKey": backup_secret_key}.items():
        if bucket and not value:
            yield Finding(key, "required, but not set. It belongs to the bucket in backup.target", "set")
        if value and not bucket:
            yield Finding(key, "backup.target is no bucket, so nothing would use it", "remove")


def restore_has_a_source(
    restore: RestoreSettings | None,
    backup: BackupSettings | None,
    restore_identity: SecretStr | None,
    restore_password: SecretStr | None,
) -> Findings:
    """Require what a restore reads from and logs in with, and refuse a key or a password that nothing uses."""
    server = restore.server if restore else None
    if restore and not backup:
        yield Finding("backup", "required, but not set. A restore reads from backup.target", "set")
    if restore_identity and not (restore and restore.source):
        reason = "restore.from is not set. A private key that opens every backup must not stay in the cluster"
        yield Finding("restoreIdentity", reason, "remove")
    if server and not restore_password:
        yield Finding("restorePassword", "required, but not set. It is that of the role in restore.server", "set")
    if restore_password and not server:
        yield Finding("restorePassword", "restore.server is not set, so nothing would use it", "remove")


def recovery_has_an_archive(database: Database, backup: BackupSettings | None) -> Findings:
    """Require the bucket that a recovery reads from, and a database whose servers write to it."""
    archived = backup and backup.target.kind == "bucket" and backup.target.point_in_time
    if isinstance(database, ExternalDatabase):
        if archived:
            reason = "database.kind is external, and its servers are not the stack's. Use the provider's own recovery"
            yield Finding("backup.target.pointInTime", reason, "remove")
    elif database.recover and not archived:
        reason = "required, but not set. database.recover reads an archive of the bucket"
        yield Finding("backup.target.pointInTime", reason, "set")


def organization_is_whole(
    organization: OrganizationSettings | None, admin_password: SecretStr | None, organization_token: SecretStr | None
) -> Findings:
    """Require the organisation that a password or a token is for."""
    for key, value in (("adminPassword", admin_password), ("organizationToken", organization_token)):
        if value and not organization:
            for name in ("name", "admin"):
                yield Finding(f"organization.{name}", f"required, but not set. It belongs to {key}", "set")


def machines_are_reached(infisical: InfisicalSettings, organization: OrganizationSettings | None) -> Findings:
    """Refuse the address of the API server closed and asked for at once."""
    closed = not infisical.allow_internal_ip_connections
    said = "allow_internal_ip_connections" in infisical.model_fields_set
    if organization and organization.machine_auth == "kubernetes" and said and closed:
        yield Finding(
            "infisical.allowInternalIpConnections",
            "organization.machineAuth is kubernetes, for which Infisical asks the API server at a private address. "
            "Remove it, or set organization.machineAuth to universal",
            "remove",
        )


RULES: tuple[Callable[..., Findings], ...] = (
    replicas_exist,
    session_pool_has_room,
    one_kind_of_replica,
    replicas_verify,
    issuer_can_prove,
    certificate_is_for_the_site,
    mail_is_a_pair,
    github_sign_on_is_a_pair,
    github_app_is_whole,
    aws_is_a_pair,
    *EXTRA_RULES,
    organization_is_whole,
    machines_are_reached,
    *APPLICATION_RULES,
    backups_have_their_secrets,
    restore_has_a_source,
    recovery_has_an_archive,
    *EXTERNAL_RULES,
    *DELIVERY_RULES,
    *NAMESPACE_RULES,
)
