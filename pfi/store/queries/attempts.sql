-- name: claim
-- $1 delivery, $2 worker, $3 now. No row when somebody else has it, when it is finished, or when something was told of
-- the patient since it was decided. What may have left is looked for even when it may no longer leave (recheck).
WITH claimed AS (
    UPDATE deliveries
       SET claimed_as = state, state = 'in_flight', owner = $2, fence = fence + 1, claimed_at = $3
     WHERE id = $1
       AND NOT revise
       AND (state = 'unknown' OR state = 'queued' AND NOT recheck AND (not_before IS NULL OR not_before <= $3))
       AND NOT EXISTS (SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient
                        WHERE link.message_id = deliveries.message_id AND link.version <> patients.version)
    RETURNING *
)
SELECT claimed.*, messages.received_at, messages.listener, messages.sender, bodies.content AS body,
       EXISTS (SELECT FROM attempts WHERE delivery_id = claimed.id AND outcome = 'unknown') AS may_have_left
  FROM claimed
  JOIN messages ON messages.id = claimed.message_id
  LEFT JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id

-- name: undecided
-- The message of a delivery that must be decided again before it is tried.
SELECT message_id FROM deliveries
 WHERE id = $1 AND state IN ('queued', 'unknown')
   AND (revise OR recheck AND state = 'queued'
        OR EXISTS (SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient
                            WHERE link.message_id = deliveries.message_id AND link.version <> patients.version))

-- name: unsure
-- Whether something was told of the patient since a delivery ($1) was decided, or it was decided otherwise.
SELECT recheck OR revise OR EXISTS (SELECT FROM message_patients AS link JOIN patients ON patients.id = link.patient
                           WHERE link.message_id = deliveries.message_id AND link.version <> patients.version)
  FROM deliveries WHERE id = $1

-- name: address
-- Addresses that were looked up for a claimed delivery: $1 delivery, $2 worker, $3 fence, $4 recipients, $5 addressees.
UPDATE deliveries SET recipients = $4, addressees = $5
 WHERE id = $1 AND state = 'in_flight' AND owner = $2 AND fence = $3
RETURNING id

-- name: end
-- Results of attempts ($1), written only where the claim is still ours ($2 worker, fence of the row); recipients ($3)
-- and business acknowledgments ($4) follow the delivery they belong to. An attempt that does not count moves the budget.
WITH given AS (
    SELECT * FROM json_to_recordset($1) AS row (
        id uuid, fence integer, kind text, started_at timestamptz, ended_at timestamptz, outcome text,
        outcome_code text, outcome_text text, warnings json, evidence json, state text, next_try timestamptz,
        recipients json, code text, text text, partial_code text, uncertain boolean, counted boolean,
        finished_at timestamptz)
), mine AS (
    SELECT deliveries.id FROM deliveries JOIN given USING (id) ORDER BY deliveries.seq FOR UPDATE OF deliveries
), ended AS (
    UPDATE deliveries
       SET state = given.state, attempts = attempts + 1, owner = NULL, next_try = given.next_try,
           recipients = given.recipients, code = given.code, text = given.text, partial_code = given.partial_code,
           uncertain = given.uncertain, finished_at = given.finished_at,
           budget_from = budget_from + CASE WHEN given.counted THEN 0 ELSE 1 END
      FROM given JOIN mine USING (id)
     WHERE deliveries.id = given.id AND deliveries.state = 'in_flight'
       AND deliveries.owner = $2 AND deliveries.fence = given.fence
    RETURNING deliveries.id, deliveries.message_id, deliveries.destination, deliveries.attempts, deliveries.priority
), kept AS (
    INSERT INTO attempts (delivery_id, number, kind, worker, started_at, ended_at, outcome, code, text, warnings,
                          evidence)
    SELECT id, attempts, kind, $2, started_at, ended_at, outcome, outcome_code, outcome_text, warnings, evidence
      FROM ended JOIN given USING (id)
), results AS (
    INSERT INTO recipient_results AS result (delivery_id, address, party_id, outcome, code, text, at, envelope, dsn,
                                             dsn_deadline, looked_up)
    SELECT row.* FROM json_to_recordset($3) AS row (
           delivery_id uuid, address text, party_id text, outcome text, code text, text text, at timestamptz,
           envelope text, dsn text, dsn_deadline timestamptz, looked_up text)
      JOIN ended ON ended.id = row.delivery_id
        ON CONFLICT (delivery_id, address) DO UPDATE
       SET outcome = excluded.outcome, code = excluded.code, text = excluded.text, at = excluded.at,
           envelope = excluded.envelope, dsn = excluded.dsn, dsn_deadline = excluded.dsn_deadline
), acks AS (
    INSERT INTO business_acks (id, message_id, delivery_id, sender, event, success, mailbox, error_code, error_text,
                               control_id, content, created_at, state, code, text, finished_at, owner, fence,
                               claimed_at)
    SELECT row.id, ended.message_id, row.delivery_id, row.sender, row.event, row.success, row.mailbox, row.error_code,
           row.error_text, row.control_id, decode(row.content, 'base64'), row.created_at, row.state, row.code,
           row.text, row.finished_at,
           CASE WHEN row.state = 'in_flight' THEN $2::uuid END,
           CASE WHEN row.state = 'in_flight' THEN 1 ELSE 0 END,
           CASE WHEN row.state = 'in_flight' THEN row.created_at END
      FROM json_to_recordset($4) AS row (
           id uuid, delivery_id uuid, sender text, event text, success boolean, mailbox text, error_code text,
           error_text text, control_id text, content text, created_at timestamptz, state text, code text, text text,
           finished_at timestamptz)
      JOIN ended ON ended.id = row.delivery_id
)
SELECT id, destination, attempts, priority FROM ended

-- name: unclaim
-- Gives back what was claimed and surely not started: $1 deliveries, $2 worker, $3 now.
UPDATE deliveries SET state = claimed_as, owner = NULL, next_try = $3
 WHERE id = ANY ($1::uuid[]) AND state = 'in_flight' AND owner = $2
RETURNING id, destination, attempts, priority

-- name: recover
-- Claims of dead workers (silent for $1), and claims of ours ($2) that nobody works on ($3: active, $4: older than).
-- They may have left: they are resolved, never sent again blindly. $5 now.
WITH lost AS (
    SELECT id FROM deliveries
     WHERE state = 'in_flight'
       AND (owner NOT IN (SELECT id FROM workers WHERE seen_at > now() - $1::interval)
            OR (owner = $2 AND claimed_at < $4 AND id <> ALL ($3::uuid[])))
     ORDER BY seq FOR UPDATE SKIP LOCKED LIMIT 1000
), recovered AS (
    UPDATE deliveries
       SET state = 'unknown', attempts = attempts + 1, next_try = $5, uncertain = true
      FROM lost WHERE deliveries.id = lost.id
    RETURNING deliveries.*
), kept AS (
    INSERT INTO attempts (delivery_id, number, kind, worker, started_at, ended_at, outcome, code, text, warnings,
                          evidence)
    SELECT id, attempts, CASE claimed_as WHEN 'unknown' THEN 'resolve' ELSE 'send' END, owner, claimed_at, $5,
           'unknown', 'WORKER_LOST', $6, '[]', '{}'
      FROM recovered
)
SELECT id, message_id, destination, attempts, priority FROM recovered
