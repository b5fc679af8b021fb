"""Wait until Redis under Sentinel is usable as the application will use it, and name the cause when it is not.

All Sentinels reach their quorum and name the same master; that master accepts the password, has its replicas attached
(its own ROLE says so: a Sentinel's num-slaves counts the dead) and evicts nothing. Sentinels are ready for the kubelet
before they watch anything (their master is 0.0.0.0 then), so no readiness of pods replaces this.

The servers of before a change can pass all of this, so the first step compares what runs with what was asked for.
"""

import os
import socket
from dataclasses import dataclass

from as_asked_for import AsAskedFor, Wanted
from job import Failed, Pending, Report, run, secret, wait
from kube import Api
from redact import redactor
from redis_connection import Address, Connection, ReplyError, pairs, refused

POLICY = "noeviction"
UNCONFIGURED = "0.0.0.0"  # what Sentinels watch until the operator configures them
# What a resolver says of a name it does not know, as opposed to a resolver which is out of reach.
UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


@dataclass(frozen=True)
class Config:
    """sentinels_host: a name which resolves to every Sentinel's address (the headless Service).

    workloads: what the operator makes, in its order. replicas: how many must be attached to the master.
    """

    namespace: str
    workloads: tuple[Wanted, ...]
    sentinels_host: str
    sentinel_port: int
    sentinels: int
    master_name: str
    replicas: int
    operator_patience_seconds: float
    deadline_seconds: float


def main(config: Config, report: Report) -> str:
    password, sentinel_password = secret("REDIS_PASSWORD"), os.environ.get("SENTINEL_PASSWORD")
    # A server that does not know AUTH repeats its arguments in the error.
    report.hide = redactor(filter(None, (password, sentinel_password)))
    asked_for = AsAskedFor(
        Api(), config.namespace, config.workloads, secret("CONFIG_MAP"), config.operator_patience_seconds
    )

    def check() -> str:
        asked_for.check()
        sentinels = resolve_sentinels(config)
        views = {sentinel: master_seen_by(sentinel, config, sentinel_password) for sentinel in sentinels}
        master = agreed_master(views)
        replicas = usable_master(master, password, config.replicas)
        return (
            f"ready: {len(sentinels)} Sentinels agree on {config.master_name} = {master}, "
            f"{replicas} replicas attached, maxmemory-policy {POLICY}"
        )

    return wait(check, report, deadline_seconds=config.deadline_seconds)


def resolve_sentinels(config: Config) -> list[Address]:
    """The addresses of all Sentinels."""
    addresses = addresses_of(config.sentinels_host)
    if len(addresses) != config.sentinels:
        raise Pending(f"{config.sentinels_host} names {len(addresses)} Sentinels, wanted {config.sentinels}")
    return [Address(address, config.sentinel_port) for address in addresses]


def addresses_of(host: str) -> list[str]:
    """Sorted addresses, none for an unknown name; raises Pending when no resolver answers."""
    try:
        return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        if error.errno in UNKNOWN_NAME:
            return []
        raise Pending(f"resolving {host}: {error.strerror}") from error


def master_seen_by(sentinel: Address, config: Config, password: str | None) -> Address:
    """The master a Sentinel names, once it reaches the quorum and knows enough replicas to fail over to."""
    try:
        with Connection(sentinel.host, sentinel.port, password) as connection:
            master = connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", config.master_name)
            if master is None:
                raise Pending(f"sentinel {sentinel}: knows no master named {config.master_name}")
            if master[0] == UNCONFIGURED:
                raise Pending(f"sentinel {sentinel}: not configured yet, its master is {UNCONFIGURED}")
            connection.call("SENTINEL", "CKQUORUM", config.master_name)
            facts = pairs(connection.call("SENTINEL", "MASTER", config.master_name))
    except ReplyError as error:
        raise refusal(f"sentinel {sentinel}", error, "SENTINEL_PASSWORD", given=bool(password)) from error
    except OSError as error:
        raise Pending(f"sentinel {sentinel}: {error}") from error
    known = int(facts.get("num-slaves", 0))
    if known < config.replicas:
        raise Pending(f"sentinel {sentinel}: knows {known} replicas, wanted {config.replicas}")
    return Address(master[0], int(master[1]))


def agreed_master(views: dict[Address, Address]) -> Address:
    """The one master all Sentinels name."""
    masters = set(views.values())
    if len(masters) != 1:
        told = ", ".join(f"{sentinel} says {master}" for sentinel, master in sorted(views.items(), key=str))
        raise Pending(f"Sentinels disagree on the master: {told}")
    return masters.pop()


def usable_master(master: Address, password: str, wanted: int) -> int:
    """How many replicas are attached to a master which is one, asks for the password and evicts nothing."""
    try:
        with Connection(master.host, master.port, password) as connection:
            role = connection.call("ROLE")
            policy = pairs(connection.call("CONFIG", "GET", "maxmemory-policy")).get("maxmemory-policy")
            protected = connection.asks_password
    except ReplyError as error:
        raise refusal(f"redis {master}", error, "REDIS_PASSWORD", given=True) from error
    except OSError as error:
        raise Pending(f"redis {master}: {error}") from error
    if policy != POLICY:
        raise Failed(
            f"redis {master}: maxmemory-policy is {policy}, and Infisical's queues lose jobs unless it is {POLICY}"
        )
    if not protected:
        raise Pending(f"redis {master}: asks for no password, its requirepass is not set")
    if role[0] != "master":
        raise Pending(f"redis {master}: is a {role[0]}, and the Sentinels name it as master")
    attached = {Address(replica[0], int(replica[1])) for replica in role[2]}
    if len(attached) < wanted:
        raise Pending(f"redis {master}: {len(attached)} replicas attached, wanted {wanted}")
    for replica in sorted(attached, key=str):
        accepts(replica, password)
    return len(attached)


def accepts(replica: Address, password: str) -> None:
    """A replica attached long ago need not take the password that Infisical would use after a failover."""
    try:
        Connection(replica.host, replica.port, password).close()
    except ReplyError as error:
        raise refusal(f"replica {replica}", error, "REDIS_PASSWORD", given=True) from error
    except OSError as error:
        raise Pending(f"replica {replica}: {error}") from error


def refusal(server: str, error: ReplyError, variable: str, *, given: bool) -> Exception:
    """Failed when the password is the cause (named, never its value), Pending otherwise."""
    if not refused(error):
        return Pending(f"{server}: {error}")
    return Failed(
        f"{server}: {error.code}: "
        + (f"the password in {variable} is refused" if given else f"asks for a password, and {variable} is not set")
    )


if __name__ == "__main__":
    run("redis gate", Config, main)
