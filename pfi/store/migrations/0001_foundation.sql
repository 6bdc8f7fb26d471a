-- Foundation of the store. State lives here; PgQueuer's tables only say who works on what and when.
--
-- Columns of type json (not jsonb) hold values written once and read whole. Hot tables have a fillfactor, and partial
-- indexes on the states that are still open. There is no counter of open deliveries on a message: it is derived.

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    secret   bytea NOT NULL
);
COMMENT ON TABLE installation IS 'secret: key of the HMAC under which patients are found; identifiers are never keys';
INSERT INTO installation (secret)
SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

-- One row per engine process; a process that has not been seen for a lease has lost what it had claimed.
CREATE TABLE workers (
    id         uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE messages (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at  timestamptz NOT NULL,
    received_on  date NOT NULL,
    listener     text NOT NULL,
    peer         text NOT NULL,
    certificate  text NOT NULL,
    sender       text NOT NULL,
    sender_key   text NOT NULL,
    control_id   text NOT NULL,
    message_type text NOT NULL,
    digest       bytea NOT NULL,
    size         integer NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('request', 'patient_event', 'ignored', 'refused', 'unreadable')),
    ack_code     text NOT NULL CHECK (ack_code IN ('', 'AA', 'AE')),
    ack          bytea
);
COMMENT ON COLUMN messages.received_on IS 'partition of the body';
COMMENT ON COLUMN messages.sender IS 'configured name of the sender, default when there is none';
-- The deduplication key. What was refused (AE) may come again: its correction may be on our side.
CREATE UNIQUE INDEX messages_accepted_once ON messages (sender_key, control_id, digest) WHERE ack_code = 'AA';
CREATE INDEX messages_by_time ON messages (received_at);

CREATE TABLE bodies (
    received_on date NOT NULL,
    message_id  bigint NOT NULL,
    content     bytea NOT NULL,
    PRIMARY KEY (received_on, message_id)
) PARTITION BY RANGE (received_on);
-- The default compression costs 3.4 times the write.
ALTER TABLE bodies ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE TABLE bodies_other PARTITION OF bodies DEFAULT;
COMMENT ON TABLE bodies IS 'raw messages, stored once; retention drops partitions';

CREATE TABLE documents (
    message_id bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    position   smallint NOT NULL,
    unique_id  text NOT NULL,
    set_id     text NOT NULL,
    version    integer,
    type_code  text NOT NULL,
    level      text NOT NULL,
    request    text NOT NULL,
    lineage    text NOT NULL,
    sha1       text NOT NULL,
    size       integer NOT NULL,
    obx_set_id integer NOT NULL,
    PRIMARY KEY (message_id, position)
);
COMMENT ON COLUMN documents.obx_set_id IS 'OBX-1 of the document in the body: its bytes are not stored twice';
CREATE INDEX documents_by_unique_id ON documents (unique_id);

CREATE TABLE findings (
    message_id bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    run        smallint NOT NULL,
    position   smallint NOT NULL,
    code       text NOT NULL,
    severity   text NOT NULL,
    location   text NOT NULL,
    text       text NOT NULL,
    rule       text NOT NULL,
    PRIMARY KEY (message_id, run, position)
);
COMMENT ON COLUMN findings.run IS '1 = at intake, then one more per replay';

CREATE TABLE decisions (
    message_id   bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    run          smallint NOT NULL,
    position     smallint NOT NULL,
    document     text NOT NULL,
    channel      text NOT NULL,
    action       text NOT NULL CHECK (action IN ('send', 'hold', 'deny', 'void')),
    code         text NOT NULL,
    because      json NOT NULL,
    recipients   json NOT NULL,
    due          boolean NOT NULL,
    gap          boolean NOT NULL,
    legal_gap    boolean NOT NULL,
    rules_digest text NOT NULL,
    PRIMARY KEY (message_id, run, position)
);

CREATE TABLE deliveries (
    id           uuid PRIMARY KEY,
    seq          bigint GENERATED ALWAYS AS IDENTITY,
    message_id   bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    channel      text NOT NULL CHECK (channel IN ('DMP', 'PRO', 'CIT')),
    destination  text NOT NULL,
    lineage      text NOT NULL,
    request      text NOT NULL,
    qualified    boolean NOT NULL,
    ids          json NOT NULL,
    addressees   json NOT NULL,
    recipients   json NOT NULL,
    created_at   timestamptz NOT NULL,
    state        text NOT NULL CHECK (state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held',
                                                'delivered', 'refused', 'failed', 'cancelled')),
    attempts     integer NOT NULL DEFAULT 0,
    budget_from  integer NOT NULL DEFAULT 0,
    next_try     timestamptz,
    hold_until   timestamptz,
    owner        uuid,
    fence        integer NOT NULL DEFAULT 0,
    claimed_at   timestamptz,
    claimed_as   text,
    finished_at  timestamptz,
    code         text NOT NULL DEFAULT '',
    text         text NOT NULL DEFAULT '',
    partial_code text NOT NULL DEFAULT '',
    uncertain    boolean NOT NULL DEFAULT false
) WITH (fillfactor = 70);
COMMENT ON COLUMN deliveries.lineage IS 'documents of one lineage (initial, replacement, deletion) keep their order per channel';
COMMENT ON COLUMN deliveries.addressees IS 'everybody the decision names: the To of the mail, the same over retries';
COMMENT ON COLUMN deliveries.recipients IS 'those still to be served';
COMMENT ON COLUMN deliveries.fence IS 'grows with every claim: a result is written only by the claim that it belongs to';
COMMENT ON COLUMN deliveries.claimed_as IS 'state before the claim: queued = send, unknown = resolve';
COMMENT ON COLUMN deliveries.budget_from IS 'attempts made before the last replay, which gives a new budget';
COMMENT ON COLUMN deliveries.partial_code IS 'code of the first recipient refused, while others remain';
COMMENT ON COLUMN deliveries.uncertain IS 'an attempt may have left without our knowing: never send again blindly';
CREATE INDEX deliveries_by_message ON deliveries (message_id);
CREATE INDEX deliveries_by_lineage ON deliveries (lineage, channel);
CREATE INDEX deliveries_open ON deliveries (owner) WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown');
CREATE INDEX deliveries_due ON deliveries (next_try) WHERE state IN ('queued', 'unknown');
CREATE INDEX deliveries_held ON deliveries (hold_until) WHERE state = 'held';

CREATE TABLE attempts (
    delivery_id uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    number      integer NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('send', 'resolve')),
    worker      uuid NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    outcome     text NOT NULL,
    code        text NOT NULL,
    text        text NOT NULL,
    warnings    json NOT NULL,
    evidence    json NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

CREATE TABLE recipient_results (
    delivery_id  uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    address      text NOT NULL,
    party_id     text NOT NULL,
    outcome      text NOT NULL,
    code         text NOT NULL,
    text         text NOT NULL,
    at           timestamptz NOT NULL,
    envelope     text NOT NULL,
    dsn          text NOT NULL CHECK (dsn IN ('none', 'expected', 'received', 'timeout')),
    dsn_deadline timestamptz,
    PRIMARY KEY (delivery_id, address)
) WITH (fillfactor = 70);
COMMENT ON TABLE recipient_results IS 'what became of each mailbox; address in lower case';
CREATE INDEX recipient_results_by_envelope ON recipient_results (envelope) WHERE dsn <> 'none';
CREATE INDEX recipient_results_awaited ON recipient_results (dsn_deadline) WHERE dsn = 'expected';

-- Outbox of business acknowledgments (ZAM): the exact bytes are stored before they are first sent.
CREATE TABLE business_acks (
    id          uuid PRIMARY KEY,
    message_id  bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    delivery_id uuid REFERENCES deliveries ON DELETE CASCADE,
    sender      text NOT NULL,
    event       text NOT NULL CHECK (event IN ('Z01', 'Z02', 'Z03')),
    success     boolean NOT NULL,
    mailbox     text NOT NULL,
    error_code  text NOT NULL,
    error_text  text NOT NULL,
    control_id  text NOT NULL,
    content     bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('queued', 'in_flight', 'delivered', 'refused', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    next_try    timestamptz,
    owner       uuid,
    fence       integer NOT NULL DEFAULT 0,
    claimed_at  timestamptz,
    finished_at timestamptz,
    code        text NOT NULL DEFAULT '',
    text        text NOT NULL DEFAULT ''
) WITH (fillfactor = 70);
CREATE INDEX business_acks_by_message ON business_acks (message_id);
CREATE INDEX business_acks_in_flight ON business_acks (owner) WHERE state = 'in_flight';
CREATE INDEX business_acks_due ON business_acks (next_try) WHERE state = 'queued';

CREATE TABLE events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id  bigint REFERENCES messages ON DELETE CASCADE,
    delivery_id uuid,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    detail      json NOT NULL
);
COMMENT ON TABLE events IS 'what the other tables do not tell: duplicates, fenced results, breaker, recoveries, releases';
CREATE INDEX events_by_message ON events (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX events_by_time ON events (at);

CREATE TABLE patients (
    id         uuid PRIMARY KEY,
    state      json NOT NULL,
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE patient_keys (
    key     bytea PRIMARY KEY,
    patient uuid NOT NULL REFERENCES patients ON DELETE CASCADE
);
COMMENT ON COLUMN patient_keys.key IS 'HMAC-SHA256 of an identifier: no identifier is readable here';
CREATE INDEX patient_keys_by_patient ON patient_keys (patient);
