"""Invented people and companies. Any likeness is chance; every address ends in a domain reserved for examples."""

import unicodedata
from dataclasses import dataclass
from random import Random
from typing import Final

_CULTURES: Final[dict[str, tuple[str, str]]] = {
    "anglo": (
        "Margaret Desmond Abigail Theodore Hannah Callum Phoebe Warren Lydia Graham Naomi Elliott Rosalind Declan Ivy",
        "Whitlock Hargreave Ashdown Pemberton Calloway Thorne Merriweather Lockwood Fairbanks Prescott O'Rourke",
    ),
    "hispanic": (
        "Lucía Mateo Ximena Joaquín Valentina Rodrigo Camila Esteban Marisol Ignacio Paloma Andrés",
        "Villanueva Montoya Cárdenas Ibáñez Quintero Salcedo Arredondo Peña Zamora Figueroa",
    ),
    "south_asian": (
        "Ananya Rohan Meera Arjun Kavita Farhan Ishita Vikram Sana Nikhil Padma Imran",
        "Krishnamurthy Deshpande Chowdhury Iyer Malhotra Qureshi Banerjee Pillai Rathore Siddiqui",
    ),
    "east_asian": (
        "Mei Haruto Jia Sora Wen Yuna Takumi Lin Minjun Aiko Chen Hana",
        "Nakagawa Zhao Hwang Fujimoto Liang Seo Okamoto Xu Baek Tanabe",
    ),
    "african": (
        "Chidinma Kwame Amara Tendai Zainab Olumide Makena Sipho Adwoa Emeka Nia Thabo",
        "Okonkwo Mensah Achebe Dlamini Balogun Wanjiru Nkosi Boateng Eze Mutasa",
    ),
    "arabic": (
        "Layla Omar Yasmin Karim Noor Samir Dalia Tariq Rania Hisham",
        "Haddad Mansour Al-Rashid Khoury Barakat Nassar Farouk Sabbagh",
    ),
    "nordic": (
        "Freja Anders Ingrid Søren Astrid Mikkel Sigrid Håkon Linnea Lars",
        "Lindqvist Kjær Halvorsen Bergström Nygaard Sørensen Åkesson Dahl",
    ),
    "slavic": (
        "Zofia Łukasz Daria Miroslav Katarzyna Bohdan Milena Tomasz Oksana Jiří",
        "Wójcik Kovalenko Dvořák Zielińska Petrović Nowicki Hrytsenko Malý",
    ),
    "romance": (
        "Élodie Matteo Chiara Théo Beatriz Lorenzo Margaux Rafael Inês Baptiste",
        "Delacroix Moretti Fonseca Bellini Lefebvre Almeida Rinaldi Beaumont",
    ),
    "germanic": (
        "Annika Lukas Greta Matthias Femke Jonas Heike Pieter Saskia Florian",
        "Brandt Vogelsang van der Meer Kessler Hofmann de Wit Lindemann Achterberg",
    ),
    "vietnamese": ("Linh Minh Thảo Quang Hương Khoa Mai Tuấn", "Nguyễn Trần Phạm Huỳnh Đặng"),
}
_TWO_WORDS: Final = ("van der Meer", "de Wit")


def _split(names: str) -> list[str]:
    words = names
    for index, pair in enumerate(_TWO_WORDS):
        words = words.replace(pair, f"#{index}")
    return [_TWO_WORDS[int(word[1:])] if word.startswith("#") else word for word in words.split()]


_COMPANY_HEADS: Final = _split(
    "Bluestone Maple Harbour Cedar Juniper Northfield Saltmarsh Kestrel Copperleaf Ironbridge Willowbank Quarry "
    "Brightwater Stonegate Foxglove Riverside Summit Lantern Meadow Tallgrass"
)
_COMPANY_TRADES: Final = (
    "Dental Group",
    "Bakery",
    "Logistics",
    "Property Management",
    "Veterinary Clinic",
    "Architects",
    "Print Works",
    "Auto Repair",
    "Accounting",
    "Brewing Co.",
    "Physiotherapy",
    "Catering",
    "Garden Centre",
    "Law Offices",
    "Nursery School",
)
_MAIL_DOMAINS: Final = ("example.com", "example.net", "example.org", "mail.example.com", "post.example.org")

OPERATORS: Final = ("Dana Whitfield", "Marcus Oyelaran", "Priya Raman", "Tomás Herrera")
"""The people of the demo's operations team, as they sign their repairs."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who calls or is called."""

    given: str
    family: str
    email: str
    company: str | None

    @property
    def name(self) -> str:
        """Given and family name."""
        return f"{self.given} {self.family}"


_NAMES: Final = {culture: (_split(given), _split(family)) for culture, (given, family) in _CULTURES.items()}
_LETTERS: Final = str.maketrans({"ł": "l", "ø": "o", "æ": "ae", "đ": "d", "ß": "ss"})


def plain(text: str) -> str:
    """Lower-case ASCII letters and digits of a name, for addresses."""
    folded = unicodedata.normalize("NFKD", text.lower().translate(_LETTERS))
    return "".join(letter for letter in folded if letter.isascii() and letter.isalnum())


def company(rng: Random) -> str:
    """An invented company."""
    return f"{rng.choice(_COMPANY_HEADS)} {rng.choice(_COMPANY_TRADES)}"


def person(rng: Random, works_at: str | None = None) -> Person:
    """An invented person; a third of them work somewhere."""
    culture = rng.choices(list(_NAMES), [30, 14, 12, 9, 8, 6, 5, 6, 6, 6, 3])[0]
    given, family = (rng.choice(names) for names in _NAMES[culture])
    firm = works_at or (company(rng) if rng.random() < 0.34 else None)
    return Person(given, family, _email(rng, given, family, firm), firm)


def _email(rng: Random, given: str, family: str, firm: str | None) -> str:
    first, last = plain(given), plain(family)
    numbered = f"{first}{last}{rng.randint(2, 98)}"
    local = rng.choice((f"{first}.{last}", f"{first[0]}{last}", f"{last}.{first}", numbered))
    domain = f"{plain(firm)}.example" if firm and rng.random() < 0.6 else rng.choice(_MAIL_DOMAINS)
    return f"{local}@{domain}"
