-- name: record
-- A letter of a subject whose letter has left already has nothing to wait for.
INSERT INTO discharge_letters (message_id, received_at, lineage, stay, subject, discharged_on, referring_known,
                               referring_ids, referring_addresses, settled)
SELECT $1, $2, $3, $4, $5::text, $6, $7, $8, $9,
       CASE WHEN EXISTS (SELECT FROM discharge_letters WHERE subject = $5::text AND settled = 'delivered')
            THEN 'delivered' ELSE '' END
ON CONFLICT (message_id) DO UPDATE
   SET discharged_on = excluded.discharged_on, referring_known = excluded.referring_known,
       referring_ids = excluded.referring_ids, referring_addresses = excluded.referring_addresses

-- name: delete
UPDATE discharge_letters SET settled = 'deleted' WHERE lineage = $1 AND settled <> 'deleted'

-- name: settle
UPDATE discharge_letters SET settled = $2 WHERE subject = ANY ($1::text[]) AND settled = ''

-- name: check
-- What changes for the alerts of one kind ($1) at a moment ($2), whose local day is $3 in zone $4.
-- $5 grace of a letter received after the day; $6 whether stays without letter count; $7 oldest day of discharge that
-- opens an alert, null = any; $8 the same for stays without letter; $9 letters received before are no longer watched.
WITH open AS MATERIALIZED (
    SELECT id, subject FROM alerts WHERE kind = $1 AND closed_at IS NULL
), watched AS (
    SELECT letter.subject, letter.message_id, letter.received_at,
           coalesce(letter.discharged_on, (stay.discharged_at AT TIME ZONE $4)::date) AS day,
           coalesce(stay.cancelled
                    OR (stay.discharged_at IS NULL
                        AND coalesce(letter.discharged_on, '-infinity')
                            <= (stay.cancelled_discharge AT TIME ZONE $4)::date), false) AS cancelled,
           coalesce(mail.sent, false) AS sent, coalesce(mail.final, false) AS final
      FROM discharge_letters AS letter
      -- OFFSET 0 and LIMIT: by index, one by one, however many stays and letters there are.
      LEFT JOIN LATERAL (SELECT * FROM stays WHERE id = letter.stay OFFSET 0) AS stay ON true
      LEFT JOIN LATERAL (
           -- A bounce may still come while a notification is awaited. One that never came proves nothing.
           SELECT true AS sent, bool_or(result.dsn <> 'expected') AS final
             FROM deliveries JOIN recipient_results AS result ON result.delivery_id = deliveries.id
            WHERE deliveries.message_id = letter.message_id AND deliveries.channel = 'PRO'
              AND (result.outcome = 'delivered' OR result.dsn = 'timeout')
              AND (NOT letter.referring_known OR result.party_id = ANY (letter.referring_ids)
                   OR result.address = ANY (letter.referring_addresses))
           HAVING count(*) > 0) AS mail ON true
     WHERE letter.settled = ''
), judged AS (
    SELECT watched.*,
           coalesce(day < $3::date AND NOT cancelled
                    AND ((received_at AT TIME ZONE $4)::date <= day
                         OR received_at + $5::interval <= $2::timestamptz), false) AS late
      FROM watched
), silent AS (
    SELECT id, discharged_at FROM stays
     WHERE $6 AND patient_class = 'I' AND NOT cancelled
       AND discharged_at >= $8::date::timestamp AT TIME ZONE $4
       AND discharged_at < $3::date::timestamp AT TIME ZONE $4
     UNION ALL
    -- Older ones whose alert is still open.
    SELECT stays.id, stays.discharged_at
      FROM open JOIN stays ON stays.id = CASE WHEN starts_with(open.subject, 'stay:')
                                              THEN substr(open.subject, 6)::uuid END
     WHERE $6 AND patient_class = 'I' AND NOT cancelled
       AND discharged_at < $8::date::timestamp AT TIME ZONE $4
), subjects AS (
    SELECT subject, max(message_id) AS message_id, max(received_at) AS received_at,
           coalesce(max(day) FILTER (WHERE late), max(day)) AS day, bool_and(cancelled) AS cancelled,
           bool_or(sent) AS sent, bool_or(final) AS final, bool_or(late) AS late
      FROM judged GROUP BY subject
     UNION ALL
    SELECT 'stay:' || silent.id, NULL, NULL, (discharged_at AT TIME ZONE $4)::date, false, false, false, true
      FROM silent
     WHERE (SELECT true FROM discharge_letters AS letter
             WHERE letter.stay = silent.id AND letter.settled <> 'deleted' LIMIT 1) IS NULL
), changes AS (
    SELECT coalesce(subjects.subject, open.subject) AS subject, subjects.message_id, subjects.day,
           coalesce(subjects.final, false) AS final,
           open.id IS NULL AND subjects.late AND NOT subjects.sent AND ($7::date IS NULL OR subjects.day >= $7::date)
               AS opens,
           open.id IS NOT NULL AND NOT coalesce(subjects.late AND NOT subjects.sent, false) AS closes,
           open.id IS NULL AND coalesce(subjects.received_at < $9, false) AS old,
           subjects.subject IS NULL AS gone, subjects.sent, subjects.cancelled
      FROM subjects FULL JOIN open ON open.subject = subjects.subject
)
SELECT subject, message_id, day, opens, closes,
       CASE WHEN final THEN 'delivered' WHEN old AND NOT opens THEN 'expired' ELSE '' END AS settles,
       CASE WHEN NOT closes THEN ''
            WHEN sent THEN 'delivered'
            WHEN gone THEN coalesce(
                (SELECT settled FROM discharge_letters AS letter
                  WHERE letter.subject = changes.subject ORDER BY settled = 'delivered' DESC, message_id DESC LIMIT 1),
                'cancelled')
            WHEN cancelled OR day IS NULL THEN 'cancelled'
            ELSE 'not_due' END AS ending
  FROM changes
 WHERE opens OR closes OR final OR old
 ORDER BY day, subject

-- name: cause
-- What keeps one letter ($1: its message) from the médecin traitant, as codes.
SELECT letter.referring_known, delivery.state, delivery.code, decision.action, decision.code AS decision_code,
       result.outcome, result.code AS outcome_code,
       EXISTS (SELECT FROM json_array_elements(delivery.addressees) AS addressee
                WHERE lower(addressee ->> 'address') = ANY (letter.referring_addresses)
                   OR addressee ->> 'identifier' = ANY (letter.referring_ids)) AS named
  FROM discharge_letters AS letter
  LEFT JOIN LATERAL (
       SELECT id, state, code, addressees FROM deliveries
        WHERE message_id = letter.message_id AND channel = 'PRO' ORDER BY seq DESC LIMIT 1) AS delivery ON true
  LEFT JOIN LATERAL (
       SELECT action, code FROM decisions
        WHERE message_id = letter.message_id AND channel = 'PRO'
        ORDER BY run DESC, position LIMIT 1) AS decision ON true
  LEFT JOIN LATERAL (
       SELECT outcome, code FROM recipient_results
        WHERE delivery_id = delivery.id
          AND (NOT letter.referring_known OR party_id = ANY (letter.referring_ids)
               OR address = ANY (letter.referring_addresses))
        ORDER BY at DESC LIMIT 1) AS result ON true
 WHERE letter.message_id = $1
