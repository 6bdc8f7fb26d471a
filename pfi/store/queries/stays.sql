-- name: forget
-- Stays of a record ($1) that it no longer has: $2 the keys of those it has.
DELETE FROM stays WHERE patient = $1 AND visit_key <> ALL ($2::bytea[])

-- name: put
-- Stays of a record ($1), one per key, in the order of the keys for everybody. What did not change is not written.
INSERT INTO stays AS stay (id, visit_key, patient, patient_class, ej, eg, unit, admitted_at, discharged_at, exit_mode,
                           cancelled, updated_at)
SELECT row.id, row.visit_key, $1, row.patient_class, row.ej, row.eg, row.unit, row.admitted_at, row.discharged_at,
       row.exit_mode, row.cancelled, $2
  FROM unnest($3::uuid[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
              $10::timestamptz[], $11::text[], $12::boolean[])
    AS row (id, visit_key, patient_class, ej, eg, unit, admitted_at, discharged_at, exit_mode, cancelled)
 ORDER BY row.visit_key
ON CONFLICT (visit_key) DO UPDATE
   SET patient = excluded.patient, patient_class = excluded.patient_class, ej = excluded.ej, eg = excluded.eg,
       unit = excluded.unit, admitted_at = excluded.admitted_at, discharged_at = excluded.discharged_at,
       exit_mode = excluded.exit_mode, cancelled = excluded.cancelled, updated_at = excluded.updated_at,
       cancelled_discharge = CASE WHEN excluded.discharged_at IS NULL
                                  THEN coalesce(stay.discharged_at, stay.cancelled_discharge) END
 WHERE (stay.patient, stay.patient_class, stay.ej, stay.eg, stay.unit, stay.admitted_at, stay.discharged_at,
        stay.exit_mode, stay.cancelled)
       IS DISTINCT FROM
       (excluded.patient, excluded.patient_class, excluded.ej, excluded.eg, excluded.unit, excluded.admitted_at,
        excluded.discharged_at, excluded.exit_mode, excluded.cancelled)
