"""What applications ask for becomes Secrets with keys, each with its owner and its encoding."""

from __future__ import annotations

from components.deliveries import deliveries_of
from components.secret_delivery import DeliveredKey
from settings.applications import Named
from tests.unit.test_application_settings import load, shop


def file_of(application: str, secret: Named) -> str:
    return f"{application}/{secret.key}"


def test_every_secret_of_the_folder_is_delivered_under_its_name() -> None:
    [delivered] = deliveries_of(load(shop()).applications, file_of)
    assert (delivered.application, delivered.project, delivered.environment) == ("shop", "shop-app", "prod")
    assert (delivered.path, delivered.namespace, delivered.secret) == ("/", "shop", "shop-env")
    assert (delivered.type, list(delivered.restarts)) == ("Opaque", ["deployment/shop"])
    assert delivered.keys == [
        DeliveredKey(key="FEATURES", secret="FEATURES", file="shop/FEATURES"),
        DeliveredKey(key="SESSION_KEY", secret="SESSION_KEY", file="shop/SESSION_KEY"),
        DeliveredKey(key="DATABASE_URL", secret="DATABASE_URL", file="shop/DATABASE_URL"),
        DeliveredKey(key="STRIPE_KEY", secret="STRIPE_KEY", owner="people"),
    ]


def test_keys_have_names_of_their_own_and_what_infisical_would_change_is_decoded() -> None:
    applications = shop("secrets prod / FEATURES", " blanks ")
    applications["shop"]["deliver"][0]["keys"] = {"features.txt": "FEATURES"}
    [delivered] = deliveries_of(load(applications).applications, file_of)
    assert delivered.keys == [
        DeliveredKey(key="features.txt", secret="FEATURES", encoded=True, file="shop/FEATURES"),
    ]


def test_what_is_retired_is_delivered_no_more() -> None:
    assert deliveries_of(load(shop("retired", True)).applications, file_of) == []
