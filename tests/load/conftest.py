"""Longer runs of the database tests: the same clusters."""

from tests.database.conftest import cluster_folder, cluster_user, db, pg15, pg18

__all__ = ["cluster_folder", "cluster_user", "db", "pg15", "pg18"]
