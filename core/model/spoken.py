"""What callers say of themselves: a name with which they introduce themselves, an e-mail address, a telephone number.

Read from what the other party said, never from the assistant's lines. A name counts only in one of the ways in which
people name themselves (:data:`INTRODUCTIONS`): whoever is mentioned in passing ("Linda gave me your number", "this is
Linda's husband", "on behalf of Linda") is not the caller. Names are compared as a transcriber writes what it hears
(:func:`core.model.names.agreement`). Pure; nothing of it is stored but hashed keys (:attr:`Said.keys`) by which leads
are found.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.model.names import TITLES, fold, hashed, name_keys, word_set

EARLY_LINES = 8
"""People introduce themselves at the beginning; later the weaker ways of saying a name mean something else."""
LONGEST_NAME = 5
FEWEST_DIGITS = 8
"""Fewer digits are no number that tells anybody."""
ENOUGH_DIGITS = 10
"""So many digits are a telephone number where nothing says what they are."""
MOST_DIGITS = 15
KEY_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Line:
    """Something that the other party said. ``number`` counts their lines from 1, ``id`` is the row's."""

    id: int
    number: int
    text: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Line":
        """An item of the SQL function ``spoken_lines``."""
        return cls(row["id"], row["n"], row["text"])


@dataclass(frozen=True, slots=True)
class Item:
    """One thing said: folded words of a name, an address in lower case, or digits; ``line_id`` is the row it is in."""

    text: str
    line_id: int


@dataclass(frozen=True, slots=True)
class Said:
    """What the callers of one call said of themselves, in their order. A name of one word is a first name, mostly."""

    names: tuple[Item, ...] = ()
    emails: tuple[Item, ...] = ()
    numbers: tuple[Item, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The search keys of leads that may have these names, addresses and numbers, as SQL makes them of leads."""
        found = {key for name in self.names for key in name_keys(name.text)}
        found |= {"@" + hashed(email.text) for email in self.emails}
        found |= {number.text[-KEY_DIGITS:] for number in self.numbers}
        return tuple(sorted(found))


NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Introduction:
    """A way in which people name themselves.

    ``pattern`` ends where the name begins, ``after`` must follow the name, one of ``needs`` stands in the line in lower
    case (asked first, since most lines hold none). ``loose`` takes names without capitals and at any time; ``fewest``
    is how many words the name must have.
    """

    name: str
    pattern: re.Pattern[str]
    needs: tuple[str, ...]
    after: re.Pattern[str] | None = None
    loose: bool = False
    fewest: int = 1


_GREETING = (
    r"(?:(?:hi|hello|hey|hiya|yes|yeah|yep|yup|ya|sure|ok|okay|so|well|um|uh|oh|ah|and|"
    r"good (?:morning|afternoon|evening|day)|greetings|thanks|thank you|there|it's me|right|speaking)[\s,.!;:–—-]+)*"
)
_START = r"(?:^|[.!?;:,–—-]\s*)" + _GREETING
_HEARD = r"(?:(?:hi|hello|hey|yes|yeah|good (?:morning|afternoon|evening))[\s,.!]+)"
_END = r"\s*(?:[.,!?;:–—-]|$)"
_CALLING = re.compile(r"\s+(?:here|speaking|calling|again)\b", re.IGNORECASE)
_CLOSED = re.compile(_END + r"|\s+(?:here|speaking|calling|again|from|with|at|and|I|I'm|i)\b")


def _way(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


INTRODUCTIONS: tuple[Introduction, ...] = (
    Introduction(
        "my_name_is",
        _way(r"\b(?:my (?:full |first |own )?name(?: is|'s)|the name(?: is|'s))\s+"),
        ("name",),
        loose=True,
    ),
    Introduction("name_is", _way(_START + r"name(?: is|'s)\s+"), ("name",), loose=True),
    Introduction(
        "call_me", _way(r"\b(?:(?:just|please|can|may|could) call me|everyone calls me|I go by)\s+"), (" me ", "go by")
    ),
    Introduction("call_me_first", _way(_START + r"call me\s+"), ("call me",), after=re.compile(_END)),
    Introduction("this_is", _way(_START + r"this is\s+"), ("this is",), after=_CLOSED),
    Introduction("this_is_greeted", _way(r"^" + _HEARD + r"this is\s+"), ("this is",), loose=True),
    Introduction("it_is_here", _way(_START + r"it(?:'s| is)\s+"), ("it's", "it is"), after=_CALLING),
    Introduction("i_am", _way(_START + r"I(?:'m| am)\s+"), ("i'm", "i am"), after=_CLOSED, fewest=2),
    Introduction("i_am_greeted", _way(r"^" + _HEARD + r"I(?:'m| am)\s+"), ("i'm", "i am"), after=_CLOSED),
    Introduction("name_speaking", _way(_START), ("speaking",), after=_way(r",?\s+speaking" + _END)),
    Introduction("name_here", _way(_START), ("here",), after=_way(r"\s+here" + _END), fewest=2),
    Introduction("greeted_here", _way(r"^" + _HEARD), ("here",), after=_way(r"\s+here" + _END)),
    Introduction(
        "name_calling",
        _way(_START),
        ("calling",),
        after=re.compile(r"\s+calling\b(?! (?:me|you|us|him|her|them|card))"),
        fewest=2,
    ),
    Introduction(
        "you_have_reached",
        _way(_START + r"(?:you(?:'re| are) (?:speaking|talking) (?:with|to)|you(?:'ve| have)? reached)\s+"),
        ("speaking", "talking", "reached"),
        after=re.compile(_END),
    ),
)
"""Each way with its name; the first that finds a name in a line is taken, then those that follow it."""

# Words that a name never begins with: after "this is", "I'm", "it's", or before "here" and "speaking", they mean
# something else. A transcriber writes some of them with capitals.
_NO_NAMES = word_set(
    """
    a about above absolutely actually after afternoon again against ago all almost alone already also although
    always am amazing american an and angry another any anybody anyone anything april are around as ask asking
    assistant at august australian available away awesome awful back bad be because been before begin behind
    being best better between big boss both bothering brilliant british broadly brother busy but by call called
    caller calling can canadian cannot certainly check checking chinese clear clearly close cold come coming
    confused cool correct could crazy customer dad daughter day dear december definitely did difficult do doctor
    does doing done down dr driving each early easy eight either else emergency english enough even evening ever
    every everybody everyone everything exactly excellent excited exciting extremely fair false fantastic far
    fast father february feeling few final finally fine first five flying for four frankly free french friday
    friend from full funny general generally german get getting give glad go going gone good got grand great
    guess guessing had half happy hard has have having he hear heard hello help her here hers hey hi him his
    home honestly hoping hot how however hungry husband i if ill important impossible in incorrect indeed indian
    inside instead interested interesting is it italian its january july june just kind know last late later
    left less let like listen little living locked long looking lost lot love lovely madam made make making many
    march may maybe me mean mine mister mom monday more morning most mother moving mr mrs ms much mum must my
    near nearly need needing never new next nice night nine no nobody none nope nor not nothing november now
    october of off office oh ok okay old on once one online only open or other ought our ours out outside over
    own perfect perhaps person planning please pleased possible pretty private probably problem question quick
    quite rather ready real really regarding regular reservation retired ridiculous right running sad same
    saturday say saying seeing september seven she should sick simple since sir sister six so some somebody
    someone something son soon sorry sounds spam spanish speaking spelled spelt still stop straight strange
    strictly stuck such sunday super support sure taking talking ten terrible test thank thanks that the their
    them then there these they thing things think thinking this those three through thursday time tired to today
    together tomorrow tonight too totally traveling travelling true trying tuesday two unacceptable unbelievable
    under unfortunately until up urgent us use used useful usually very waiting wanting warm was way we
    wednesday week weekend weird well went were what whatever when where which while who whole whom whose why
    wife will with within without wonderful wondering working would wow wrong yeah year yep yes yesterday yet
    you your yours zero
    """
)
_MONTHS_AS_NAMES = frozenset({"april", "june", "august"})
_PARTICLES = word_set("da de del della der di do dos du el la le los mac san st ten ter van von bin ibn al y")
_STOPS = word_set(
    """
    a about again also am an and are as at because but by calling can could for from get has have hello here hi
    how i i'd i'm i've if im in is it just looking may my need needs no not of ok okay on or please so speaking
    that's thats the there this to trying want wants was we well what when who with would yeah yes you your
    """
)
_WORD = re.compile(r"[^\W\d_][\w'’.-]*", re.UNICODE)
_APOSTROPHES = re.compile(r"[’‘`´]")
_POSSESSIVE = re.compile(r"(?:'s|s')$", re.IGNORECASE)


def said(lines: Iterable[Line]) -> Said:
    """What the other party said of themselves.

    :param lines: their lines, in their order; those that cannot matter may be missing.
    """
    names: dict[str, Item] = {}
    emails: dict[str, Item] = {}
    numbers: dict[str, Item] = {}
    for line in lines:
        text = _APOSTROPHES.sub("'", line.text).strip()
        for name in _names(text, line.number):
            names.setdefault(name, Item(name, line.id))
        for email in _emails(text):
            emails.setdefault(email, Item(email, line.id))
        for number in _numbers(text):
            numbers.setdefault(number, Item(number, line.id))
    return Said(_longest(tuple(names.values())), tuple(emails.values()), tuple(numbers.values()))


def introductions(text: str, number: int = 1) -> list[tuple[str, str]]:
    """The names in a line with which its speaker introduces themselves, each with the name of the way.

    :param number: the how many-th line of theirs it is.
    :return: pairs of a way's name (:data:`INTRODUCTIONS`) and the name, folded.
    """
    found = []
    lowered = text.lower()
    for way in INTRODUCTIONS:
        if (not way.loose and number > EARLY_LINES) or not any(word in lowered for word in way.needs):
            continue
        for match in way.pattern.finditer(text):
            name = _name_at(text, match.end(), way)
            if name is not None:
                found.append((way.name, name))
    return found


def has_email(email: str, field: str | None) -> bool:
    """Does an e-mail field hold this address?"""
    return any(found.lower() == email for found in _ADDRESS.findall(field or ""))


def same_number(digits: str, e164: str) -> bool:
    """May digits as they were said mean this number: with its country code, or as people of its country say it?"""
    plain = digits.lstrip("0")
    return len(plain) >= FEWEST_DIGITS - 1 and (e164[1:] == plain or (len(plain) >= 8 and e164[1:].endswith(plain)))


# Names ------------------------------------------------------------------------------------------------------------


def _names(text: str, number: int) -> Iterator[str]:
    yield from (name for _way, name in introductions(text, number))


def _longest(names: Sequence[Item]) -> tuple[Item, ...]:
    """Who says "James" and then "James Perez" is one person: the fuller form counts."""
    return tuple(name for name in names if not any(set(name.text.split()) < set(other.text.split()) for other in names))


def _name_at(text: str, start: int, way: Introduction) -> str | None:
    words, end = _words_at(text, start, way.loose)
    if len(words) == 1 and way.name in ("my_name_is", "name_is") and text[end : end + 1] == ",":
        restated, further = _words_at(text, end + 1 + len(text[end + 1 :]) - len(text[end + 1 :].lstrip()), way.loose)
        if len(restated) > 1 and words[0].lower() in (word.lower() for word in restated):
            words, end = restated, further  # "Bond, James Bond"
    if way.after is not None and words and not way.after.match(text, end):
        return None
    name = fold(" ".join(words).replace(",", " "))
    if len(name.split()) < way.fewest or len(name.replace(" ", "")) < 2:
        return None
    return name


def _words_at(text: str, start: int, loose: bool) -> tuple[list[str], int]:
    """The words of the name that begins here, and where it ends; [] where none does."""
    words: list[str] = []
    end = place = start
    while len(words) < LONGEST_NAME:
        match = _WORD.match(text, place)
        if match is None:
            break
        word = match[0].rstrip(".-'")
        stop = match.start() + len(word)
        if _POSSESSIVE.search(match[0]):
            return [], start  # somebody's wife, office or phone
        if not word or not _belongs(word, words, loose):
            break
        words.append(word)
        end = stop
        initial = len(word) == 1 or fold(word) == ""  # "J." and "Mr." go on after their dot
        gap = re.compile(r"\.?\s+" if initial else r"\s+").match(text, stop)
        if gap is None:
            break
        place = gap.end()
    while words and words[-1].lower() in _PARTICLES and len(words) > 1:
        end -= len(words.pop()) + 1
    return words, end


def _belongs(word: str, before: Sequence[str], loose: bool) -> bool:
    lowered = word.lower()
    capital = word[0].isupper() and word != "I"
    if before and lowered in _PARTICLES:
        return True
    if lowered in TITLES:
        return not before
    if capital and before and lowered in _NAMES_TOO:
        return True
    if lowered in _STOPS or (lowered in _NO_NAMES and not (capital and (before or lowered in _MONTHS_AS_NAMES))):
        return False
    if capital:
        return not (word.endswith(("ing", "ly")) and not before and lowered not in _ENDING_NAMES)
    # In lower case nothing shows where a name ends: two words at most, and none that looks like another one.
    return loose and len(before) < 2 and not any(w[0].isupper() for w in before) and not lowered.endswith("ing")


_NAMES_TOO = word_set("an so may will")
_ENDING_NAMES = word_set(
    "kelly emily lily sally molly billy holly polly carly beverly kimberly ming ping ling sterling"
)

# Addresses --------------------------------------------------------------------------------------------------------

_ADDRESS = re.compile(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_OTHERS = re.compile(
    r"\b(?:his|her|their|\w+'s|[a-z]+s')\s+(?:\w+\s+)?(?:e-?mail|address|number|phone|cell|mobile)\b", re.IGNORECASE
)
_WHOSE = 60
"""So many characters before an address or a number may say whose it is."""
_SPOKEN_DOMAIN = re.compile(r"\bat\s+([a-z0-9-]+(?:(?:\s+(?:dot|period|point)\s+|\.)[a-z0-9-]+)+)", re.IGNORECASE)
_JOINTS: Mapping[str, str] = {
    "dot": ".", "period": ".", "point": ".", "underscore": "_", "dash": "-", "hyphen": "-", "minus": "-", "plus": "+"
}  # fmt: skip
_BEFORE_ADDRESS = word_set("is it's its me email mail address to at my the e-mail and yes yeah")
MOST_JOINED = 3
"""Words without a joint between them that may still be one: "callum campbell seven at …"."""


def _emails(text: str) -> Iterator[str]:
    if "@" not in text and "." not in text and " dot " not in text.lower():
        return
    for match in _ADDRESS.finditer(text) if "@" in text else ():
        if not _is_anothers(text, match.start()):
            yield match[0].lower().strip("'.")
    for match in _SPOKEN_DOMAIN.finditer(text):
        if not _is_anothers(text, match.start()):
            domain = re.sub(r"\s+(?:dot|period|point)\s+", ".", match[1].lower())
            yield from (f"{local}@{domain}" for local in _locals(text[: match.start()].lower()))


def _locals(before: str) -> Iterator[str]:
    """The readings of what stands before "at": joined words, the nearest word first."""
    words = [_DIGIT_WORDS.get(word, word) for word in re.findall(r"[a-z0-9._+-]+", before)]
    local, joined, place = "", 0, len(words) - 1
    while place >= 0 and words[place] not in _BEFORE_ADDRESS and joined < MOST_JOINED:
        local = words[place].strip(".") + local
        place -= 1
        while place > 0 and words[place] in _JOINTS:
            local = words[place - 1].strip(".") + _JOINTS[words[place]] + local
            place -= 2
        joined += 1
        yield local


def _is_anothers(text: str, place: int) -> bool:
    """Does the same sentence say that it is somebody else's?"""
    sentence = re.split(r"[.!?]\s", text[max(0, place - _WHOSE) : place])[-1]
    return _OTHERS.search(sentence) is not None


# Numbers ----------------------------------------------------------------------------------------------------------

_DIGIT_WORDS: Mapping[str, str] = {
    "zero": "0", "oh": "0", "o": "0", "nought": "0", "naught": "0", "one": "1", "two": "2", "three": "3", "four": "4",
    "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
}  # fmt: skip
_TENS: Mapping[str, str] = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50",
    "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
}  # fmt: skip
_TIMES: Mapping[str, int] = {"double": 2, "triple": 3, "treble": 3}
_LIKELY_NUMBER = re.compile(
    r"\d(?:[\s().,+/–—-]{0,4}\d){6}"
    r"|(?:(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)[ ,.-]+){4}",
    re.IGNORECASE,
)
_PIECE = re.compile(r"\+?\d+|[A-Za-z']+|[^\w\s]+")
_BETWEEN = re.compile(r"[\s().,+/–—-]*")
_OF_A_PHONE = re.compile(
    r"\b(?:number|phone|cell|mobile|telephone|reach me|call me|text me|ring me|contact me|call back|whatsapp)\b", re.I
)
_OF_SOMETHING = re.compile(
    r"\b(?:account|order|card|confirmation|reservation|booking|reference|policy|invoice|ticket|tracking|case|passport|"
    r"flight|zip|license|licence|security|routing|member(?:ship)?|serial|model)\b", re.I
)  # fmt: skip


def _numbers(text: str) -> Iterator[str]:
    if _LIKELY_NUMBER.search(text) is None:
        return
    for digits, place in _runs(text):
        sentence = re.split(r"[.!?]\s", text[max(0, place - _WHOSE) : place])[-1]
        if _OF_SOMETHING.search(sentence) or _is_anothers(text, place):
            continue
        fewest = FEWEST_DIGITS if _OF_A_PHONE.search(sentence) else ENOUGH_DIGITS
        if fewest <= len(digits) <= MOST_DIGITS:
            yield digits


def _runs(text: str) -> Iterator[tuple[str, int]]:
    """Runs of digits, written or spoken, with where they begin; a sentence's end or another word ends a run."""
    digits, begin, end, times, tens = "", 0, 0, 1, False
    for match in _PIECE.finditer(text):
        word = match[0].lower()
        value = word.lstrip("+") if word.lstrip("+").isdigit() else _DIGIT_WORDS.get(word, _TENS.get(word))
        if word in _TIMES or word == "plus" or (not word[0].isalnum() and "+" not in word):
            times = _TIMES.get(word, times)
            if digits and re.search(r"[.!?;:]\s|[!?;:@]", text[end : match.end() + 1]):
                yield digits, begin
                digits, times = "", 1
            continue
        if value is None or (digits and not _joined(text[end : match.start()])):
            if digits:
                yield digits, begin
            digits, tens, times = "", False, 1
            if value is None:
                continue
        if not digits:
            begin = match.start()
        one = word in _DIGIT_WORDS
        digits = digits[:-1] + value if tens and one and value != "0" else digits + value * (times if one else 1)
        times, tens, end = 1, word in _TENS and word.endswith("ty"), match.end()
    if digits:
        yield digits, begin


def _joined(gap: str) -> bool:
    bare = re.sub(r"\b(?:plus|double|triple|treble)\b", "", gap, flags=re.IGNORECASE)
    return _BETWEEN.fullmatch(bare) is not None
