-- Requests that a client may repeat, by a hash of the client and the key it gave. The owner is that of the entry, where
-- there is one that is open.

CREATE TABLE repeats (
    id          BYTEA  NOT NULL PRIMARY KEY,
    fingerprint BYTEA  NOT NULL,
    owner       BIGINT NOT NULL,
    expires     BIGINT NOT NULL,
    entry       BIGINT, -- of the journal, once there is one
    status      BIGINT, -- of the answer, once there is one
    answer      BYTEA   -- headers and body, sealed
);

CREATE INDEX repeats_expires ON repeats (expires);
CREATE INDEX repeats_entry ON repeats (entry) WHERE entry IS NOT NULL;
