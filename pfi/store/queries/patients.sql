-- name: secret
SELECT secret FROM installation

-- name: lock_keys
-- One transaction at a time creates or links the records of a key ($1).
SELECT pg_advisory_xact_lock(hashtextextended('patient ' || encode(key, 'hex'), 0))
  FROM (SELECT DISTINCT key FROM unnest($1::bytea[]) AS key ORDER BY key) AS ordered

-- name: found
-- Records that answer to keys ($1), as they are now; shared until the end of the transaction.
SELECT patient_keys.key, patients.id, patients.version, patients.told, patients.anchor
  FROM patient_keys JOIN patients ON patients.id = patient_keys.patient
 WHERE patient_keys.key = ANY ($1::bytea[])
 ORDER BY patients.id FOR SHARE OF patients

-- name: taken
-- The same, for a transaction that will change them.
SELECT patient_keys.key, patients.id, patients.version, patients.told, patients.anchor
  FROM patient_keys JOIN patients ON patients.id = patient_keys.patient
 WHERE patient_keys.key = ANY ($1::bytea[])
 ORDER BY patients.id FOR UPDATE OF patients

-- name: create
INSERT INTO patients (id, state, updated_at, version, told, anchor) VALUES ($1, $2, $3, 0, false, $4)

-- name: attach
-- Gives keys ($1) to a record ($2); returns those that it did not have.
INSERT INTO patient_keys (key, patient) SELECT DISTINCT key, $2::uuid FROM unnest($1::bytea[]) AS key
ON CONFLICT DO NOTHING
RETURNING key

-- name: link
-- What a message ($1) depends on: records ($2) with the versions that its decisions took into account ($3).
INSERT INTO message_patients (message_id, patient, version)
SELECT $1, row.patient, row.version FROM unnest($2::uuid[], $3::bigint[]) AS row (patient, version)
ON CONFLICT (patient, message_id) DO UPDATE SET version = excluded.version

-- name: versions
-- Records that a message depends on, as they are now; shared until the end of the transaction.
SELECT patients.id, patients.version
  FROM message_patients JOIN patients ON patients.id = message_patients.patient
 WHERE message_patients.message_id = $1
 ORDER BY patients.id FOR SHARE OF patients

-- name: inherit_links
-- Messages of the anchors of an INS ($1: keys) now depend on a record ($2) too: not decided with it yet.
INSERT INTO message_patients (message_id, patient, version)
SELECT DISTINCT link.message_id, $2::uuid, -1
  FROM patient_keys JOIN patients ON patients.id = patient_keys.patient AND patients.anchor
  JOIN message_patients AS link ON link.patient = patients.id
 WHERE patient_keys.key = ANY ($1::bytea[]) AND patients.id <> $2
ON CONFLICT DO NOTHING

-- name: inherit_statements
-- What was said of an INS ($1: keys) without a local identifier is said of the record ($2) that has it from now on.
INSERT INTO patient_statements (patient, digest, told_at, message_id, content)
SELECT DISTINCT ON (said.digest) $2::uuid, said.digest, said.told_at, said.message_id, said.content
  FROM patient_keys JOIN patients ON patients.id = patient_keys.patient AND patients.anchor
  JOIN patient_statements AS said ON said.patient = patients.id
 WHERE patient_keys.key = ANY ($1::bytea[])
ON CONFLICT DO NOTHING
RETURNING digest

-- name: inherit_baseline
UPDATE patients SET baseline = (coalesce(patients.baseline::jsonb, '[]') || before.known)::json
  FROM (SELECT jsonb_agg(known.value) AS known
          FROM patient_keys JOIN patients AS anchors ON anchors.id = patient_keys.patient AND anchors.anchor
          CROSS JOIN LATERAL jsonb_array_elements(anchors.baseline::jsonb) AS known (value)
         WHERE patient_keys.key = ANY ($1::bytea[])) AS before
 WHERE patients.id = $2 AND before.known IS NOT NULL

-- name: renew
UPDATE patients SET version = nextval('patient_versions') WHERE id = ANY ($1::uuid[])

-- name: say
-- One statement about a record; no row when it was said before.
INSERT INTO patient_statements (patient, digest, told_at, message_id, content) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
RETURNING patient

-- name: statements
SELECT content FROM patient_statements WHERE patient = $1 ORDER BY told_at, digest

-- name: baselines
SELECT baseline FROM patients WHERE id = $1 AND baseline IS NOT NULL

-- name: absorb_statements
INSERT INTO patient_statements (patient, digest, told_at, message_id, content)
SELECT $2, digest, told_at, message_id, content FROM patient_statements WHERE patient = $1
ON CONFLICT DO NOTHING

-- name: absorb_keys
INSERT INTO patient_keys (key, patient) SELECT key, $2::uuid FROM patient_keys WHERE patient = $1
ON CONFLICT DO NOTHING

-- name: absorb_links
INSERT INTO message_patients (message_id, patient, version)
SELECT message_id, $2::uuid, -1 FROM message_patients WHERE patient = $1
ON CONFLICT (patient, message_id) DO UPDATE SET version = -1

-- name: absorb_baseline
UPDATE patients SET baseline = (coalesce(patients.baseline::jsonb, '[]') || other.baseline::jsonb)::json
  FROM patients AS other WHERE patients.id = $2 AND other.id = $1 AND other.baseline IS NOT NULL

-- name: forget
DELETE FROM patients WHERE id = $1

-- name: put
UPDATE patients SET state = $2, updated_at = $3, version = nextval('patient_versions'), told = true WHERE id = $1

-- name: stale
-- Messages of a record ($1) that something may change for, decided with an older version: those with open deliveries, and
-- those received since $2 with a refusal that an event may cure.
WITH link AS MATERIALIZED (
    SELECT link.message_id
      FROM message_patients AS link JOIN patients ON patients.id = link.patient
     WHERE link.patient = $1 AND link.version <> patients.version
)
SELECT link.message_id
  FROM link JOIN deliveries ON deliveries.message_id = link.message_id
 WHERE deliveries.state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
 UNION
SELECT link.message_id
  FROM link JOIN messages ON messages.id = link.message_id AND messages.received_at > $2
 WHERE EXISTS (SELECT FROM decisions
                WHERE decisions.message_id = link.message_id AND decisions.until <> ''
                  AND decisions.action IN ('deny', 'void')
                  AND decisions.run = (SELECT max(run) FROM decisions AS last
                                        WHERE last.message_id = link.message_id))
 ORDER BY message_id

-- name: unsettled
-- Records changed between $1 and $2 with such messages: belt and braces for lost jobs. Begins with what is open, each
-- part by its own index: what is finished is never looked at.
WITH open AS (
    SELECT message_id FROM deliveries WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown')
     UNION ALL
    SELECT message_id FROM deliveries WHERE state = 'held'
)
SELECT DISTINCT link.patient
  FROM open
  JOIN message_patients AS link ON link.message_id = open.message_id
  JOIN patients ON patients.id = link.patient AND patients.updated_at BETWEEN $1 AND $2
 WHERE link.version <> patients.version
 LIMIT 100
