"""Settings: the environment is read once, checked, and never shows its secrets."""

import os
from pathlib import Path

import pytest

from core.errors import BadInput
from core.settings import Settings


def test_nothing_set_means_the_embedded_database() -> None:
    settings = Settings.load(env={})
    assert settings.data_source == "embedded"
    assert (settings.link_grace_seconds, settings.default_region) == (120, "US")
    assert settings.own_numbers == ()
    assert settings.actor


@pytest.mark.parametrize(
    ("env", "source"),
    [
        ({"DATABASE_URL": "postgresql://h/d"}, "database_url"),
        ({"DATABASE_URL": "  "}, "embedded"),
        ({"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_SERVICE_ROLE_KEY": "k"}, "supabase"),
        ({"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_KEY": "sb_secret_k"}, "supabase"),
        (
            {"SUPABASE_URL": "https://x.supabase.co", "SUPABASE_KEY": "k", "DATABASE_URL": "postgresql://h/d"},
            "supabase",
        ),
        ({"SUPABASE_URL": "https://x.supabase.co"}, "embedded"),
        ({"SUPABASE_URL": "https://x.supabase.co", "DATABASE_URL": "postgresql://h/d"}, "database_url"),
    ],
)
def test_the_first_that_applies_chooses_the_database(env: dict[str, str], source: str) -> None:
    assert Settings.load(env=env).data_source == source


def test_secrets_are_not_shown() -> None:
    env = {
        "DATABASE_URL": "postgresql://u:hidden-word@h/d",
        "SUPABASE_URL": "https://x.supabase.co",
        "SUPABASE_KEY": "hidden-key",
    }
    shown = repr(Settings.load(env=env)) + str(Settings.load(env=env))
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATCHBAY_LINK_GRACE_SECONDS", "soon"),
        ("PATCHBAY_LINK_GRACE_SECONDS", "-1"),
        ("PATCHBAY_LINK_GRACE_SECONDS", "604801"),
        ("PATCHBAY_LINK_GRACE_SECONDS", "٣"),
        ("DEFAULT_REGION", "Texas"),
        ("PUBLIC_URL", "console.example.com"),
        ("PUBLIC_URL", "ftp://console.example.com"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=name) as raised:
        Settings.load(env={name: value})
    assert "expected" in raised.value.message


def test_values_are_tidied() -> None:
    settings = Settings.load(
        env={
            "TWILIO_PHONE_NUMBER": " +14155550000 ",
            "OWN_NUMBERS": "+14155550001, +14155550000,,",
            "DEFAULT_REGION": "gb",
            "PUBLIC_URL": "https://console.example.com/",
            "PATCHBAY_LINK_GRACE_SECONDS": "0",
            "PATCHBAY_DATA_DIR": "~/somewhere",
        }
    )
    assert settings.own_numbers == ("+14155550000", "+14155550001")
    assert settings.default_region == "GB"
    assert settings.public_url == "https://console.example.com"
    assert settings.link_grace_seconds == 0
    assert settings.data_dir == Path.home() / "somewhere"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DEFAULT_REGION=IN\nOWN_NUMBERS=+14155550009\n")
    monkeypatch.chdir(tmp_path)
    for name in ("OWN_NUMBERS", "TWILIO_PHONE_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEFAULT_REGION", "GB")
    settings = Settings.load()
    assert settings.default_region == "GB"
    assert settings.own_numbers == ("+14155550009",)
    assert "OWN_NUMBERS" not in os.environ


def test_a_given_environment_is_the_whole_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DEFAULT_REGION=IN\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.load(env={}).default_region == "US"
    assert Settings.load(env={}, dotenv=tmp_path / ".env").default_region == "IN"
