-- Requests that a client may repeat, by a hash of the client and the key it gave. The owner is that of the entry, where
-- there is one that is open.

CREATE TABLE repeats (
    id          BLOB    NOT NULL PRIMARY KEY,
    fingerprint BLOB    NOT NULL,
    owner       INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    entry       INTEGER, -- of the journal, once there is one
    status      INTEGER, -- of the answer, once there is one
    answer      BLOB     -- headers and body, sealed
) WITHOUT ROWID;

CREATE INDEX repeats_expires ON repeats (expires);
CREATE INDEX repeats_entry ON repeats (entry) WHERE entry IS NOT NULL;
