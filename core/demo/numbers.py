"""Phone numbers that belong to nobody: only from ranges that regulators keep free for fiction.

Sources: North America 555-0100 to 555-0199 of any area code (ATIS), United Kingdom (Ofcom, numbers for drama use),
Australia (ACMA, numbers for fiction), France (ARCEP, numbers for audiovisual works), Germany (BNetzA, drama numbers).
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

import phonenumbers

Style: TypeAlias = Callable[[str], str]
"""Turns an E.164 number into the way somebody typed it."""


@dataclass(frozen=True, slots=True)
class FictionalRange:
    """``size`` numbers that start with ``prefix`` (E.164) and end in a counter of ``width`` digits."""

    region: str
    prefix: str
    width: int
    size: int
    first: int = 0

    def number(self, index: int) -> str:
        """The E.164 number at ``index`` (0 to ``size`` - 1)."""
        return f"{self.prefix}{self.first + index:0{self.width}d}"

    def holds(self, e164: str) -> bool:
        """Whether the number lies in the range."""
        tail = e164.removeprefix(self.prefix)
        if tail == e164 or len(tail) != self.width or not tail.isdigit():
            return False
        return self.first <= int(tail) < self.first + self.size


def _words(text: str) -> list[str]:
    return text.split()


_US_AREAS: Final = _words(
    "201 202 203 205 206 207 208 210 212 213 214 215 216 217 218 219 224 225 228 229 231 234 239 240 248 251 252 253 "
    "254 256 260 262 267 269 270 276 281 301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 "
    "323 330 334 336 337 339 347 351 352 360 361 385 386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 "
    "423 425 430 432 434 435 440 443 469 470 478 479 480 484 501 502 503 504 505 507 508 509 510 512 513 515 516 517 "
    "518 520 530 540 541 551 559 561 562 563 570 571 573 574 580 585 586 601 602 603 605 606 607 608 609 610 612 614"
)
_CA_AREAS: Final = _words("204 226 236 250 306 403 416 418 438 450 506 514 519 587 604 613 647 705 778 819 902 905")
_GB_CITIES: Final = _words("113 114 115 116 117 121 131 141 151 161")
_DE_PREFIXES: Final = ("+493023125", "+496990009", "+494066969", "+492214710", "+498999998")
_FR_PREFIXES: Final = ("+3319900", "+3326191", "+3335301", "+3346571", "+3353649", "+3363998")

FICTIONAL: Final[tuple[FictionalRange, ...]] = (
    *(FictionalRange("US", f"+1{area}555", 4, 100, 100) for area in _US_AREAS),
    *(FictionalRange("CA", f"+1{area}555", 4, 100, 100) for area in _CA_AREAS),
    FictionalRange("GB", "+442079460", 3, 1000),
    FictionalRange("GB", "+441632960", 3, 1000),
    FictionalRange("GB", "+447700900", 3, 1000),
    *(FictionalRange("GB", f"+44{city}4960", 3, 1000) for city in _GB_CITIES),
    *(FictionalRange("AU", f"+61{area}{exchange}", 4, 10_000) for area in "2378" for exchange in ("5550", "7010")),
    *(FictionalRange("FR", prefix, 4, 10_000) for prefix in _FR_PREFIXES),
    *(FictionalRange("DE", prefix, 3, 1000) for prefix in _DE_PREFIXES),
)

_REGION_WEIGHTS: Final = {"US": 60, "CA": 10, "GB": 16, "AU": 7, "FR": 3, "DE": 4}

OWN_NUMBERS: Final = ("+14155550142", "+12125550164", "+442079460958")
"""The demo's Twilio numbers: main line, second line, the one in London."""

WITHHELD: Final = ("+266696687", "anonymous", "+7378742833", "Restricted", "Anonymous", "+8656696", "unavailable")
"""What Twilio puts in From when a caller withheld the number."""


def is_fictional(e164: str) -> bool:
    """Whether the number can belong to nobody."""
    return any(place.holds(e164) for place in FICTIONAL)


class NumberPool:
    """Hands out fictional numbers, each once.

    :param rng: source of chance.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken = set(OWN_NUMBERS)
        self._by_region = {region: [r for r in FICTIONAL if r.region == region] for region in _REGION_WEIGHTS}

    def region(self) -> str:
        """A region as often as its weight says."""
        return self._rng.choices(list(_REGION_WEIGHTS), list(_REGION_WEIGHTS.values()))[0]

    def take(self, region: str) -> str:
        """A number of ``region`` that was not handed out yet; of another region when that one is used up."""
        for tries in range(2_000):
            places = self._by_region[region] if tries < 60 else FICTIONAL
            place = self._rng.choice(places)
            number = place.number(self._rng.randrange(place.size))
            if number not in self._taken:
                self._taken.add(number)
                return number
        raise RuntimeError("the fictional ranges are used up")


def _american(e164: str) -> tuple[str, str, str]:
    return e164[2:5], e164[5:8], e164[8:]


def _nanp(pattern: str) -> Style:
    def write(e164: str) -> str:
        area, exchange, line = _american(e164)
        return pattern.format(a=area, x=exchange, n=line)

    return write


def international(e164: str) -> str:
    """``+44 20 7946 0018``."""
    return phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def national(e164: str) -> str:
    """``020 7946 0018``: as people write it at home, without the country code."""
    return phonenumbers.format_number(phonenumbers.parse(e164), phonenumbers.PhoneNumberFormat.NATIONAL)


def with_zero(e164: str) -> str:
    """``+44 (0)20 7946 0018``."""
    home = national(e164)
    if not home.startswith("0"):
        return international(e164)
    return f"+{phonenumbers.parse(e164).country_code} (0){home[1:]}"


def with_double_zero(e164: str) -> str:
    """``0044 20 7946 0018``."""
    return "00" + international(e164).removeprefix("+")


NANP_STYLES: Final[tuple[Style, ...]] = tuple(
    _nanp(pattern)
    for pattern in (
        "({a}) {x}-{n}",
        "({a}) {x}-{n}",
        "{a}-{x}-{n}",
        "{a}.{x}.{n}",
        "{a}{x}{n}",
        "1-{a}-{x}-{n}",
        "+1 {a} {x} {n}",
        "+1 ({a}) {x}-{n}",
        "{a}{x}{n}.0",
        "{a} {x} {n}",
    )
)
"""Ways of writing a North American number that still name one number when read in the US."""

ABROAD_STYLES: Final[tuple[Style, ...]] = (international, international, with_zero, with_double_zero)
"""Ways of writing any other number that still name one number when read in the US."""


def written_otherwise(rng: Random, e164: str) -> str:
    """The same number as a person typed it: never the E.164 form, always readable from the US."""
    styles = NANP_STYLES if e164.startswith("+1") else ABROAD_STYLES
    return rng.choice(styles)(e164)


def as_stored(rng: Random, e164: str) -> str:
    """The number as a lead's record may hold it: often E.164, else in one of many hands, some hard to read."""
    chance = rng.random()
    if chance < 0.52:
        return e164
    if chance < 0.93:
        return written_otherwise(rng, e164)
    if chance < 0.95:
        return f" {e164} "
    if e164.startswith("+1"):
        return f"{written_otherwise(rng, e164).removesuffix('.0')} ext. {rng.randint(10, 480)}"
    return national(e164)
