-- name: secret
SELECT secret FROM installation

-- name: find
-- $1: keys, best first. Locked until the end of the transaction, in one order for everybody.
SELECT patients.id, patients.state, found.rank
  FROM (SELECT patient_keys.patient, min(wanted.rank) AS rank
          FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (key, rank) JOIN patient_keys USING (key)
         GROUP BY patient_keys.patient) AS found
  JOIN patients ON patients.id = found.patient
 ORDER BY patients.id FOR UPDATE OF patients

-- name: put
INSERT INTO patients (id, state, updated_at) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at

-- name: attach
INSERT INTO patient_keys (key, patient) SELECT DISTINCT key, $2::uuid FROM unnest($1::bytea[]) AS key
ON CONFLICT (key) DO UPDATE SET patient = excluded.patient WHERE patient_keys.patient <> excluded.patient
