"""A lead made from a call: what it would be, what is written, what the customer's table refuses, and its undo."""

from dataclasses import replace

import pytest

from core.app import App
from core.errors import BadInput, BelongsToAnotherLead, NotAllowed, NotFound, PatchbayError, Stale
from core.linking import Draft, Linking, Options, WorklistFilter
from core.linking.new_lead import spoken_name
from tests.database.outside import Connection, add_call, add_lead, say, sid, slot

NUMBER = "+14155550199"


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


def row(connection: Connection, lead_id: int) -> dict:
    cursor = connection.execute("select to_jsonb(l) from leads l where id = %s", [lead_id])
    found = cursor.fetchone()
    return found[0] if found else {}


def leads(connection: Connection) -> int:
    return connection.execute("select count(*) from leads").fetchone()[0]


def drift(connection: Connection) -> list:
    return connection.execute("select * from link_drift").fetchall()


def test_a_look_writes_nothing_and_shows_the_row(linking: Linking, connection: Connection) -> None:
    call, other = add_call(connection, 1, inbound=True), add_call(connection, 2, inbound=True)
    say(connection, call, "assistant", "Hello, this is Larkspur Services.")
    say(connection, call, "user", "Hi, my name is Nora O'Neil, about the garden")
    linking.judge()
    seen = linking.preview_new_lead(call)
    assert seen.draft == Draft(name="Nora O'Neil", phone=NUMBER, status="contacted")
    wanted = {"name": "Nora O'Neil", "phone": NUMBER, "lead_status": "contacted", "lead_source": "patchbay"}
    assert wanted.items() <= seen.columns.items()
    assert seen.columns["lead_priority"] == "medium", "the table's own defaults are shown too"
    assert (seen.matching, [c.call_sid for c in seen.calls], seen.sharing) == (1, [other], ())
    assert seen.sentence == "1 more unlinked call matches the new lead then; none of them is linked by this."
    assert "does not dial it" in seen.dialling
    assert leads(connection) == 0 and linking.activity() == []


def test_lead_link_and_one_event_and_back(linking: Linking, connection: Connection) -> None:
    call, other = add_call(connection, 1, inbound=True), add_call(connection, 2, inbound=True)
    linking.judge()
    seen = linking.preview_new_lead(call)
    event = linking.create_lead(call, seen.draft, replace(seen.options, reason="new customer", actor="dana"))
    lead = event.lead_id
    assert lead is not None and slot(connection, lead) == call
    stored = row(connection, lead)
    assert (stored["phone"], stored["lead_status"], stored["lead_source"]) == (NUMBER, "contacted", "patchbay")
    told = linking.story(call)
    assert (told.call.state, told.call.lead_id) == ("current", lead)
    assert [e.action for e in linking.activity()] == ["create_lead"]
    assert linking.activity(lead=lead)[0].reason == "new customer"
    assert linking.story(other).call.best_lead_id == lead, "judged at once, linked by nobody"
    assert linking.story(other).call.state == "unlinked"
    assert drift(connection) == []
    undone = linking.undo(event.id)
    assert undone is not None and row(connection, lead) == {}
    assert linking.story(call).call.state == "unlinked"
    assert linking.story(other).call.best_lead_id is None
    assert drift(connection) == []
    with pytest.raises(NotAllowed, match="deleted since"):
        linking.undo(undone.id)


def test_undo_is_refused_once_something_about_the_lead_changed(linking: Linking, connection: Connection) -> None:
    call, other = add_call(connection, 1), add_call(connection, 2)
    linking.judge()
    first = linking.create_lead(call, Draft(phone=NUMBER))
    connection.execute("update leads set notes = 'wants a quote' where id = %s", [first.lead_id])
    with pytest.raises(Stale) as refused:
        linking.undo(first.id)
    assert f"leads/{first.lead_id} notes" in refused.value.detail
    connection.execute("update leads set notes = null where id = %s", [first.lead_id])
    linking.link(other, first.lead_id)
    with pytest.raises(PatchbayError, match=r"another call|moved on"):
        linking.undo(first.id)
    linking.unlink(other)
    assert slot(connection, first.lead_id) == call
    assert linking.undo(first.id) is not None
    assert leads(connection) == 0


def test_undo_names_the_other_calls_of_the_lead(linking: Linking, connection: Connection) -> None:
    newer, older = add_call(connection, 1, at="2026-03-02T09:00:00Z"), add_call(connection, 2)
    linking.judge()
    made = linking.create_lead(newer, Draft(phone=NUMBER))
    linking.link(older, made.lead_id)
    with pytest.raises(NotAllowed, match="another call by now"):
        linking.undo(made.id)
    assert row(connection, made.lead_id)


def test_the_same_request_makes_one_lead(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    linking.judge()
    options = Options(request_id="once")
    first, second = (linking.create_lead(call, Draft(phone=NUMBER), options) for _ in range(2))
    assert first.id == second.id and leads(connection) == 1
    with pytest.raises(PatchbayError, match="already used"):
        linking.create_lead(call, Draft(phone=NUMBER, name="Another"), options)


def test_what_changed_since_it_was_seen_is_refused(linking: Linking, connection: Connection) -> None:
    call, other = add_call(connection, 1), add_call(connection, 2)
    linking.judge()
    seen, seen_too = linking.preview_new_lead(call), linking.preview_new_lead(other)
    made = linking.create_lead(call, seen.draft, seen.options)
    with pytest.raises(Stale, match="added since"):
        linking.create_lead(other, seen_too.draft, seen_too.options)
    with pytest.raises(PatchbayError):
        linking.create_lead(call, seen.draft, seen.options)
    with pytest.raises(BelongsToAnotherLead):
        linking.create_lead(call, seen.draft)
    again = linking.preview_new_lead(other)
    assert [s.lead.id for s in again.sharing] == [made.lead_id] and "is it not that one?" in again.sentence
    assert leads(connection) == 1


def test_a_call_that_was_set_aside_can_become_a_lead(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    linking.set_aside(call)
    event = linking.create_lead(call, Draft(phone=NUMBER))
    assert linking.call(call).state == "current"
    linking.undo(event.id)
    assert linking.call(call).state == "set_aside"


RULES = [
    ("alter table leads add column branch text not null", Draft(phone=NUMBER), BadInput, "leads.branch is empty"),
    ("alter table leads alter column email set not null", Draft(phone=NUMBER), BadInput, "leads.email is empty"),
    (
        "alter table leads add constraint known check (lead_status <> 'spam')",
        Draft(phone=NUMBER, status="spam"),
        BadInput,
        "leads.lead_status does not take this value: the table's rule known",
    ),
    (
        "alter table leads add column branch varchar(5)",
        Draft(phone=NUMBER, columns={"branch": "Düsseldorf"}),
        BadInput,
        "leads.branch is too long",
    ),
    (
        "create type mood as enum ('good'); alter table leads add column mood mood",
        Draft(phone=NUMBER, columns={"mood": "bad"}),
        BadInput,
        'invalid input value for enum mood: "bad"',
    ),
    (
        "create function no() returns trigger language plpgsql as $$ begin raise 'not on Sundays'; end $$;"
        " create trigger no before insert on leads for each row execute function no()",
        Draft(phone=NUMBER),
        NotAllowed,
        "not on Sundays",
    ),
]


@pytest.mark.parametrize(("rule", "draft", "error", "words"), RULES)
def test_what_the_table_refuses_is_said_with_the_column(
    linking: Linking, connection: Connection, rule: str, draft: Draft, error: type[PatchbayError], words: str
) -> None:
    call = add_call(connection, 1)
    connection.execute(rule.encode())
    for attempt in (linking.preview_new_lead, linking.create_lead):
        with pytest.raises(error, match=words):
            attempt(call, draft)
    assert leads(connection) == 0 and linking.call(call).lead_id is None


def test_a_value_that_another_lead_has_names_that_lead(linking: Linking, connection: Connection) -> None:
    connection.execute("create unique index one_mail on leads (email)")
    taken = add_lead(connection, email="nora@example.com")
    call = add_call(connection, 1)
    draft = Draft(phone=NUMBER, columns={"email": "nora@example.com"})
    with pytest.raises(NotAllowed, match=f"leads.email must be unique, and lead {taken} has this value"):
        linking.create_lead(call, draft)


def test_required_columns_can_be_given(linking: Linking, connection: Connection) -> None:
    assert linking.required_columns() == ()
    connection.execute(
        "alter table leads add column branch varchar(10) not null, add column level int not null default 1"
    )
    assert [(c.name, c.type) for c in linking.required_columns()] == [("branch", "character varying(10)")]
    call = add_call(connection, 1)
    event = linking.create_lead(call, Draft(phone=NUMBER, columns={"branch": "Bonn", "level": "3"}))
    stored = row(connection, event.lead_id)
    assert (stored["branch"], stored["level"]) == ("Bonn", 3)


@pytest.mark.parametrize(
    "shape",
    [
        "alter table leads alter column id set generated always",
        "alter table leads alter column id drop identity; create sequence own; alter table leads alter column id"
        " set default nextval('own')",
        "alter table leads drop column lead_source",
        "alter table leads add column label text generated always as (coalesce(name, '?')) stored",
        "alter table leads add column changed timestamptz not null default clock_timestamp()",
        "insert into leads (id, name) select n, 'Imported' from generate_series(1, 40) n",
    ],
)
def test_tables_of_other_shapes(linking: Linking, connection: Connection, shape: str) -> None:
    connection.execute(shape.encode())
    before = leads(connection)
    call = add_call(connection, 1)
    event = linking.create_lead(call, Draft("Nora", NUMBER))
    assert linking.call(call).state == "current"
    linking.undo(event.id)
    assert leads(connection) == before


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (Draft(phone="garbage"), "phone is 'garbage'"),
        (Draft(name=" "), "name is empty"),
        (Draft(name="a\nb"), "name contains control"),
        (Draft(status=""), "status is empty"),
        (Draft(columns={"id": "3"}), "id is not given"),
        (Draft(columns={"nope": "3"}), "no column nope"),
    ],
)
def test_drafts_that_cannot_be_meant(linking: Linking, connection: Connection, draft: Draft, words: str) -> None:
    call = add_call(connection, 1)
    with pytest.raises(BadInput, match=words):
        linking.create_lead(call, draft)
    with pytest.raises(NotFound):
        linking.preview_new_lead(sid(99), Draft())


def test_a_lead_that_is_new_is_not_dialled_while_it_has_the_call(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    seen = linking.preview_new_lead(call, Draft(phone=NUMBER, status="new"))
    assert "not dialled now" in seen.dialling
    event = linking.create_lead(call, seen.draft, seen.options)
    assert linking.dialling(event) == ()
    assert linking.count(WorklistFilter()) == 0


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("My name is Nora Ellen, hello", "Nora Ellen"),
        ("yes hi this is Dr. Who", None),
        ("I'm Jan van der Berg", "Jan van der Berg"),
        ("Ben Hall here, about the garden", "Ben Hall"),
        ("I'm calling about the offer", None),
        ("I am Interested in it", None),
        ("hello?", None),
    ],
)
def test_the_name_that_somebody_gives(said: str, name: str | None) -> None:
    assert spoken_name([said]) == name
