"""People with telephones, and how their records came to hold their numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType


def _words(text: str) -> list[str]:
    return text.split()


REGIONS: Final = {
    "US": 44, "CA": 5, "IN": 11, "GB": 10, "DE": 4, "FR": 3, "IT": 3, "ES": 2, "BR": 4, "MX": 4, "AR": 2, "AU": 3,
    "DK": 1, "SG": 1, "ZA": 1, "NG": 1, "PE": 1,
}  # fmt: skip
GIVEN: Final = _words(
    "Mary James Patricia Robert Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph "
    "Jessica Sarah Karen Charles Lisa Daniel Nancy Matthew Sandra Anthony Ashley Mark Emily Steven Carol Paul "
    "Amanda Andrew Melissa Joshua Stephanie Kevin Rebecca Brian Laura George Sharon Timothy Cynthia Ananya Rohan "
    "Kavya Vikram Priya Rahul Pooja Arjun Meera Sanjay Deepa Oliver Isla Callum Freya Angus Imogen Gabriel Lucia "
    "Mateo Sofia Thiago Camila Bruno Valentina Mads Ingrid Jonas Greta Luca Giulia Chloe Hugo Zanele Thabo Chidi "
    "Amara Wei Mei Kenji Yuki Fatima Omar Layla Hassan"
)
FAMILY: Final = _words(
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis "
    "Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera "
    "Campbell Mitchell Carter Roberts Sharma Patel Reddy Gupta Nair Desai Iyer Joshi Pillai Hargreaves Pemberton "
    "Fletcher Whitfield Ashworth Pereira Silva Souza Fernandes Nielsen Hansen Mueller Schneider Fischer Rossi "
    "Bianchi Dubois Laurent Dlamini Nkosi Okafor Adeyemi Chen Wang Tanaka Suzuki Rahman Haddad Kowalski Novak "
    "Petrov Larsen Bergström Ó'Connor De-Luca"
)
DOMAINS: Final = ("example.com", "example.org", "mail.example.net", "example.net")


@dataclass
class Record:
    """One lead: the row that the backend keeps, and whose it really is."""

    id: int
    person: "Person"
    phone: str | None
    intended: str | None
    exact: bool
    created_at: datetime
    slot: str | None = None
    notes: str | None = None
    status: str = "new"
    contacted_at: datetime | None = None
    deleted: bool = False

    @property
    def dialled(self) -> str | None:
        """Where the backend's worker really calls when it dials what is stored."""
        return dialled(self.phone)


@dataclass
class Person:
    """Somebody who calls or is called. ``number`` is true, E.164; ``other`` is a second one that no record has."""

    given: str
    family: str
    email: str
    number: str
    region: str
    other: str | None = None
    records: list[Record] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.given} {self.family}"

    def living(self) -> list[Record]:
        """The records that were not deleted."""
        return [record for record in self.records if not record.deleted]


class Numbers:
    """Valid numbers of several countries, each handed out once."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken: set[str] = set()
        kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE, PhoneNumberType.FIXED_LINE)
        self._patterns = {
            region: [n for kind in kinds if (n := phonenumbers.example_number_for_type(region, kind)) is not None]
            for region in REGIONS
        }

    def region(self) -> str:
        return self._rng.choices(list(REGIONS), list(REGIONS.values()))[0]

    def take(self, region: str) -> str:
        while True:
            pattern = phonenumbers.format_number(self._rng.choice(self._patterns[region]), PhoneNumberFormat.E164)
            fixed, loose = pattern[:-7], 7
            if region in ("US", "CA"):
                fixed = "+1" + self._rng.choice(_AREAS[region])
            number = fixed + f"{self._rng.randrange(2_000_000, 10**loose):0{loose}d}"
            parsed = phonenumbers.parse(number)
            if number not in self._taken and phonenumbers.is_valid_number(parsed):
                self._taken.add(number)
                return number


_AREAS: Final = {
    "US": _words("202 212 213 214 303 305 312 313 314 404 415 503 512 602 614 617 619 650 702 703 713 813 832 847 919"),
    "CA": _words("204 236 306 403 416 438 506 514 587 604 613 705 780 902"),
}


def _written(form: int) -> Callable[[str], str]:
    return lambda number: phonenumbers.format_number(phonenumbers.parse(number), form)


international, national = _written(PhoneNumberFormat.INTERNATIONAL), _written(PhoneNumberFormat.NATIONAL)


def stored(rng: Random, number: str) -> tuple[str | None, bool]:
    """How a record holds a number, and whether the number can be told from it."""
    chance = rng.random()
    if chance < 0.46:
        return number, True
    if chance < 0.60:
        return international(number), True
    if chance < 0.66:
        return f" {number} ", True
    if chance < 0.70:
        return "00" + number[1:], True
    if chance < 0.73:
        return f"{international(number)} ext. {rng.randint(10, 900)}", True
    if chance < 0.90:
        return _at_home(rng, number), True
    if chance < 0.925:
        return f"{national(number)} / {number}", True
    if chance < 0.95 and number.startswith("+91"):
        return "+1" + number[3:], False  # the backend's validator knows only +1 and +91
    if chance < 0.965:
        return number[:-1], False  # a digit was lost
    if chance < 0.975:
        return rng.choice(("Unknown", "anonymous", "n/a", "+266696687")), False
    return (None, False) if chance < 0.985 else (number, True)


def _at_home(rng: Random, number: str) -> str:
    """As people write it in their own country."""
    home = national(number)
    if not number.startswith("+1"):
        return home
    digits = number[2:]
    return rng.choice(
        (home, digits, f"{digits}.0", f"1-{digits[:3]}-{digits[3:6]}-{digits[6:]}", home.replace(") ", ")."))
    )


def dialled(phone: str | None) -> str | None:
    """The number that the backend's worker gets from a phone field; None where there is nothing to dial.

    It reads ten digits as American and keeps what begins with a plus.
    """
    text = (phone or "").split("/")[-1].split("ext")[0].removesuffix(".0")
    digits = "".join(letter for letter in text if letter.isdigit())
    if len(digits) < 8:
        return None
    if text.strip().startswith("+"):
        return "+" + digits
    if digits.startswith("00"):
        return "+" + digits[2:]
    return "+1" + digits if len(digits) == 10 else "+" + digits


def person(rng: Random, numbers: Numbers) -> Person:
    """Somebody with a number of their own; every twelfth has a second one."""
    region = numbers.region()
    given, family = rng.choice(GIVEN), rng.choice(FAMILY)
    first, last = (("".join(c for c in n.lower() if c.isascii() and c.isalpha())) for n in (given, family))
    local = rng.choice(
        (f"{first}.{last}", f"{last}.{first}", f"{first[0]}{last}{rng.randint(1, 99)}", f"{first}{last}")
    )
    email = f"{local}{rng.randrange(1000)}@{rng.choice(DOMAINS)}"
    other = numbers.take(region) if rng.random() < 0.08 else None
    return Person(given, family, email, numbers.take(region), region, other)
