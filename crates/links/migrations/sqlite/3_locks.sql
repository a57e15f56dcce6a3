-- Who writes a user. A free lock has no owner. The fence grows with every grant and is no less than the time of it, so
-- that it grows even if a lock that was free for long is deleted and made again. The heir, who waits at another process,
-- comes next, if it comes in time.

CREATE TABLE locks (
    upstream   TEXT    NOT NULL,
    user_id    TEXT    NOT NULL,
    owner      INTEGER,
    fence      INTEGER NOT NULL,
    heir       INTEGER,
    heir_until INTEGER,
    PRIMARY KEY (upstream, user_id)
) WITHOUT ROWID;
