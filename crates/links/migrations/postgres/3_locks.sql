-- Who writes a user. A free lock has no owner. The fence grows with every grant and is no less than the time of it, so
-- that it grows even if a lock that was free for long is deleted and made again. The heir, who waits at another process,
-- comes next, if it comes in time.

CREATE TABLE locks (
    upstream   TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL,
    owner      BIGINT,
    fence      BIGINT NOT NULL,
    heir       BIGINT,
    heir_until BIGINT,
    PRIMARY KEY (upstream, user_id)
);
