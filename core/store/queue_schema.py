"""The schema of BullMQ's tables in a database: made here where it is missing, so that it is known whose it is.

``migrate --uninstall`` removes it only where its comment says that we made it: a backend may keep queues of its own
there.
"""

import psycopg

from core.store.connections import readable
from core.store.failures import connect_failure, statement_failure

OURS = "Patchbay: made for its queue"
_MAKE = f"""
do $$ begin
  if to_regnamespace('{{schema}}') is null then
    create schema {{schema}};
    comment on schema {{schema}} is '{OURS}';
  end if;
end $$"""


def make_queue_schema(database_url: str, schema: str) -> None:
    """Make the schema if there is none.

    :param schema: a plain identifier.
    :raises core.errors.Unavailable: when the database does not answer or does not let us.
    """
    conninfo = readable(database_url)[0]
    try:
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=3) as connection:
            connection.execute(_MAKE.format(schema=schema).encode())
    except (psycopg.errors.DuplicateSchema, psycopg.errors.UniqueViolation):
        return  # another process was faster, or as fast: then the catalog's own index says so
    except psycopg.OperationalError as failure:
        raise connect_failure(conninfo, failure) from failure
    except psycopg.Error as failure:
        raise statement_failure(conninfo, failure) from failure
