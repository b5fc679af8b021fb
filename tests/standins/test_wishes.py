"""Whatever a stack may ask for is provisioned, and every value is delivered byte for byte as it was written."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from application_owner import Owner
from application_secrets import Config, Provision
from application_server import Server
from application_wish import application_of
from fake_config_map import ConfigMap
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from infisical_api import InfisicalApi
from job import Report

from components.application_wish import file_of
from components.application_wish import wishes as documents
from settings.applications import ApplicationSettings, Encrypted, Generated, Named, secrets_of
from tests.standins.conftest import Start
from tests.standins.infisical import Environment
from tests.standins.instance import Instance, bootstrap
from tests.unit.application_wishes import WISHES, Wish, wishes
from tests.unit.test_application_settings import load

Applications = Mapping[str, ApplicationSettings]
AT_ONCE = 5  # applications of one stack


class Site:
    """An instance in which the applications of one stack after the other come and go."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.instance, self.folder = instance, folder
        self.names = (f"wish-{number}" for number in itertools.count())

    def provision(self, applications: Applications) -> Provision:
        """Do what the Job does with the stack's wish and values."""
        for name, application in applications.items():
            for secret in secrets_of(application):
                if (value := _value(secret)) is not None:
                    (self.folder / file_of(name, secret)).write_bytes(value)
        wished = [json.loads(document) for document in documents(applications).values()]
        config = Config(address="", namespace="infisical", drift="", auth="universal", deadline_seconds=30)
        kube: Any = ConfigMap()
        organization = self.instance.organization
        run = Provision(config, self.server(), kube, Report("test"), Owner(organization, "stack-1", "state-1"))
        run.all([application_of(each, str(self.folder)) for each in wished])
        return run

    def server(self) -> Server:
        url = f"http://127.0.0.1:{self.instance.server.port}"
        return Server(InfisicalApi(url, token=self.instance.token, deadline_seconds=60))

    def delivered(self, slug: str, application: ApplicationSettings) -> dict[tuple[str, str, str], bytes]:
        """Return what the delivery makes of what Infisical has."""
        server = self.server()
        [project] = [each for each in server.projects() if each["slug"] == slug]
        found = server.found(project, {*application.environments}).secrets
        encoded = {(each.environment, each.path, each.key): each.encoded for each in secrets_of(application)}
        return {
            place: base64.b64decode(stored.value) if encoded[place] else stored.value.encode()
            for place, stored in found.items()
        }


def _value(secret: Named) -> bytes | None:
    match secret.source:
        case str() as text:
            return text.encode()
        case Encrypted() as source:
            return source.bytes
        case Generated() as source:
            return b"g" * source.generate
        case None:
            return None


def test_every_wish_is_provisioned_and_read_back_equal(start: Start, environment: Environment, tmp_path: Path) -> None:
    site = Site(bootstrap(start(environment)), tmp_path)

    @given(drawn=st.lists(wishes(), min_size=AT_ONCE, max_size=AT_ONCE))
    @hypothesis_settings(max_examples=WISHES // AT_ONCE, suppress_health_check=[HealthCheck.too_slow])
    def each(drawn: list[Wish]) -> None:
        named = {next(site.names): wish for wish in drawn}
        # Each with its own load, because their encrypted keys have the same names.
        wished = {name: load({name: w.application}, w.encrypted).applications[name] for name, w in named.items()}
        site.provision(wished)
        for name, application in wished.items():
            values = {(each.environment, each.path, each.key): _value(each) for each in secrets_of(application)}
            assert site.delivered(name, application) == {place: v for place, v in values.items() if v is not None}
        counts = site.provision(wished).counts
        assert not counts["created"] + counts["put_back"] + counts["removed"]
        site.provision({name: each.model_copy(update={"retired": True}) for name, each in wished.items()})

    each()
