"""The System page: configuration, versions, own numbers, whom the automation would dial; the doctor's checks."""

import dataclasses
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core.errors import NotAllowed, NotFound
from core.linking import doctor, fields
from core.linking.results import Check
from core.model import phone
from core.model.records import parse_time
from core.settings import Settings
from core.store.gateway import Gateway, Order

PACKAGES = ("streamlit", "psycopg", "supabase", "phonenumbers")
VARIABLES: Mapping[str, str] = {
    "supabase_key": "SUPABASE_SERVICE_ROLE_KEY",
    "data_dir": "PATCHBAY_DATA_DIR",
    "link_grace_seconds": "PATCHBAY_LINK_GRACE_SECONDS",
    "own_numbers": "TWILIO_PHONE_NUMBER, OWN_NUMBERS",
    "auth": "PATCHBAY_AUTH",
    "opens_browser": "PATCHBAY_OPEN_BROWSER",
    "actor": "(machine's user)",
    "worker_concurrency": "CALL_WORKER_CONCURRENCY",
    "worker_limit": "CALL_WORKER_LIMIT",
    "worker_limit_seconds": "CALL_WORKER_LIMIT_SECONDS",
    "realtime_model": "OPENAI_REALTIME_MODEL",
    "realtime_voice": "OPENAI_REALTIME_VOICE",
    "realtime_instructions": "OPENAI_REALTIME_INSTRUCTIONS",
    "transcription_model": "OPENAI_TRANSCRIPTION_MODEL",
    "repair_rate": "PATCHBAY_REPAIR_RATE",
    "simulated_seconds": "PATCHBAY_SIMULATED_SECONDS",
}
"""Where a setting's name is not that of its environment variable."""
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``value`` is None for a secret, which only is set or not, and for one that is not set."""

    name: str
    variable: str
    is_set: bool
    secret: bool
    value: str | None

    @property
    def shown(self) -> str:
        """As a person may see it."""
        if not self.is_set:
            return "not set"
        return "set" if self.value is None else self.value

    def to_json(self) -> dict[str, Any]:
        """As scripts get it; a secret's value never."""
        return {"variable": self.variable, "set": self.is_set, "secret": self.secret, "value": self.value}


@dataclass(frozen=True, slots=True)
class OwnNumber:
    """One of our numbers. ``confirmed``: None until a person says so.

    :ivar source: ``settings``, ``data`` or ``twilio`` (the account's).
    """

    number: str
    source: str
    calls: int
    confirmed: bool | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "OwnNumber":
        """A row of ``own_numbers``."""
        return cls(row["number"], row["source"], row["calls"], row["confirmed"])

    @property
    def to_confirm(self) -> bool:
        """The data shows it, and nobody has said whether it is right."""
        return self.source == "data" and self.confirmed is None


@dataclass(frozen=True, slots=True)
class DialableLead:
    """A lead that the backend's automation would dial: status ``new`` and no call."""

    id: int
    name: str | None
    phone: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class System:
    """What the System page shows.

    :ivar checks: see :meth:`Linking.doctor`; each red one with a fix to copy.
    :ivar versions: name and version of Python, the libraries, PostgreSQL and the schema.
    :ivar dialable: how many leads the automation would dial; ``dialable_first``: the first 20 of them.
    :ivar size: how many calls, leads and link events there are.
    """

    checks: tuple[Check, ...]
    configuration: tuple[Setting, ...]
    versions: Mapping[str, str]
    own_numbers: tuple[OwnNumber, ...]
    dialable: int
    dialable_first: tuple[DialableLead, ...]
    size: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """No check is red."""
        return all(check.ok for check in self.checks)


def read(gateway: Gateway, settings: Settings) -> System:
    """Everything that the System page shows."""
    facts = doctor.facts(gateway)
    return System(
        checks=tuple(doctor.judged(facts)),
        configuration=configuration(settings),
        versions=versions(facts),
        own_numbers=listed(gateway),
        dialable=facts["dialable"],
        dialable_first=tuple(
            DialableLead(row["id"], row["name"], row["phone"], parse_time(row["created_at"]))
            for row in facts["dialable_first"]
        ),
        size=facts["size"],
    )


def configuration(settings: Settings) -> tuple[Setting, ...]:
    """The settings as people may see them. Pure. What :class:`Settings` leaves out of its ``repr`` is a secret."""
    return tuple(_setting(each, getattr(settings, each.name)) for each in dataclasses.fields(settings))


def versions(facts: Mapping[str, Any]) -> dict[str, str]:
    """Versions by name; a library that is not installed is said to be so."""
    found = {"Python": platform.python_version()}
    found |= {package: _version(package) for package in PACKAGES}
    return {**found, "PostgreSQL": str(facts["server_version"]), "schema": str(facts["schema_version"])}


def listed(gateway: Gateway) -> tuple[OwnNumber, ...]:
    """Our numbers, those to confirm first, then the busiest."""
    rows = gateway.select("own_numbers", order=(Order("calls", descending=True), Order("number")))
    return tuple(sorted((OwnNumber.from_row(row) for row in rows), key=lambda number: not number.to_confirm))


def confirm_own_number(gateway: Gateway, number: object, is_ours: bool | None, region: str) -> OwnNumber:
    """A person says whether a number is ours; see :meth:`core.linking.Linking.confirm_own_number`."""
    wanted = fields.line("number", number, 100)
    e164 = phone.normalise(wanted, region).e164 or wanted
    row = gateway.call("confirm_own_number", p_number=e164, p_is_ours=is_ours)
    if row:
        return OwnNumber.from_row(row)
    known = {each.number for each in listed(gateway)}
    if e164 in known:
        raise NotAllowed(
            f"{phone.display(e164)} is one of our numbers by the settings.",
            hint="Take it out of OWN_NUMBERS or TWILIO_PHONE_NUMBER.",
        )
    raise NotFound(
        f"{fields.shown(wanted)} is none of the numbers that the data shows.",
        hint="Add it to OWN_NUMBERS to make it ours.",
    )


def _setting(each: "dataclasses.Field[Any]", value: object) -> Setting:
    is_set = value is not None and value != ()
    secret = not each.repr
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return Setting(
        each.name, VARIABLES.get(each.name, each.name.upper()), is_set, secret, text if is_set and not secret else None
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
