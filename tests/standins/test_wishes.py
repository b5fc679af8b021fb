"""Whatever a stack may ask for is provisioned, and every value is delivered byte for byte as it was written."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

from application_secrets import Config, Provision
from application_server import Server
from application_wish import application_of
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
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


class Site:
    """An instance in which one application after the other comes and goes."""

    def __init__(self, instance: Instance, folder: Path) -> None:
        self.instance, self.folder = instance, folder
        self.names = (f"wish-{number}" for number in itertools.count())

    def provision(self, name: str, application: ApplicationSettings) -> Provision:
        """Do what the Job does with the stack's wish and values."""
        for secret in secrets_of(application):
            if (value := _value(secret)) is not None:
                (self.folder / file_of(name, secret)).write_bytes(value)
        [document] = documents({name: application}).values()
        config = Config(address="", namespace="infisical", drift="", auth="universal", deadline_seconds=30)
        kube: Any = None  # nobody delivers, so no identity is written down
        organization = self.instance.organization
        run = Provision(config, self.server(), kube, Report("test"), organization=organization, stack="stack-1")
        run.all([application_of(json.loads(document), str(self.folder))])
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

    @given(wish=wishes())
    @hypothesis_settings(max_examples=WISHES, suppress_health_check=[HealthCheck.too_slow])
    def each(wish: Wish) -> None:
        name = next(site.names)
        application = load({name: wish.application}, wish.encrypted).applications[name]
        site.provision(name, application)
        wished = {(each.environment, each.path, each.key): _value(each) for each in secrets_of(application)}
        assert site.delivered(name, application) == {place: v for place, v in wished.items() if v is not None}
        counts = site.provision(name, application).counts
        assert not counts["created"] + counts["put_back"] + counts["removed"]
        site.provision(name, application.model_copy(update={"retired": True}))

    each()
