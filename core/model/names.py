"""Names of people: compared as a transcriber writes what it hears, and the keys by which they are found."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from rapidfuzz.distance import Levenshtein

Agreement: TypeAlias = Literal["full", "first", "other"]

LONGEST_NAME = 6
"""Words; more are no name that anybody says."""
REMEMBERED = 65_536


def word_set(text: str) -> frozenset[str]:
    """The words of a text as a set: how word lists are written here."""
    return frozenset(text.split())


TITLES = word_set("mr mrs ms miss dr prof sir jr sr ii iii phd md esq")
_COMPANY = word_set(
    """
    accounts admin ag agency anonymous associates bank billing caller clinic co company consulting contact corp
    corporation customer department gmbh group guest holdings hospital hotel inc info lead limited llc llp ltd
    office partners plc pvt reception restaurant sales school service services shop software solutions store
    studio studios support systems team technologies technology test university unknown user visitor
    """
)


@lru_cache(REMEMBERED)
def fold(name: str) -> str:
    """A name as it is compared: a to z and single blanks (the SQL function ``patchbay_fold`` follows the same rule)."""
    first, comma, last = name.partition(",")
    if comma and first and last and "," not in last:
        name = f"{last} {first}"
    letters = unicodedata.normalize("NFD", name).translate(_PLAIN)
    words = re.sub(r"[^a-z]+", " ", re.sub("[\u0300-\u036f]", "", letters)).split()
    return " ".join(word for word in words if word not in TITLES)


@lru_cache(REMEMBERED)
def agreement(spoken: str, name: str | None) -> Agreement | None:
    """How a name that was said and a lead's name agree; None where they cannot be compared (no name, or a company).

    ``full``: both names of a full one. ``first``: the one word said is one of the lead's names, or a full name was said
    and the lead has but one, which is among it. ``other``: somebody else, also where only one of two names agrees:
    relatives share a last name, and a first name is shared by many.

    :param spoken: folded, as :func:`said` gives it.
    """
    theirs, ours = spoken.split(), fold(name or "").split()
    if not theirs or not ours or not _COMPANY.isdisjoint(ours):
        return None
    if len(theirs) == 1 or len(ours) == 1:
        alike = any(_alike(one, other) for one in theirs for other in ours)
        return "first" if alike else "other"
    ends = ((theirs[0], theirs[-1]), (theirs[-1], theirs[0]))
    alike = any(_alike(first, ours[0]) and _alike(last, ours[-1]) for first, last in ends)
    return "full" if alike or set(theirs) <= set(ours) else "other"


def name_keys(spoken: str) -> tuple[str, ...]:
    """The keys of a full name: the first with the beginning of the last, and the other way round; none of one word."""
    words = spoken.split()
    if not 2 <= len(words) <= LONGEST_NAME:
        return ()
    return (f"~{hashed(f'{words[0]} {words[-1][:3]}')}", f"~{hashed(f'{words[0][:1]}  {words[-1]}')}")


@lru_cache(REMEMBERED)
def _alike(one: str, other: str) -> bool:
    """Are two words one name, as a transcriber may write it?

    Measured on all pairs of the 61 first and 97 last names of captured leads and on usual misspellings: what sounds the
    same is folded first (Perreira and Pereira, Kavia and Kavya, Stephen and Steven), then one vowel may differ inside
    words of five letters and more (Anderson and Andersen). Looser measures take different people for one: Mario and
    Maria, Robert and Roberta, Martin and Martinez, Perez and Pereira, Wilson and Nilson.
    """
    if one == other or other in _NICKNAMES.get(one, ()) or one in _NICKNAMES.get(other, ()):
        return True
    first, second = _sound(one), _sound(other)
    if first == second:
        return True
    if min(len(first), len(second)) < 5 or first[0] != second[0] or first[-1] != second[-1]:
        return False
    if Levenshtein.distance(first, second, score_cutoff=1) != 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), -1)
    longer = max(first, second, key=len)
    letters = {longer[same]} if len(first) != len(second) else {first[same], second[same]}
    return letters <= set("aeiou")


_SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("sch", "s"), ("sh", "s"), ("th", "t"), ("gh", "g"), ("wr", "r"), ("kn", "n"),
    ("x", "ks"), ("c", "k"), ("q", "k"), ("z", "s"), ("y", "i"), ("w", "v"), ("ee", "i"),
    ("ea", "i"), ("oo", "u"),
)  # fmt: skip


@lru_cache(REMEMBERED)
def _sound(word: str) -> str:
    heard = word
    for written, sounds in _SOUNDS:
        heard = heard.replace(written, sounds)
    heard = heard[:1] + heard[1:].replace("h", "")
    heard = heard.replace("ven", "fen") if heard.startswith("st") else heard
    heard = re.sub(r"(.)\1+", r"\1", heard)
    return heard[:-1] if len(heard) > 3 and heard.endswith("e") and not heard.endswith("ele") else heard


def _nicknames(table: str) -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for row in table.split(";"):
        name, *short = row.split()
        for nickname in short:
            found[nickname] = found.get(nickname, frozenset()) | {name}
    return found


_NICKNAMES = _nicknames(
    "robert bob bobby rob robbie bert;william bill billy will willie liam;richard rick dick richie ricky rich;"
    "james jim jimmy jamie;john jack johnny jon;michael mike mick mikey micky;thomas tom tommy;charles charlie chuck;"
    "joseph joe joey;daniel dan danny;david dave davy;edward ed eddie ted ned;matthew matt;christopher chris kit;"
    "christine chris chrissy;christina tina chris;anthony tony;andrew andy drew;steven steve;stephen steve;"
    "benjamin ben benny;samuel sam sammy;samantha sam;alexander alex xander sasha;alexandra alex sandra sasha;"
    "nicholas nick nicky;patrick pat paddy;patricia pat patty trish tricia;kenneth ken kenny;gregory greg;"
    "jeffrey jeff;ronald ron ronnie;donald don donnie;timothy tim timmy;lawrence larry;raymond ray;gerald gerry jerry;"
    "francis frank;frank frankie;philip phil;peter pete;walter walt;zachary zach zack;joshua josh;jonathan jon;"
    "nathan nate;nathaniel nate;leonard leo len lenny;vincent vince;elizabeth liz beth betty lizzie eliza betsy;"
    "margaret maggie meg peggy marge;katherine kate katie kathy kat;catherine cathy kate katie cat;susan sue susie;"
    "deborah deb debbie;barbara barb;jennifer jen jenny;jessica jess jessie;rebecca becky becca;kimberly kim;"
    "pamela pam;victoria vicky tori;theresa terry tess;teresa terry tess;abigail abby;amanda mandy;cynthia cindy;"
    "dorothy dot dottie;eleanor ellie nell;jacqueline jackie;melissa mel;melanie mel;stephanie steph;valerie val;"
    "veronica ronnie;natalie nat;isabella bella izzy;judith judy;sandra sandy;gabriel gabe;frederick fred freddie;"
    "albert al bert;alan al;arthur art;harold hal harry;henry harry hank;douglas doug;stanley stan;terence terry;"
    "russell russ;theodore ted theo;calvin cal;maxwell max;maximilian max;antonio tony;francisco paco;jose pepe;"
    "guillermo memo;eduardo eddie lalo;mohammed mo;mohamed mo;muhammad mo;krishnamurthy krishna;priyanka priya"
)
"""Short forms by which English speakers and some of their neighbours introduce themselves, not all there are."""


def _plain_letters() -> dict[int, str | None]:
    table: dict[int, str | None] = {code: chr(code + 32) for code in range(ord("A"), ord("Z") + 1)}
    for code in (*range(0xC0, 0x180), *range(0x218, 0x21C)):
        base = unicodedata.normalize("NFD", chr(code))[0].lower()
        if "a" <= base <= "z":
            table[code] = base
    table |= {ord(letter): plain for letter, plain in zip("øØđĐðÐłŁßæÆœŒıþÞħĦ", "ooddddllsaaooitthh", strict=True)}
    return table | {ord(letter): None for letter in "'’‘`´"}


_PLAIN = _plain_letters()


def hashed(text: str) -> str:
    """No secret: it keeps names out of our tables, where a key is all that is needed."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:16]
