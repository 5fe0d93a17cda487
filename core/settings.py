"""Configuration: environment and ``.env`` become one frozen :class:`Settings`. The only reader of ``os.environ``."""

import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values

from core.errors import BadInput

DEFAULT_GRACE_SECONDS = 120
DEFAULT_REGION = "US"
DEFAULT_REPAIR_RATE = 5
DEFAULT_SIMULATED_SECONDS = 6
DEFAULT_CONCURRENCY = 5
DEFAULT_LIMIT = 10
DEFAULT_LIMIT_SECONDS = 60
"""What the backend's own worker does: five jobs at a time, ten calls a minute."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What Patchbay was told by its environment. Secrets are left out of ``repr``.

    :ivar database_url: libpq URL of the database, or None for the embedded one.
    :ivar supabase_url: project URL; with ``supabase_key`` the Supabase way in is chosen.
    :ivar data_dir: folder of the embedded PostgreSQL, or None for the default of the machine.
    :ivar link_grace_seconds: how long an unlinked call counts as ``pending``, in seconds.
    :ivar default_region: ISO 3166 region in which a number without country code is read.
    :ivar own_numbers: our Twilio numbers as given (TWILIO_PHONE_NUMBER and OWN_NUMBERS), not normalised.
    :ivar public_url: the address under which the console is reachable from outside, or None.
    :ivar actor: name that link events carry when nobody is signed in: the machine's user.
    :ivar supabase_anon_key: the project's public key; with ``supabase_url`` people sign in at Supabase Auth.
    :ivar auth: ``auto`` (the one-time link signs the machine's user in) or ``required`` (accounts only).
    :ivar opens_browser: open the one-time link, because somebody sits in front of this machine's screen.
    :ivar redis_url: the queue's Redis (REDIS_URL, or REDIS_HOST with port and password); None: the queue lies in
        the database.
    :ivar worker_concurrency: jobs that the worker does at a time.
    :ivar worker_limit: jobs that it starts in ``worker_limit_seconds``; 0: as many as there are.
    :ivar twilio_phone_number: the number that calls are made from, as given.
    :ivar twilio_api_base_url: address of a local peer instead of Twilio's, for tests.
    :ivar test_call_allowlist: the only numbers that test calls may go to, as given.
    :ivar repair_rate: how many calls a second are asked of Twilio in a bulk repair.
    :ivar openai_api_key: who speaks with callers; without it they hear an apology.
    :ivar openai_base_url: address of a local peer instead of OpenAI's, for tests.
    :ivar realtime_model: the model, ``realtime_voice`` the voice, ``realtime_instructions`` the instructions of whoever
        speaks, ``transcription_model`` who writes down the caller; None: see :mod:`core.inbound.voice`.
    :ivar simulated_seconds: how long a simulated call lasts, in seconds.
    """

    database_url: str | None = field(default=None, repr=False)
    supabase_url: str | None = None
    supabase_key: str | None = field(default=None, repr=False)
    data_dir: Path | None = None
    link_grace_seconds: int = DEFAULT_GRACE_SECONDS
    default_region: str = DEFAULT_REGION
    own_numbers: tuple[str, ...] = ()
    public_url: str | None = None
    actor: str = "unknown"
    supabase_anon_key: str | None = field(default=None, repr=False)
    auth: str = "auto"
    opens_browser: bool = False
    redis_url: str | None = field(default=None, repr=False)
    worker_concurrency: int = DEFAULT_CONCURRENCY
    worker_limit: int = DEFAULT_LIMIT
    worker_limit_seconds: int = DEFAULT_LIMIT_SECONDS
    twilio_account_sid: str | None = None
    twilio_auth_token: str | None = field(default=None, repr=False)
    twilio_phone_number: str | None = None
    twilio_api_base_url: str | None = None
    test_call_allowlist: tuple[str, ...] = ()
    repair_rate: int = DEFAULT_REPAIR_RATE
    simulated_seconds: int = DEFAULT_SIMULATED_SECONDS
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str | None = None
    realtime_model: str | None = None
    realtime_voice: str | None = None
    realtime_instructions: str | None = None
    transcription_model: str | None = None

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None, dotenv: Path | None = None) -> "Settings":
        """Read the environment (a set variable wins) over ``.env`` in the working directory.

        :param env: variables to read instead of ``os.environ``; then no ``.env`` is read unless ``dotenv`` names one.
        :raises BadInput: when a variable has a value that cannot be meant; the message names it.
        """
        values = _merged(env, dotenv)
        return cls(
            database_url=_text(values, "DATABASE_URL"),
            supabase_url=_text(values, "SUPABASE_URL"),
            supabase_key=_text(values, "SUPABASE_SERVICE_ROLE_KEY") or _text(values, "SUPABASE_KEY"),
            data_dir=_path(values, "PATCHBAY_DATA_DIR"),
            link_grace_seconds=_seconds(values, "PATCHBAY_LINK_GRACE_SECONDS", DEFAULT_GRACE_SECONDS),
            default_region=_region(values),
            own_numbers=_numbers(values),
            public_url=_url(values, "PUBLIC_URL"),
            actor=_machine_user(),
            supabase_anon_key=_text(values, "SUPABASE_ANON_KEY"),
            auth=_auth(values),
            opens_browser=_opens_browser(values),
            redis_url=_redis(values),
            worker_concurrency=_whole(values, "CALL_WORKER_CONCURRENCY", DEFAULT_CONCURRENCY, 1, 100),
            worker_limit=_whole(values, "CALL_WORKER_LIMIT", DEFAULT_LIMIT, 0, 100_000),
            worker_limit_seconds=_whole(values, "CALL_WORKER_LIMIT_SECONDS", DEFAULT_LIMIT_SECONDS, 1, 86_400),
            twilio_account_sid=_text(values, "TWILIO_ACCOUNT_SID"),
            twilio_auth_token=_text(values, "TWILIO_AUTH_TOKEN"),
            twilio_phone_number=_text(values, "TWILIO_PHONE_NUMBER"),
            twilio_api_base_url=_url(values, "TWILIO_API_BASE_URL"),
            test_call_allowlist=_list(values, "TEST_CALL_ALLOWLIST"),
            repair_rate=_whole(values, "PATCHBAY_REPAIR_RATE", DEFAULT_REPAIR_RATE, 1, 100),
            openai_api_key=_text(values, "OPENAI_API_KEY"),
            openai_base_url=_url(values, "OPENAI_BASE_URL"),
            realtime_model=_text(values, "OPENAI_REALTIME_MODEL"),
            realtime_voice=_text(values, "OPENAI_REALTIME_VOICE"),
            realtime_instructions=_text(values, "OPENAI_REALTIME_INSTRUCTIONS"),
            transcription_model=_text(values, "OPENAI_TRANSCRIPTION_MODEL"),
            simulated_seconds=_whole(values, "PATCHBAY_SIMULATED_SECONDS", DEFAULT_SIMULATED_SECONDS, 0, 600),
        )

    @property
    def data_source(self) -> str:
        """Which database was chosen: ``supabase``, ``database_url`` or ``embedded``."""
        if self.supabase_url and self.supabase_key:
            return "supabase"
        return "database_url" if self.database_url else "embedded"

    @property
    def sign_in_required(self) -> bool:
        """Whether only accounts come in: behind PUBLIC_URL the machine's user is not the only one who tries."""
        return self.auth == "required" or self.public_url is not None

    @property
    def names_twilio(self) -> bool:
        """Whether a Twilio account is named, if only by half: then nothing is ever simulated."""
        return bool(self.twilio_account_sid or self.twilio_auth_token)


def wants_tracebacks() -> bool:
    """PATCHBAY_DEBUG asks for the stack of an unexpected error. Read by itself: settings may be what is wrong."""
    return bool(os.environ.get("PATCHBAY_DEBUG"))


def _merged(env: Mapping[str, str] | None, dotenv: Path | None) -> dict[str, str]:
    path = dotenv or (Path(".env") if env is None else None)
    found = dotenv_values(path) if path and path.is_file() else {}
    merged = {key: value for key, value in found.items() if value is not None}
    return {**merged, **(os.environ if env is None else env)}


def _text(values: Mapping[str, str], name: str) -> str | None:
    return values.get(name, "").strip() or None


def _path(values: Mapping[str, str], name: str) -> Path | None:
    text = _text(values, name)
    return Path(text).expanduser() if text else None


def _seconds(values: Mapping[str, str], name: str, default: int) -> int:
    text = _text(values, name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) > 604_800:
        raise BadInput(f"{name} is {text!r}: expected whole seconds from 0 to 604800 (a week).")
    return int(text)


def _region(values: Mapping[str, str]) -> str:
    text = (_text(values, "DEFAULT_REGION") or DEFAULT_REGION).upper()
    from phonenumbers import SUPPORTED_REGIONS

    if text not in SUPPORTED_REGIONS:
        raise BadInput(f"DEFAULT_REGION is {text!r}: expected a two-letter country code such as US, GB or IN.")
    return text


def _numbers(values: Mapping[str, str]) -> tuple[str, ...]:
    given = [values.get("TWILIO_PHONE_NUMBER", ""), *values.get("OWN_NUMBERS", "").split(",")]
    return tuple(dict.fromkeys(number.strip() for number in given if number.strip()))


def _list(values: Mapping[str, str], name: str) -> tuple[str, ...]:
    given = values.get(name, "").split(",")
    return tuple(dict.fromkeys(number.strip() for number in given if number.strip()))


def _url(values: Mapping[str, str], name: str) -> str | None:
    text = _text(values, name)
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{name} is {text!r}: expected an address such as https://console.example.com.")
    return text.rstrip("/")


def _whole(values: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = _text(values, name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise BadInput(f"{name} is {text!r}: expected a whole number from {least} to {most}.")
    return int(text)


def _redis(values: Mapping[str, str]) -> str | None:
    """REDIS_URL, or the URL that REDIS_HOST, REDIS_PORT and REDIS_PASSWORD make; messages never hold a password."""
    url = _text(values, "REDIS_URL")
    if url is not None:
        if not _is_redis(url):
            hint = "Special characters of the password are written as %23, %2F …"
            raise BadInput("REDIS_URL cannot be read: expected redis://:password@host:6379/0.", hint=hint)
        return url
    host = _text(values, "REDIS_HOST")
    if host is None:
        return None
    port = _whole(values, "REDIS_PORT", 6379, 1, 65_535)
    password = values.get("REDIS_PASSWORD", "")
    secret = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{secret}{f'[{host}]' if ':' in host else host}:{port}/0"


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("redis", "rediss", "unix") and (parts.port is None or parts.port > 0)
    except ValueError:  # its message would quote the password's end as the port
        return False


def _auth(values: Mapping[str, str]) -> str:
    text = (_text(values, "PATCHBAY_AUTH") or "auto").lower()
    if text not in ("auto", "required"):
        raise BadInput(f"PATCHBAY_AUTH is {text!r}: expected auto or required.")
    return text


def _opens_browser(values: Mapping[str, str]) -> bool:
    """``make run`` asks for it; it is done where there is a screen."""
    screen = sys.platform == "darwin" or _text(values, "DISPLAY") or _text(values, "WAYLAND_DISPLAY")
    return bool(_text(values, "PATCHBAY_OPEN_BROWSER") and screen)


def _machine_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
