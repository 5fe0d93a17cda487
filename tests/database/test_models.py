"""The integration guide's model calls, in Python."""

import pytest

from core.app import App, build
from core.errors import BadInput, BelongsToAnotherLead, NotFound
from core.linking import Options
from core.settings import Settings
from core.store.migrate import migrate
from tests.database.outside import Connection, add_call, add_lead, say, sid, slot

OLDER, NEWER = sid(1), sid(2)


@pytest.fixture
def ada(connection: Connection) -> int:
    add_call(connection, 1, at="2026-03-01")
    add_call(connection, 2, at="2026-03-02")
    return add_lead(connection, "Ada", "+14155550199", lead_status="new")


def test_find_by_id_gives_the_whole_row(app: App, ada: int) -> None:
    lead = app.leads.find_by_id(ada)
    assert lead is not None
    assert (lead.id, lead.name, lead.call_sid) == (ada, "Ada", None)
    assert lead.row["lead_priority"] == "medium"
    assert app.leads.find_by_id(4711) is None


def test_find_by_call_sid_finds_the_lead_of_current_and_history(app: App, ada: int) -> None:
    assert app.leads.find_by_call_sid(OLDER) is None
    app.linking.link(OLDER, ada)
    app.linking.link(NEWER, ada)
    assert [app.leads.find_by_call_sid(call).id for call in (OLDER, NEWER)] == [ada, ada]  # type: ignore[union-attr]
    assert app.leads.find_by_call_sid(sid(9)) is None


def test_update_call_sid_makes_the_call_current_and_the_replaced_one_history(app: App, ada: int) -> None:
    assert app.leads.update_call_sid(ada, NEWER).call_sid == NEWER
    assert app.leads.update_call_sid(ada, OLDER).call_sid == OLDER, "whatever its age"
    assert app.linking.call(NEWER).state == "history"
    assert [event.action for event in app.linking.activity()] == ["link", "link"]


def test_update_call_sid_to_none_unlinks_the_current_call(app: App, ada: int) -> None:
    app.leads.update_call_sid(ada, OLDER)
    assert app.leads.update_call_sid(ada, None).call_sid is None
    assert app.linking.call(OLDER).by_hand
    assert app.leads.update_call_sid(ada, None).call_sid is None, "nothing left to unlink"
    assert len(app.linking.activity()) == 2


def test_unlinking_gives_the_slot_back_to_the_newest_remaining_call(app: App, ada: int) -> None:
    app.leads.update_call_sid(ada, OLDER)
    app.leads.update_call_sid(ada, NEWER)
    assert app.leads.update_call_sid(ada, None).call_sid == OLDER


def test_update_call_sid_is_refused_when_another_lead_has_the_call(app: App, ada: int, connection: Connection) -> None:
    other = add_lead(connection, "Bo")
    app.leads.update_call_sid(other, OLDER)
    with pytest.raises(BelongsToAnotherLead):
        app.leads.update_call_sid(ada, OLDER)
    assert slot(connection, ada) is None


def test_update_sets_columns_and_call_sid_as_the_guide_does(app: App, ada: int) -> None:
    lead = app.leads.update(ada, call_sid=OLDER, lead_status="contacted", metadata={"a": [1]}, notes="O'Brien; --")
    assert (lead.call_sid, lead.lead_status, lead.notes) == (OLDER, "contacted", "O'Brien; --")
    assert lead.row["metadata"] == {"a": [1]}
    (event,) = app.linking.activity()
    assert (event.action, event.source) == ("link", "person")


def test_update_names_who_did_it(app: App, ada: int) -> None:
    app.leads.update(ada, actor="maria", call_sid=OLDER)
    assert app.linking.activity()[0].actor == "maria"


def test_update_is_all_or_nothing(app: App, ada: int, connection: Connection) -> None:
    other = add_lead(connection, "Bo")
    app.linking.link(OLDER, other, Options())
    with pytest.raises(BelongsToAnotherLead):
        app.leads.update(ada, lead_status="contacted", call_sid=OLDER)
    with pytest.raises(BadInput):
        app.leads.update(ada, call_sid=NEWER, last_contacted_at="not a time")
    lead = app.leads.find_by_id(ada)
    assert lead is not None
    assert (lead.lead_status, lead.call_sid) == ("new", None)


@pytest.mark.parametrize("columns", [{}, {"id": 5}, {"nonsense": 1}, {'call_sid" = null; --': 1}, {"ctid": "(0,1)"}])
def test_update_takes_only_real_columns(app: App, ada: int, columns: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        app.leads.update(ada, **columns)


def test_a_lead_that_is_gone_is_not_found(app: App, ada: int) -> None:
    with pytest.raises(NotFound, match=r"There is no lead 4711"):
        app.leads.update(4711, lead_status="contacted")
    with pytest.raises(NotFound):
        app.leads.update_call_sid(ada, sid(9))
    with pytest.raises(BadInput):
        app.leads.find_by_id("1; drop table leads")  # type: ignore[arg-type]


def test_the_guides_own_tables_are_enough(guide_tables: str) -> None:
    migrate(guide_tables)
    guide = build(Settings.load(env={"DATABASE_URL": guide_tables}))
    ana = guide.leads.update(1, call_sid=OLDER, lead_status="contacted")
    assert (ana.call_sid, ana.lead_status) == (OLDER, "contacted")
    assert guide.leads.find_by_call_sid(OLDER) == ana
    assert [row["content"] for row in guide.transcripts.find_by_call_sid(OLDER)] == ["Hello, this is Ana."]
    story = guide.linking.story(OLDER)
    assert (story.call.state, story.recordings, len(story.events)) == ("current", (), 1)
    assert all(check.ok for check in guide.linking.doctor())
    guide.close()


def test_transcripts_come_in_speaking_order_from_both_shapes(app: App, ada: int, connection: Connection) -> None:
    say(connection, OLDER, "assistant", "Hello!", timestamp="2026-03-01T09:00:05Z")
    say(connection, OLDER, "user", "Hi.\n", timestamp="2026-03-01T09:00:04Z")
    connection.execute(
        "insert into conversation_transcripts (call_sid, speaker, message, timestamp)"
        " values (%s, 'user', 'Bye.', '2026-03-01T09:00:06Z')",
        [OLDER],
    )
    spoken = app.transcripts.find_by_call_sid(OLDER)
    assert [(row["role"], row["content"].strip()) for row in spoken] == [
        ("user", "Hi."),
        ("assistant", "Hello!"),
        ("user", "Bye."),
    ]
    assert app.transcripts.find_by_call_sid(sid(9)) == []
