"""A bulk link over a project that is reached by URL and key alone."""

import psycopg

from core.app import build
from core.linking import WorklistFilter
from core.settings import Settings
from core.store.migrate import migrate
from tests.contract.rest import SECRET_KEY, prepare, serving
from tests.database import bulk_town
from tests.database.conftest import Cluster


def test_planned_and_carried_out_by_key(hosted: Cluster) -> None:
    with hosted.database(hosted.new_database()) as url:
        prepare(url)
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            bulk_town.fill(connection, leads=120, calls=700, shared=2)
        with serving(url) as rest:
            app = build(Settings.load(env={"SUPABASE_URL": rest.url, "SUPABASE_SERVICE_ROLE_KEY": SECRET_KEY}))
            app.linking.judge()
            plan = app.linking.plan(WorklistFilter())
            assert plan.considered == 700 and len(plan.pairs) > 650
            again = app.linking.plan([pair.call_sid for pair in plan.pairs])
            assert again.pairs == plan.pairs

            outcome = app.linking.apply(plan)

            assert [pair.to_json() for pair in outcome.linked] == [pair.to_json() for pair in plan.pairs]
            assert outcome.moved_on == () and app.linking.open_batches() == []
            with psycopg.connect(url, autocommit=True) as connection:
                assert connection.execute("select * from link_drift").fetchall() == []
            app.close()
