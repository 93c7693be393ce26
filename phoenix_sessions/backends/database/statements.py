"""What is said to the database.

Rules:
    1. ``{now}`` is the time, ``{last}`` the name of the last commit (empty if there was none), ``{lock}`` keeps others
       from a row until the transaction ends, and ``{among}`` tells whether an id is one of ``ids``: each engine has its
       own words for them (``engines``).
    2. A session that is over its time is none: every statement on a session says so itself.
    3. Whoever changes a session holds its row, so the entries of its log need no guard of their own. The row says from
       where on they count (``trimmed``): a statement that has waited for the row does not see the entries that were
       added meanwhile, and so may leave some to the next one.
"""

from __future__ import annotations

from typing import Final

# -- sessions ----------------------------------------------------------------------------------------------------------

LOAD: Final = """
SELECT epoch, version, birth, state, {last}, fence FROM phoenix_sessions_session
WHERE id = %(id)s AND (expires IS NULL OR expires > {now})
"""

LOAD_IF_CHANGED: Final = """
SELECT epoch, version,
       CASE WHEN epoch = %(epoch)s AND version = %(version)s AND {last} = %(last)s THEN NULL ELSE birth END,
       CASE WHEN epoch = %(epoch)s AND version = %(version)s AND {last} = %(last)s THEN NULL ELSE state END,
       {last}, fence
FROM phoenix_sessions_session
WHERE id = %(id)s AND (expires IS NULL OR expires > {now})
"""

TAKE_OVER: Final = """
UPDATE phoenix_sessions_session SET fence = %(fence)s
WHERE id = %(id)s AND (expires IS NULL OR expires > {now}) AND (fence IS NULL OR fence < %(fence)s)
"""

CREATE: Final = """
INSERT INTO phoenix_sessions_session
    (id, epoch, version, birth, state, touched, expires, fence, commits, actions, logged,
     trimmed)
VALUES
    (%(id)s, %(epoch)s, %(version)s, %(birth)s, %(state)s, {now}, {now} + %(ttl)s, %(fence)s, %(none)s, %(none)s, 0, 0)
ON CONFLICT (id) DO NOTHING
"""

CREATE_AGAIN: Final = """
UPDATE phoenix_sessions_session
SET epoch = %(epoch)s, version = %(version)s, birth = %(birth)s, state = %(state)s, touched = {now},
    expires = {now} + %(ttl)s, fence = %(fence)s, commits = %(none)s, actions = %(none)s, logged = 0, trimmed = 0
WHERE id = %(id)s AND expires <= {now}
"""

LOCK: Final = """
SELECT epoch, version, {now} - touched, fence, commits, actions, logged, trimmed FROM phoenix_sessions_session
WHERE id = %(id)s AND (expires IS NULL OR expires > {now}) {lock}
"""

EXPLAIN: Final = """
SELECT epoch, version, birth, state, {last}, fence, commits FROM phoenix_sessions_session
WHERE id = %(id)s AND (expires IS NULL OR expires > {now})
"""

CHANGE: Final = """
UPDATE phoenix_sessions_session
SET epoch = %(to_epoch)s, version = %(to_version)s, state = coalesce(%(state)s, state), touched = {now},
    expires = {now} + %(ttl)s, commits = %(commits)s, actions = %(actions)s, logged = %(logged)s,
    trimmed = %(trimmed)s
WHERE id = %(id)s AND epoch = %(epoch)s AND version = %(version)s AND {last} = %(after)s
"""

# Everything of a commit in one statement, for PostgreSQL; 127 and 2047 leave 16 and 256 names of 8 bytes. It does
# nothing if anything is unusual, such as names that were seen before; "position" may find one between two others, and
# then the long way finds that it is not there.
COMMIT_AT_ONCE: Final = """
WITH changed AS (
    UPDATE phoenix_sessions_session
    SET epoch = %(to_epoch)s, version = %(to_version)s, state = coalesce(%(state)s, state), touched = {now},
        expires = {now} + %(ttl)s, fence = greatest(fence, %(fence)s), logged = logged + %(entries)s,
        trimmed = greatest(trimmed, logged + %(entries)s - %(keep)s::bigint),
        commits = substring(commits || %(remember)s from
            greatest(1, octet_length(commits) + octet_length(%(remember)s) - 127)),
        actions = substring(actions || %(actions)s from
            greatest(1, octet_length(actions) + octet_length(%(actions)s) - 2047))
    WHERE id = %(id)s AND epoch = %(epoch)s AND version = %(version)s AND {last} = %(after)s
        AND (expires IS NULL OR expires > {now})
        AND (fence IS NULL OR %(fence)s::bigint IS NULL OR fence <= %(fence)s)
        AND position(%(commit)s in commits) = 0
        AND NOT EXISTS (
            SELECT FROM generate_series(1, octet_length(%(actions)s), 8) AS place
            WHERE position(substring(%(actions)s from place for 8) in actions) > 0)
    RETURNING logged, trimmed
){log}
SELECT CASE WHEN %(payload)s <> '' THEN pg_notify('phoenix_sessions', %(payload)s) END FROM changed
"""

LOG_AT_ONCE: Final = """, trimmed AS (
    DELETE FROM phoenix_sessions_log USING changed WHERE session = %(id)s AND seq <= changed.trimmed
), added AS (
    INSERT INTO phoenix_sessions_log (session, seq, entry)
    SELECT %(id)s, changed.logged - %(entries)s + place, entry
    FROM changed, unnest(%(log)s::bytea[]) WITH ORDINALITY AS new(entry, place)
)"""

TOUCH: Final = """
UPDATE phoenix_sessions_session SET touched = {now}, expires = {now} + %(ttl)s
WHERE id = %(id)s AND (expires IS NULL OR expires > {now})
"""

ACTIONS: Final = """
SELECT actions FROM phoenix_sessions_session WHERE id = %(id)s AND (expires IS NULL OR expires > {now})
"""

DELETE: Final = "DELETE FROM phoenix_sessions_session WHERE id = %(id)s"

NOTIFY: Final = "SELECT pg_notify('phoenix_sessions', %(payload)s)"

SCAN: Final = """
SELECT id, birth FROM phoenix_sessions_session
WHERE id > %(cursor)s AND (expires IS NULL OR expires > {now}) ORDER BY id LIMIT %(count)s
"""

COUNT: Final = "SELECT count(*) FROM phoenix_sessions_session WHERE expires IS NULL OR expires > {now}"

LOOK: Final = """
SELECT id, epoch, version, {last}, logged FROM phoenix_sessions_session
WHERE {among} AND (expires IS NULL OR expires > {now})
"""

OVERDUE: Final = """
SELECT id FROM phoenix_sessions_session WHERE expires IS NOT NULL AND expires <= {now}
ORDER BY expires LIMIT %(limit)s {lock_free}
"""

REMOVE: Final = "DELETE FROM phoenix_sessions_session WHERE {among}"

# -- logs --------------------------------------------------------------------------------------------------------------

LOG: Final = """
SELECT entry FROM phoenix_sessions_log JOIN phoenix_sessions_session ON id = session AND seq > trimmed
WHERE session = %(id)s AND (expires IS NULL OR expires > {now}) ORDER BY seq
"""

ADD_TO_LOG: Final = "INSERT INTO phoenix_sessions_log (session, seq, entry) VALUES (%(id)s, %(seq)s, %(entry)s)"

TRIM_LOG: Final = "DELETE FROM phoenix_sessions_log WHERE session = %(id)s AND seq <= %(trimmed)s"

REMOVE_LOGS: Final = "DELETE FROM phoenix_sessions_log WHERE {among_sessions}"

# -- leases ------------------------------------------------------------------------------------------------------------

# A new holder's fencing number is greater than the last one, and than those of leases that were swept away.
CLAIM: Final = """
INSERT INTO phoenix_sessions_lease AS lease (name, owner, fence, until)
VALUES (%(name)s, %(owner)s, CAST({now} * 1000 AS bigint), {now} + %(seconds)s)
ON CONFLICT (name) DO UPDATE SET
    owner = excluded.owner,
    until = excluded.until,
    fence = CASE
        WHEN lease.until > {now} THEN lease.fence
        WHEN lease.fence >= excluded.fence THEN lease.fence + 1
        ELSE excluded.fence
    END
WHERE lease.until <= {now} OR lease.owner = excluded.owner
"""

HOLDER: Final = "SELECT owner, fence, until - {now} FROM phoenix_sessions_lease WHERE name = %(name)s"

RENEW: Final = """
UPDATE phoenix_sessions_lease SET until = {now} + %(seconds)s
WHERE name = %(name)s AND owner = %(owner)s AND fence = %(fence)s AND until > {now}
"""

RELEASE: Final = """
UPDATE phoenix_sessions_lease SET until = {now}
WHERE name = %(name)s AND owner = %(owner)s AND fence = %(fence)s AND until > {now}
"""

REMOVE_LEASES: Final = "DELETE FROM phoenix_sessions_lease WHERE until < {now} - 86400"
