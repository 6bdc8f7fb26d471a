-- The mail room: what comes back by mail, and what is handed on because of it.
--
-- A mail is a message like any other: its bytes, findings and documents are where those of HL7 messages are.

ALTER TABLE messages DROP CONSTRAINT messages_kind_check;
ALTER TABLE messages ADD CONSTRAINT messages_kind_check CHECK (kind IN (
    'request', 'patient_event', 'ignored', 'refused', 'unreadable', 'mail', 'mail_report', 'mail_other'));
COMMENT ON COLUMN messages.kind IS 'mail: documents to file; mail_report: notification of what we sent; mail_other: for a person';

-- One process reads a mailbox at a time.
CREATE TABLE mailboxes (
    address text PRIMARY KEY,
    owner   uuid
) WITH (fillfactor = 50);

CREATE TABLE mails (
    message_id  bigint PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    mailbox     text NOT NULL,
    destination text NOT NULL,
    mail_id     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'integrated', 'refused', 'kept')),
    code        text NOT NULL DEFAULT '',
    text        text NOT NULL DEFAULT '',
    answer      text NOT NULL CHECK (answer IN ('none', 'mdn', 'error_mail', 'person')),
    answer_to   text NOT NULL DEFAULT '',
    settled_at  timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN mails.mailbox IS 'application mailbox that received it';
COMMENT ON COLUMN mails.destination IS 'configured destination whose account it is';
COMMENT ON COLUMN mails.mail_id IS 'Message-ID, without brackets';
COMMENT ON COLUMN mails.state IS 'kept: nothing to file, a person looks at it';
COMMENT ON COLUMN mails.answer IS 'what its sender is answered once it is settled; person = an answer that nobody may send by itself (RFC 8098 section 2.1)';
CREATE INDEX mails_by_mail_id ON mails (mailbox, mail_id);
CREATE INDEX mails_open ON mails (message_id) WHERE state = 'open';

-- Documents that mails brought: others' documents, which are no version of what the hospital sends.
CREATE TABLE mail_documents (
    message_id bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    position   smallint NOT NULL,
    unique_id  text NOT NULL,
    version    integer,
    type_code  text NOT NULL,
    level      text NOT NULL,
    request    text NOT NULL,
    sha1       text NOT NULL,
    size       integer NOT NULL,
    PRIMARY KEY (message_id, position)
);

-- Exact bytes, stored before they are first sent: an MDM keeps its MSH-10 and a mail its Message-ID, so that sending
-- again after a doubt cannot double anything.
CREATE TABLE handovers (
    id          uuid PRIMARY KEY,
    message_id  bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('mdm', 'mail')),
    position    smallint NOT NULL,
    line        text NOT NULL,
    mailbox     text NOT NULL,
    recipient   text NOT NULL,
    control_id  text NOT NULL,
    content     bytea NOT NULL,
    created_at  timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN ('held', 'queued', 'in_flight', 'delivered', 'refused', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    next_try    timestamptz,
    owner       uuid,
    fence       integer NOT NULL DEFAULT 0,
    claimed_at  timestamptz,
    finished_at timestamptz,
    code        text NOT NULL DEFAULT '',
    text        text NOT NULL DEFAULT '',
    UNIQUE (message_id, kind, position)
) WITH (fillfactor = 70);
ALTER TABLE handovers ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON COLUMN handovers.position IS 'of the document in the mail; of the answer among the answers';
COMMENT ON COLUMN handovers.line IS 'configured consumer of an MDM, destination whose account sends a mail';
CREATE INDEX handovers_in_flight ON handovers (owner) WHERE state = 'in_flight';
CREATE INDEX handovers_due ON handovers (next_try) WHERE state = 'queued';
CREATE INDEX handovers_held ON handovers (message_id) WHERE state = 'held';

-- Reading and processing notifications (MDN) of what we sent, once for each mailbox and result.
CREATE TABLE readings (
    delivery_id uuid NOT NULL REFERENCES deliveries ON DELETE CASCADE,
    address     text NOT NULL,
    success     boolean NOT NULL,
    disposition text NOT NULL,
    code        text NOT NULL,
    text        text NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (delivery_id, address, success, code)
);
COMMENT ON TABLE readings IS 'address in lower case';
CREATE INDEX deliveries_by_envelope ON deliveries ((ids ->> 'envelope')) WHERE channel <> 'DMP';
CREATE INDEX deliveries_by_mail_id ON deliveries ((ids ->> 'message_id')) WHERE channel <> 'DMP';
