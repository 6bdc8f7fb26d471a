-- Stays as the ADT feed tells them, and alerts: one open alert for one subject.

CREATE TABLE stays (
    id            uuid PRIMARY KEY,
    visit_key     bytea NOT NULL UNIQUE,
    patient       uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    patient_class text NOT NULL,
    ej            text NOT NULL,
    eg            text NOT NULL,
    unit          text NOT NULL,
    admitted_at   timestamptz,
    discharged_at timestamptz,
    exit_mode     text NOT NULL,
    cancelled     boolean NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN stays.visit_key IS 'HMAC-SHA256 of the visit number, else of the account number';
CREATE INDEX stays_by_discharge ON stays (discharged_at) WHERE discharged_at IS NOT NULL AND NOT cancelled;
CREATE INDEX stays_by_patient ON stays (patient);

CREATE TABLE alerts (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    subject   text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    detail    json NOT NULL,
    text      text NOT NULL
);
COMMENT ON COLUMN alerts.subject IS 'what the alert is about: one open alert for one kind and subject';
CREATE UNIQUE INDEX alerts_open ON alerts (kind, subject) WHERE closed_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (opened_at);
