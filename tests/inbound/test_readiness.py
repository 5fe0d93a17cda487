"""What the System page and ``doctor`` say about inbound calls."""

from pathlib import Path

from core.inbound.backlog import backlog_of
from core.inbound.readiness import check
from core.settings import Settings

TOKEN = "0" * 32


def test_it_says_what_is_set(tmp_path: Path) -> None:
    nothing = check(Settings(data_dir=tmp_path))
    assert nothing.ok and "TWILIO_AUTH_TOKEN is not set" in nothing.detail
    silent = check(Settings(data_dir=tmp_path, twilio_auth_token=TOKEN))
    assert silent.ok and "OPENAI_API_KEY is not set" in silent.detail
    speaking = check(Settings(data_dir=tmp_path, twilio_auth_token=TOKEN, openai_api_key="sk-test"))
    assert speaking.ok and "spoken with" in speaking.detail
    assert TOKEN not in str(speaking) and "sk-test" not in str(speaking)


def test_what_waits_is_red_with_its_number(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql://u:old@db.example/calls")
    backlog = backlog_of(settings)
    for n in range(3):
        backlog.keep("line", {"n": n})
    found = check(settings)
    assert not found.ok and found.detail.startswith("3 callbacks or spoken lines wait")


def test_another_password_is_the_same_database(tmp_path: Path) -> None:
    backlog_of(Settings(data_dir=tmp_path, database_url="postgresql://u:old@db.example/calls")).keep("line", {})
    changed = Settings(data_dir=tmp_path, database_url="postgresql://u:new@db.example/calls")
    assert backlog_of(changed).count() == 1
    assert backlog_of(Settings(data_dir=tmp_path, database_url="postgresql://u:new@db.example/other")).count() == 0
