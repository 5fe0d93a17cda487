"""Contested calls on rows captured from a real backend: the one write that hit the UNIQUE constraint is found."""

from pathlib import Path

import pytest

from core.app import App
from core.linking import WorklistFilter, jobs
from tests.database import captured


@pytest.fixture
def loaded(app: App, db: str, captured_data: Path) -> App:
    captured.load(db, captured_data)
    jobs.load_export(app.gateway, captured_data / "redis_jobs.json")
    app.linking.judge()
    return app


def test_the_rejected_write_is_found_and_nothing_else_is_called_so(loaded: App, captured_data: Path) -> None:
    truth = captured.truth(captured_data)
    violated = {sid for sid, told in truth.items() if "unique_violation" in (told["injected_fault"] or "")}
    found = loaded.linking.conflicts("rejected_link", limit=200).items
    assert {item.conflict.call_sid for item in found} == violated and len(violated) == 1
    for item in found:
        meant, holder = item.conflict.lead_ids
        told = truth[item.conflict.call_sid or ""]
        assert (meant, holder) == (told["true_lead_id"], told["backend_linked_lead_now"])
    assert loaded.linking.conflicts().counts.get("two_leads_claim", 0) == 0


def test_links_that_proof_contradicts_come_first_among_the_suspect_ones(loaded: App, captured_data: Path) -> None:
    truth = captured.truth(captured_data)
    calls = loaded.linking.worklist(WorklistFilter(view="suspect"), limit=200).items
    first = calls[0]
    assert first.suspect == "contradicted" and first.best_lead_id == truth[first.call_sid]["true_lead_id"]
    wrong = {sid for sid, told in truth.items() if told["backend_final_state"] == "linked_wrong"}
    assert {sid for sid in wrong if truth[sid]["linkable"]} <= {call.call_sid for call in calls}
