"""The queue's schema is made once, however many processes start at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import psycopg

from core.store.queue_schema import OURS, make_queue_schema


def test_processes_that_start_together_make_one_schema_each_time(db: str) -> None:
    with psycopg.connect(db, autocommit=True) as connection, ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            schema = f"queue_{turn}"
            list(pool.map(make_queue_schema, [db] * 8, [schema] * 8))
            told = connection.execute(
                "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s", [schema]
            )
            assert told.fetchall() == [(OURS,)]
