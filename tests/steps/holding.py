"""Keeping a row on its way into PostgreSQL: what another server does meanwhile shows whether the two are apart."""

import asyncio
import contextlib
import uuid

from tests.support.waiting import wait_until


@contextlib.contextmanager
def holding_up(words, connection):
    """Keep each row that has these words in it on its way, as long as somebody holds the lock that this yields.

    The tables are those that have such a row already, whatever their names.
    """
    lock = uuid.uuid4().int % 2**31
    names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    has_words = f"t::text LIKE '%{words}%'"
    tables = [t for (t,) in names if connection.execute(f'SELECT 1 FROM "{t}" t WHERE {has_words}').fetchone()]
    wait = f"IF NEW::text LIKE '%{words}%' THEN PERFORM pg_advisory_xact_lock_shared({lock}); END IF; RETURN NEW;"
    connection.execute(f"CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {wait} END $$")
    try:
        for table in tables:
            # After its insert: then it has its id.
            on_insert = f'AFTER INSERT ON "{table}" FOR EACH ROW'
            connection.execute(f"CREATE TRIGGER hold_up {on_insert} EXECUTE FUNCTION hold_up()")
        yield lock
    finally:
        connection.execute("DROP FUNCTION hold_up CASCADE")


async def meanwhile(say, ask, what, lock, connection):
    """Await `say()`, which stores a row that is held up, and then `ask()` until it is done or waits for that row.

    Returns whether `ask()` was done, and its task, when the row may go on; `what` says what being done is.
    """
    connection.execute("SELECT pg_advisory_lock(%s)", [lock])
    try:
        await say()
        us = connection.info.backend_pid
        [held_up] = await wait_until(lambda: waiting_for(us, connection), "ann's message to be on its way")
        task = asyncio.create_task(ask())
        await wait_until(lambda: task.done() or waiting_for(held_up, connection), f"{what}, or to wait for ann's")
        return task.done(), task
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [lock])


def waiting_for(process, connection):
    """Return the processes of PostgreSQL that wait for a lock of this one."""
    query = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    return [pid for (pid,) in connection.execute(query, [process])]
