"""Every application that is wrong is refused with the key named, and none of its values repeated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings

import settings
from settings.machinery.finding import key_path
from tests.unit.application_wishes import WISHES, Broken, Wish, broken, wishes
from tests.unit.test_application_settings import load, shop


@given(wish=wishes())
@hypothesis_settings(max_examples=WISHES)
def test_what_is_right_is_taken(wish: Wish) -> None:
    application = load({"shop": wish.application}, wish.encrypted).applications["shop"]
    plain = repr(wish.application)  # may say the same by chance
    hidden = [value for value in wish.encrypted.values() if len(value) > 12 and value not in plain]
    assert not any(value in repr(application) for value in hidden)


@given(fault=broken())
@hypothesis_settings(max_examples=WISHES)
def test_what_is_broken_is_refused_with_the_key_named(fault: Broken) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        load({"shop": fault.wish.application}, fault.wish.encrypted)
    said = str(caught.value)
    assert f"\n- {key_path('applications', 'shop', *fault.place)}" in said
    assert not any(value in said for value in fault.wish.encrypted.values() if len(value) > 12)


def test_an_environment_that_the_stack_has_let_go_may_be_emptied() -> None:
    assert load(shop("removed", {"gone": {"/": ["OLD"]}})).applications["shop"].removed == {"gone": {"/": ("OLD",)}}
