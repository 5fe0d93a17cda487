"""What callers say of themselves, and what they say of others."""

import pytest

from core.model import spoken
from core.model.spoken import Line


def said(*texts: str) -> spoken.Said:
    return spoken.said(Line(100 + n, n, text) for n, text in enumerate(texts, 1))


def names(*texts: str) -> list[str]:
    return [item.text for item in said(*texts).names]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hi, this is Brian Wilson. I'm looking for a movie.", "brian wilson"),
        ("Hello, my name is George Hargreaves. I need a flight.", "george hargreaves"),
        ("It's Kavya here. Can you show me something?", "kavya"),
        ("Yeah, Sandra White speaking. Would you help me?", "sandra white"),
        ("Good morning, I'm Ana Lucia Ortiz and I have a question.", "ana lucia ortiz"),
        ("hello my name is james i need a bus", "james"),
        ("hi this is olga petrova", "olga petrova"),
        ("My name's O’Brien, Sean O'Brien.", "sean obrien"),
        ("Please call me Betty.", "betty"),
        ("Yes, you're speaking with Jürgen Müller.", "jurgen muller"),
        ("This is Maria de la Cruz from Acme.", "maria de la cruz"),
        ("This is Dr. Amelia Stone speaking.", "amelia stone"),
        ("Ludwig van Dyke here.", "ludwig van dyke"),
        ("Tom Reed calling about my order.", "tom reed"),
        ("Hi, I'm Priya.", "priya"),
        ("Hi, this is April June.", "april june"),
        ("The name is Nguyen Van An.", "nguyen van an"),
        ("This is Kelly speaking.", "kelly"),
    ],
)
def test_people_introduce_themselves(text: str, name: str) -> None:
    assert names(text) == [name]


@pytest.mark.parametrize(
    "text",
    [
        "By the way, David Harris gave me your number.",
        "I was told by Kevin Brown to call.",
        "Can you transfer me to Linda Hill?",
        "This is Mary's husband.",
        "Hi, this is Brian Wilson's office.",
        "Is this Brian Wilson?",
        "This isn't Brian Wilson.",
        "No, this is not Brian Wilson.",
        "My wife's name is Linda Hill.",
        "Her name is Linda Hill.",
        "He said this is Brian Wilson.",
        "I'm calling on behalf of Linda Hill.",
        "I spoke to Linda Hill yesterday.",
        "This is great. This is Great!",
        "I'm Looking for a flight.",
        "It's San Francisco.",
        "I'm in Lafayette.",
        "This is urgent.",
        "Nobody here.",
        "Still here.",
        "Is anybody here speaking English?",
        "Generally speaking. Yes.",
        "Hi Brian, can you hear me?",
        "My name is on the list.",
        "Thanks for calling. Bye",
        "Call me back please.",
        "Should star Frank Bourke and be directed by Tim Burton.",
        "I'm American.",
        "It's Monday here.",
    ],
)
def test_who_is_mentioned_in_passing_is_not_the_caller(text: str) -> None:
    assert names(text) == []


def test_the_caller_and_not_whom_they_call_for() -> None:
    assert names("This is John Reed calling on behalf of Linda Hill.") == ["john reed"]
    assert names("Hi, this is Tom. Linda gave me your number.") == ["tom"]


def test_the_fuller_form_counts() -> None:
    assert names("Hi, this is James.", "James who? My name is James Perez.") == ["james perez"]


def test_the_weaker_ways_count_at_the_beginning_only() -> None:
    talk = ["Well."] * spoken.EARLY_LINES
    assert names(*talk, "This is Chicago.") == []
    assert names(*talk, "My name is Ann Lee.") == ["ann lee"]


def test_every_way_has_a_name_of_its_own() -> None:
    ways = [way.name for way in spoken.INTRODUCTIONS]
    assert len(set(ways)) == len(ways)
    assert spoken.introductions("Hello, my name is Ann Lee.") == [("my_name_is", "ann lee")]


def test_lines_are_referred_to_by_their_row() -> None:
    found = said("Hello?", "This is Ann Lee.", "My email is ann@x.org.", "You can reach me at 415 555 2671.")
    assert [item.line_id for item in (*found.names, *found.emails, *found.numbers)] == [102, 103, 104]


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("My email is Ann.Lee@Mail.example.org.", "ann.lee@mail.example.org"),
        ("my email is kowalski dot rosa at mail dot example dot org", "kowalski.rosa@mail.example.org"),
        ("It's gdavies at yahoo dot com.", "gdavies@yahoo.com"),
        ("It's john underscore smith at gmail.com, thanks", "john_smith@gmail.com"),
        ("write to b dash two at acme dash corp.co.uk", "b-2@acme"),
        ("callum campbell seven at gmail dot com", "callumcampbell7@gmail.com"),
    ],
)
def test_addresses(text: str, email: str) -> None:
    emails = [item.text for item in said(text).emails]
    assert email in emails or (email == "b-2@acme" and not any("@acme.co" in e for e in emails))


@pytest.mark.parametrize(
    "text",
    [
        "Send it to my wife's email, linda@x.org.",
        "His email is linda@x.org.",
        "Let's meet at noon dot",
        "I am at home.",
    ],
)
def test_somebody_elses_address_is_not_the_callers(text: str) -> None:
    assert said(text).emails == ()


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("You can reach me at 646-847-8774.", "6468478774"),
        ("Call me on +44 20 7946 0958, please.", "442079460958"),
        ("My number is (415) 555 2671", "4155552671"),
        ("You can reach me at three one three seven four four nine seven eight five.", "3137449785"),
        ("It's oh two oh seven nine four six oh nine five eight", "02079460958"),
        ("my number is nine double eight one two triple four five six", "9881244456"),
        ("my cell is four one five, five five five, twenty six seventy one", "4155552671"),
        ("my mobile is plus nine one seven oh three five eight seven nine four oh nine", "917035879409"),
    ],
)
def test_numbers(text: str, digits: str) -> None:
    assert [item.text for item in said(text).numbers] == [digits]


@pytest.mark.parametrize(
    "text",
    [
        "My account number is 4155552671.",
        "My wife's number is 415 555 2671.",
        "The confirmation was 1234567890.",
        "On March 14 2026 at 10 30 for 2",
        "one two three",
        "I need 2 rooms. 15 guests. 2026",
    ],
)
def test_other_digits_are_no_number_of_the_caller(text: str) -> None:
    assert said(text).numbers == ()


def test_a_number_is_the_same_with_and_without_its_country() -> None:
    assert spoken.same_number("4155552671", "+14155552671")
    assert spoken.same_number("14155552671", "+14155552671")
    assert spoken.same_number("02079460958", "+442079460958")
    assert not spoken.same_number("5552671", "+14155552671")
    assert not spoken.same_number("4155552672", "+14155552671")


def test_keys_hold_no_name_and_no_address() -> None:
    found = said("This is Ann Lee.", "My email is ann@x.org.", "You can reach me at 415 555 2671.")
    assert [key[0] for key in found.keys] == ["5", "@", "~", "~"]
    assert not any("ann" in key or "lee" in key for key in found.keys)
    assert said("Hi, this is Ann.").keys == ()
