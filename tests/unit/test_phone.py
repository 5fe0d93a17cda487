"""Phone numbers in all the writings that leads and Twilio bring."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat

from core.model import phone


@pytest.mark.parametrize(
    ("raw", "e164"),
    [
        ("+14155552671", "+14155552671"),
        ("(415) 555-2671", "+14155552671"),
        (" 415 555 2671", "+14155552671"),
        ("+1 (415) 555-2671  ", "+14155552671"),
        ("415.555.2671", "+14155552671"),
        ("1-415-555-2671", "+14155552671"),
        ("001 415 555 2671", "+14155552671"),
        ("4155552671.0", "+14155552671"),
        ("4155552671.00", "+14155552671"),
        ("14155552671.0", "+14155552671"),
        ("00 44 20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("011 44 20 7946 0958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("442079460958", "+442079460958"),
        ("91-9942602141", "+919942602141"),
        ("0091 6385363070", "+916385363070"),
        ("whatsapp:+14155552671", "+14155552671"),
        ("tel:+1-415-555-2671", "+14155552671"),
        ("sip:+14155552671@sip.example.com", "+14155552671"),
        ("SIP:+14155552671@sip.example.com;transport=tls", "+14155552671"),
        ("1-800-FLOWERS", "+18003569377"),
        ("+15005550006", "+15005550006"),
        ("+1 212-555-0100", "+12125550100"),  # a fictional number is a number
    ],
)
def test_every_writing_of_a_number_is_the_number(raw: str, e164: str) -> None:
    assert phone.normalise(raw, "US").kind == "number"
    assert phone.normalise(raw, "US").e164 == e164


@pytest.mark.parametrize(
    ("raw", "extension"),
    [("415-555-2671 ext. 9", "9"), ("650.441.4555 x56", "56"), ("+1 415 555 2671 #12", "12"), ("4155552671", None)],
)
def test_extensions_are_kept_apart(raw: str, extension: str | None) -> None:
    assert phone.normalise(raw, "US").extension == extension


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (None, "missing"),
        ("", "missing"),
        ("  ", "missing"),
        ("anonymous", "withheld"),
        ("Anonymous", "withheld"),
        ("RESTRICTED", "withheld"),
        ("unknown", "withheld"),
        ("unavailable", "withheld"),
        ("Private", "withheld"),
        ("blocked", "withheld"),
        ("No Caller ID", "withheld"),
        ("sip:anonymous@anonymous.invalid", "withheld"),
        ("+266696687", "withheld"),
        ("+266 696 687", "withheld"),
        ("+7378742833", "withheld"),
        ("+2562533", "withheld"),
        ("+8656696", "withheld"),
        ("+86282452253", "withheld"),
        ("client:alice", "client"),
        ("client:anonymous", "client"),
        ("sip:bob@example.com", "sip"),
        ("911", "short"),
        ("12345", "short"),
        ("5552671", "invalid"),
        ("hello", "invalid"),
        ("0", "invalid"),
        ("📞", "invalid"),
        ("9" * 40, "invalid"),
        ("1" * 10_000, "invalid"),
    ],
)
def test_what_is_no_number_is_named(raw: str | None, kind: str) -> None:
    number = phone.normalise(raw, "US")
    assert (number.kind, number.e164) == (kind, None)


def test_an_impossible_number_still_equals_itself() -> None:
    assert phone.normalise("+1234567890", "US") == phone.PhoneNumber(
        "invalid", "+1234567890", None, "+1234567890", True
    )
    assert phone.likeness("+1 234 567 890", "+1234567890", "US") == "same"


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("020 7946 0958", "GB", "+442079460958"),
        ("9876543210", "IN", "+919876543210"),
        ("06131 123456", "DE", "+496131123456"),
        ("030/1234567", "DE", "+49301234567"),
        ("0033 1 23 45 67 89", "DE", "+33123456789"),
    ],
)
def test_numbers_without_a_country_are_read_in_the_region(raw: str, region: str, e164: str) -> None:
    assert phone.normalise(raw, region).e164 == e164


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("+918293891974, +919738399156", ["+918293891974", "+919738399156"]),
        ("+4531508461 / +4530529759", ["+4531508461", "+4530529759"]),
        ("415-555-2671 or 212-555-0100", ["+14155552671", "+12125550100"]),
        ("415-555-2671;212-555-0100", ["+14155552671", "+12125550100"]),
        ("415-555-2671 and +44 20 7946 0958", ["+14155552671", "+442079460958"]),
        ("4155552671 2125550100", ["+14155552671", "+12125550100"]),
        ("415-555-2671 ext. 9 / 212-555-0100", ["+14155552671", "+12125550100"]),
        ("4155552671.0", ["+14155552671"]),
        ("415-555-2671, evenings", ["+14155552671"]),
        ("415-555-2671, 9", ["+14155552671"]),
        ("(415) 555-2671", ["+14155552671"]),
        ("(415) 555-2671 / (415) 555-2671", ["+14155552671"]),
        ("anonymous", []),
        ("", []),
        (None, []),
    ],
)
def test_a_field_may_hold_two_numbers(raw: str | None, found: list[str]) -> None:
    assert [number.e164 for number in phone.all_numbers(raw, "US")] == found


def test_a_slash_within_a_number_does_not_split_it() -> None:
    assert [number.e164 for number in phone.all_numbers("030/1234567", "DE")] == ["+49301234567"]


@pytest.mark.parametrize(
    ("raw", "e164", "like"),
    [
        ("(415) 555-2671", "+14155552671", "same"),
        ("+919900187483 / +917041184642", "+917041184642", "same"),
        ("020 7946 0958", "+442079460958", "national"),
        ("99501 58763", "+919950158763", "national"),
        ("09621330700", "+919621330700", "national"),
        ("51 95622-6851", "+5551956226851", "national"),  # also Peru's +51 95622 6851, but that is not written
        ("20 64 07 44", "+4520640744", "national"),
        ("+19876543210", "+919876543210", "other_country"),  # what the backend makes of an Indian number
        ("+917946095800", "+447946095800", "other_country"),
        ("(51) 9 1507-8576", "+555115078576", "variant"),
        ("+55 51 1507 8576", "+5551915078576", "variant"),
        ("+54 11 2345 6789", "+5491123456789", "variant"),
        ("+52 1 55 1234 5678", "+525512345678", "variant"),
        ("415-555-2672", "+14155552671", None),
        ("+44 20 7946 0958", "+14155552671", None),
        ("anonymous", "+14155552671", None),
        ("", "+14155552671", None),
        (None, "+14155552671", None),
    ],
)
def test_how_a_lead_holds_a_number(raw: str | None, e164: str, like: str | None) -> None:
    assert phone.likeness(raw, e164, "US") == like
    assert phone.same_national(raw, e164, "US") is (like in ("same", "national"))


def test_a_writing_that_is_another_number_at_home_is_said_so() -> None:
    assert phone.reads_elsewhere("415 555 2671", "+914155552671", "US") == "+14155552671"
    assert phone.reads_elsewhere("99501 58763", "+919950158763", "US") is None
    assert phone.reads_elsewhere("+91 4155552671", "+914155552671", "US") is None


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("(415) 555-2671", {"5552671"}),
        ("4155552671.0", {"5552671"}),
        ("415-555-2671 ext. 1234567", {"5552671", "1234567"}),
        ("650.441.4555 x56", {"4414555"}),
        ("+918293891974, +919738399156", {"3891974", "8399156"}),
        ("4155552671 2125550100", {"5550100", "5552671"}),
        ("415 or 555-2671", {"5552671"}),
        ("12345", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_the_search_keys_of_a_field(text: str | None, keys: set[str]) -> None:
    assert phone.keys(text) == keys


def test_numbers_are_shown_as_people_read_them() -> None:
    assert phone.display("+14155552671") == "+1 415-555-2671"
    assert phone.display("+442079460958") == "+44 20 7946 0958"
    assert phone.display("+1234567890") == "+1234567890"
    assert phone.display("client:alice") == "client:alice"
    assert phone.country_code("+442079460958") == 44


regions = st.sampled_from(["US", "GB", "IN", "DE", "BR", "DK", "FR", "AU"])
formats = st.sampled_from([PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL])


@given(regions, formats, st.sampled_from(["", " ", "  "]), st.sampled_from(["", "  "]))
def test_a_formatted_number_is_found_again_and_shares_its_key(region: str, form: int, before: str, after: str) -> None:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    raw = before + phonenumbers.format_number(example, form) + after
    assert phone.normalise(raw, region).e164 == e164
    assert phone.likeness(raw, e164, "US") in ("same", "national")
    assert phone.key(e164) in phone.keys(raw)


@given(st.text(max_size=60), regions)
def test_any_text_can_be_read(text: str, region: str) -> None:
    number = phone.normalise(text, region)
    assert number.e164 is None or number.e164.startswith("+")
    assert (number.kind == "number") <= (number.e164 is not None)
    assert phone.normalise(text, region) == number
    assert isinstance(phone.keys(text), frozenset)


@given(st.text("0123456789 +-().,;/|x#.orandext", max_size=40))
def test_every_number_of_a_field_can_be_found_by_its_key(text: str) -> None:
    found = phone.keys(text)
    for number in phone.all_numbers(text, "US"):
        # letters that dial digits (1-800-FLOWERS) have no key
        if number.e164 is not None and number.kind == "number" and not set(text) & set("ordantex"):
            assert phone.key(number.e164) in found
