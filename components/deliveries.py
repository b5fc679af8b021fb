"""Turn what applications ask for into the Secrets that are delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from components.operator_canary import REFRESH_SECONDS
from components.secret_delivery import DeliveredKey, DeliveredSecret
from settings.applications import CANARY, ApplicationSettings, Named, PeopleOwned, project_slug, secrets_of
from settings.delivery import Delivery

# The key of the Secret with the stack's values where a secret's own is, by application.
FileOf = Callable[[str, Named], str | None]


def deliveries_of(applications: Mapping[str, ApplicationSettings], file_of: FileOf) -> Sequence[DeliveredSecret]:
    """Return every Secret that applications ask for, in their order. What is retired asks for none."""
    return [
        DeliveredSecret(
            application=name,
            project=project_slug(name, application),
            environment=delivery.environment,
            path=delivery.path,
            namespace=delivery.namespace,
            secret=delivery.secret,
            type=delivery.type,
            keys=list(_keys(name, application, delivery, file_of)),
            restarts=delivery.restarts,
            refresh_seconds=REFRESH_SECONDS if name == CANARY else None,
        )
        for name, application in applications.items()
        if not application.retired
        for delivery in application.deliver
    ]


def _keys(name: str, application: ApplicationSettings, delivery: Delivery, file_of: FileOf) -> Iterator[DeliveredKey]:
    place = delivery.environment, delivery.path
    folder = {each.key: each for each in secrets_of(application) if (each.environment, each.path) == place}
    for key, secret in (delivery.keys or {key: key for key in folder}).items():
        named = folder[secret]
        of_people = isinstance(named.value, PeopleOwned)
        yield DeliveredKey(
            key=key,
            secret=secret,
            owner="people" if of_people else "stack",
            encoded=named.encoded,
            file=None if of_people else file_of(name, named),
        )
