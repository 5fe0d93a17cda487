"""What a database is called by those who keep something for it elsewhere: the same after its password changed."""

from psycopg.conninfo import conninfo_to_dict

from core.store.connections import readable


def database_name(url: str) -> str:
    """Host, port and database of a libpq URL, or a Supabase project's address as it is; no user, no password."""
    if url.startswith(("http://", "https://")):
        return url.rstrip("/").lower()
    parts = conninfo_to_dict(readable(url)[0])
    host = str(parts.get("host") or parts.get("hostaddr") or "").lower()
    return f"{host}:{parts.get('port') or 5432}/{parts.get('dbname') or parts.get('user') or ''}"
