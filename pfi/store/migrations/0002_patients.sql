-- What is known of patients, statement by statement, and which messages depend on it.
--
-- A record stands for one local identity (an IPP of one legal entity), or is the anchor of an INS: what is said of that
-- INS without any local identifier. Only ADT messages link identifiers; a document never does, so that a wrong document
-- cannot mix two patients.

CREATE SEQUENCE patient_versions;

ALTER TABLE patients ADD COLUMN version bigint NOT NULL DEFAULT 0;
ALTER TABLE patients ADD COLUMN told boolean NOT NULL DEFAULT true;
ALTER TABLE patients ADD COLUMN anchor boolean NOT NULL DEFAULT false;
ALTER TABLE patients ADD COLUMN baseline json;
UPDATE patients SET baseline = json_build_array(state);
-- What was told of an INS without a local identifier is the anchor's.
UPDATE patients SET anchor = true
 WHERE NOT EXISTS (SELECT FROM json_array_elements(state #> '{identity,identifiers}') AS identifier
                    WHERE identifier ->> 'type_code' = 'PI');
COMMENT ON COLUMN patients.version IS 'grows with every change: a decision made with an older one is made again';
COMMENT ON COLUMN patients.told IS 'false: only documents have named this patient so far';
COMMENT ON COLUMN patients.anchor IS 'true: the record of an INS, without a local identifier';
COMMENT ON COLUMN patients.state IS 'the fold of baseline and statements';
COMMENT ON COLUMN patients.baseline IS 'what was known before statements were kept one by one: of the record, then of those it absorbed';

-- The same INS may belong to several records: one for each legal entity.
ALTER TABLE patient_keys DROP CONSTRAINT patient_keys_pkey;
ALTER TABLE patient_keys ADD PRIMARY KEY (key, patient);

CREATE TABLE patient_statements (
    patient    uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    digest     bytea NOT NULL,
    told_at    timestamptz NOT NULL,
    message_id bigint REFERENCES messages ON DELETE SET NULL,
    content    json NOT NULL,
    PRIMARY KEY (patient, digest)
);
COMMENT ON TABLE patient_statements IS 'one row for each thing told by ADT or by the local register; the same thing told twice is one row';
COMMENT ON COLUMN patient_statements.message_id IS 'null: the local register, or a purged message';
CREATE INDEX patient_statements_by_message ON patient_statements (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE message_patients (
    message_id bigint NOT NULL REFERENCES messages ON DELETE CASCADE,
    patient    uuid NOT NULL REFERENCES patients ON DELETE CASCADE,
    version    bigint NOT NULL,
    PRIMARY KEY (patient, message_id)
);
COMMENT ON TABLE message_patients IS 'documents and what is known of their patient';
COMMENT ON COLUMN message_patients.version IS 'version of the record that the last decisions took into account';
CREATE INDEX message_patients_by_message ON message_patients (message_id);

ALTER TABLE decisions ADD COLUMN until text NOT NULL DEFAULT '';
COMMENT ON COLUMN decisions.until IS 'event after which the engine decides again, empty = none';

ALTER TABLE deliveries ADD COLUMN until text NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN released boolean NOT NULL DEFAULT false;
ALTER TABLE deliveries ADD COLUMN priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('high', 'normal', 'low'));
ALTER TABLE deliveries ADD COLUMN mailbox text NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN not_before timestamptz;
ALTER TABLE deliveries ADD COLUMN recheck boolean NOT NULL DEFAULT false;
ALTER TABLE deliveries ADD COLUMN revise boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN deliveries.not_before IS 'schedule of a site rule';
COMMENT ON COLUMN deliveries.recheck IS 'decided otherwise while it was in flight: to be decided again before any other try';
COMMENT ON COLUMN deliveries.revise IS 'in flight to others, or under another identity, than decided now: to be decided again should it come back';
COMMENT ON COLUMN deliveries.until IS 'what a held delivery waits for';
COMMENT ON COLUMN deliveries.released IS 'an operator let it go: what only waits for a person does not hold it again';
CREATE INDEX patients_by_change ON patients (updated_at);
