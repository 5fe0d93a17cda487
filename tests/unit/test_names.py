"""Names as a transcriber writes what it hears: one person misspelt, and two people whose names are alike."""

import pytest

from core.model.names import agreement, fold, name_keys


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("José Nuñez", "jose nunez"),
        ("Jose\u0301 Nun\u0303ez", "jose nunez"),
        ("Müller, Jürgen", "jurgen muller"),
        ("Dr. Ann O’Brien Jr.", "ann obrien"),
        ("  ŁUKASZ  Żak ", "lukasz zak"),
        ("Anne-Marie Østergaard", "anne marie ostergaard"),
        ("Nguyễn Minh Trần", "nguyen minh tran"),
        ("Иван Петров", ""),
        ("", ""),
    ],
)
def test_folding(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize(
    ("spoken", "name"),
    [
        ("james perreira", "James Pereira"),
        ("kavia patel", "Kavya Patel"),
        ("stephen anderson", "Steven Andersen"),
        ("sara smith", "Sarah Smith"),
        ("bob wilson", "Robert Wilson"),
        ("liz nguyen", "Elizabeth Nguyen"),
        ("maria fernandes", "Maria Fernandez"),
        ("philip cox", "Phillip Cox"),
        ("wei chen", "Chen Wei"),
        ("ann lee", "Ann Mary Lee"),
        ("katherine schmidt", "Catherine Schmidt"),
    ],
)
def test_one_person(spoken: str, name: str) -> None:
    assert agreement(spoken, name) == "full"


@pytest.mark.parametrize(
    ("spoken", "name"),
    [
        ("james perez", "James Pereira"),
        ("mario rossi", "Maria Rossi"),
        ("robert green", "Roberta Green"),
        ("daniel green", "Danielle Green"),
        ("ana martin", "Ana Martinez"),
        ("tom harris", "Tom Harrison"),
        ("tim lee", "Kim Lee"),
        ("ann wilson", "Ann Nilson"),
        ("linda jackson", "Linda Johnson"),
        ("linda hill", "Tom Hill"),
        ("paul young", "Paula Young"),
        ("eric stone", "Erica Stone"),
        ("carlos diaz", "Carla Diaz"),
    ],
)
def test_two_people(spoken: str, name: str) -> None:
    assert agreement(spoken, name) == "other"


def test_one_word_agrees_less() -> None:
    assert agreement("james", "James Perez") == agreement("james", "James Pereira") == "first"
    assert agreement("wilson", "Brian Wilson") == "first"
    assert agreement("brian wilson", "Brian") == "first"
    assert agreement("callum", "Priya Johnson") == "other"


@pytest.mark.parametrize("name", [None, "", "   ", "Acme Corp.", "Summit Dental Clinic", "Иван", "Unknown caller"])
def test_what_is_no_persons_name_cannot_be_compared(name: str | None) -> None:
    assert agreement("brian wilson", name) is None


def test_one_of_the_two_keys_survives_a_misspelling() -> None:
    right = set(name_keys("james pereira"))
    assert right & set(name_keys("james perreira"))
    assert right & set(name_keys("jaymes pereira"))
    assert not right & set(name_keys("james brown"))
    assert name_keys("james") == ()


def test_accents_of_every_alphabet_go() -> None:
    assert agreement(fold("Minh Trần"), "Minh Nguyễn") == "other"
    assert agreement(fold("Minh Tran"), "Minh Trần") == "full"
