"""What is said on a call, as a transcriber writes it."""

from random import Random
from typing import Final

from tests.backend.people import Person

ASKS: Final = (
    "I would like to know your opening hours on Saturday.",
    "Can you help me to change my booking to the 4th of March?",
    "I'm looking for a table for three people tonight.",
    "I'm calling about the invoice from last month, it says $120.",
    "Could you check whether the delivery for 5 boxes is on its way?",
    "Is there anything cheaper than 250 a month?",
    "Hi there, I'm interested in the premium plan.",
    "I'm afraid I lost my password.",
    "It's fine, thank you, I am happy with that.",
    "This is great, thanks a lot.",
    "Please send the confirmation again, order number 48213377.",
    "I am in Chicago next week, what do you recommend?",
)
REPLIES: Final = (
    "Of course, let me look that up for you.",
    "We are open from 9 am to 6 pm.",
    "You can reach our front desk at 212-310-6600.",
    "I have found three options for you. My name is Alex, by the way.",
    "Your booking is confirmed. Is there anything else?",
    "Is this Maria Gonzalez from accounting?",
)
INTRODUCTIONS: Final = (
    "Hi, this is {name}. {ask}",
    "Hello, my name is {name}. {ask}",
    "It's {name} here. {ask}",
    "Yeah, {name} speaking. {ask}",
    "{ask} My name's {name}.",
    "Good morning, {name} calling. {ask}",
    "I'm {name}, {lower}",
)
IN_PASSING: Final = (
    "{ask} By the way, {name} gave me your number.",
    "{ask} {name} recommended you to me.",
    "I was told to ask for {name}. {ask}",
    "{ask} My colleague {name} spoke to you last week.",
    "{ask} Could you send a copy to {name} as well?",
)
MAILS: Final = ("{ask} My email is {mail}.", "{ask} You can write to me at {mail}.", "Sure, it is {mail}.")
NUMBERS: Final = (
    "{ask} You can reach me at {number}.",
    "My number is {number}. {ask}",
    "{ask} Call me back on {number}.",
)
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def introduces(rng: Random, name: str) -> str:
    """A line in which the caller says who they are; now and then misspelled by the transcriber."""
    if rng.random() < 0.06:
        name = _misheard(rng, name)
    ask = rng.choice(ASKS)
    return rng.choice(INTRODUCTIONS).format(name=name, ask=ask, lower=ask[0].lower() + ask[1:])


def mentions(rng: Random, person: Person) -> str:
    """A line that names somebody else in passing."""
    return rng.choice(IN_PASSING).format(name=person.name, ask=rng.choice(ASKS))


def gives_mail(rng: Random, email: str) -> str:
    """A line in which the caller gives an address, written or as it is spoken."""
    spoken = email if rng.random() < 0.5 else email.replace("@", " at ").replace(".", " dot ")
    return rng.choice(MAILS).format(mail=spoken, ask=rng.choice(ASKS))


def gives_number(rng: Random, number: str) -> str:
    """A line in which the caller gives a number, in digits or word by word."""
    national = number[2:] if number.startswith("+1") else number
    said = national if rng.random() < 0.5 else " ".join(_DIGITS[int(d)] for d in national if d.isdigit())
    return rng.choice(NUMBERS).format(number=said, ask=rng.choice(ASKS))


def small_talk(rng: Random) -> list[tuple[str, str]]:
    """A few turns in which nobody says who they are."""
    turns = rng.randint(1, 4)
    return [turn for _ in range(turns) for turn in (("assistant", rng.choice(REPLIES)), ("user", rng.choice(ASKS)))]


def _misheard(rng: Random, name: str) -> str:
    place = rng.randrange(1, len(name) - 1)
    if rng.random() < 0.5 and name[place].isalpha():
        return name[:place] + name[place] + name[place:]  # a letter twice
    return name[:place] + name[place + 1 :] if name[place].isalpha() else name
