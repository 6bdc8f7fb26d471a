-- Stays as the ADT feed tells them, discharge letters and their deadline, and alerts: one open alert for one subject.

CREATE TABLE stays (
    id                  uuid PRIMARY KEY,
    visit_key           bytea NOT NULL UNIQUE,
    patient             uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    patient_class       text NOT NULL,
    ej                  text NOT NULL,
    eg                  text NOT NULL,
    unit                text NOT NULL,
    admitted_at         timestamptz,
    discharged_at       timestamptz,
    exit_mode           text NOT NULL,
    cancelled           boolean NOT NULL,
    cancelled_discharge timestamptz,
    updated_at          timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN stays.id IS 'made of visit_key: a stay that moves to another record keeps it';
COMMENT ON COLUMN stays.visit_key IS 'HMAC-SHA256 of the visit number, else of the account number';
COMMENT ON COLUMN stays.cancelled_discharge IS 'the discharge that was told, then cancelled, while no other is told';
CREATE INDEX stays_by_discharge ON stays (discharged_at) WHERE discharged_at IS NOT NULL AND NOT cancelled;
CREATE INDEX stays_by_patient ON stays (patient);

-- One row for each message that carries a document due on the day of discharge.
CREATE TABLE discharge_letters (
    message_id          bigint PRIMARY KEY REFERENCES messages ON DELETE CASCADE,
    received_at         timestamptz NOT NULL,
    lineage             text NOT NULL,
    stay                uuid,
    subject             text NOT NULL,
    discharged_on       date,
    referring_known     boolean NOT NULL,
    referring_ids       text[] NOT NULL,
    referring_addresses text[] NOT NULL,
    settled             text NOT NULL DEFAULT '' CHECK (settled IN ('', 'delivered', 'deleted', 'expired'))
) WITH (fillfactor = 90);
COMMENT ON COLUMN discharge_letters.stay IS 'stays.id, whether or not the ADT feed has told of that stay';
COMMENT ON COLUMN discharge_letters.discharged_on IS 'local day of PV1-45 of the message; null: that of the stay counts';
COMMENT ON COLUMN discharge_letters.referring_known IS 'the médecin traitant is known by a national identifier';
COMMENT ON COLUMN discharge_letters.settled IS 'empty: its deadline is watched';
CREATE INDEX discharge_letters_watched ON discharge_letters (message_id) WHERE settled = '';
CREATE INDEX discharge_letters_by_subject ON discharge_letters (subject);
CREATE INDEX discharge_letters_by_lineage ON discharge_letters (lineage);
CREATE INDEX discharge_letters_by_stay ON discharge_letters (stay) WHERE settled <> 'deleted';

CREATE TABLE alerts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    subject   text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    ending    text NOT NULL DEFAULT '',
    detail    json NOT NULL,
    text      text NOT NULL
);
COMMENT ON COLUMN alerts.subject IS 'what the alert is about: one open alert for one kind and subject';
COMMENT ON COLUMN alerts.ending IS 'code: why it was closed';
CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (opened_at);
