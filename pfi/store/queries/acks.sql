-- name: add
INSERT INTO business_acks (id, message_id, delivery_id, sender, event, success, mailbox, error_code, error_text,
                           control_id, content, created_at, state, code, text, finished_at, next_try)
SELECT row.id, $2, row.delivery_id, row.sender, row.event, row.success, row.mailbox, row.error_code, row.error_text,
       row.control_id, decode(row.content, 'base64'), row.created_at, row.state, row.code, row.text, row.finished_at,
       row.created_at
  FROM json_to_recordset($1) AS row (
       id uuid, delivery_id uuid, sender text, event text, success boolean, mailbox text, error_code text,
       error_text text, control_id text, content text, created_at timestamptz, state text, code text, text text,
       finished_at timestamptz)

-- name: claim
-- What was said before of the same mailbox (its reception, Z02) goes before (its reading, Z03); the sweep comes back.
UPDATE business_acks SET state = 'in_flight', owner = $2, fence = fence + 1, claimed_at = $3
 WHERE id = $1 AND state = 'queued'
   AND NOT EXISTS (SELECT FROM business_acks AS earlier
                    WHERE earlier.message_id = business_acks.message_id AND earlier.event < business_acks.event
                      AND lower(earlier.mailbox) = lower(business_acks.mailbox) AND earlier.mailbox <> ''
                      AND earlier.state IN ('queued', 'in_flight'))
RETURNING id, message_id, sender, control_id, content, attempts, fence

-- name: end
-- Written only where the claim is still ours ($2).
UPDATE business_acks AS ack
   SET state = row.state, attempts = attempts + 1, owner = NULL, next_try = row.next_try, code = row.code,
       text = row.text, finished_at = row.finished_at
  FROM json_to_recordset($1) AS row (
       id uuid, fence integer, state text, next_try timestamptz, code text, text text, finished_at timestamptz)
 WHERE ack.id = row.id AND ack.state = 'in_flight' AND ack.owner = $2 AND ack.fence = row.fence
RETURNING ack.id, ack.sender, ack.attempts

-- name: recover
-- The MSH-10 is kept: sending again is how HL7 v2 resolves what may have left.
UPDATE business_acks SET state = 'queued', attempts = attempts + 1, next_try = $5, owner = NULL
 WHERE state = 'in_flight'
   AND (owner NOT IN (SELECT id FROM workers WHERE seen_at > now() - $1::interval)
        OR (owner = $2 AND claimed_at < $4 AND id <> ALL ($3::uuid[])))
RETURNING id, sender, attempts

-- name: forgotten
SELECT id, sender, attempts FROM business_acks
 WHERE state = 'queued' AND next_try < $1
   AND NOT EXISTS (SELECT FROM pgqueuer AS job
                    WHERE job.dedupe_key = 'ack:' || business_acks.id || ':' || business_acks.attempts
                      AND job.status IN ('queued', 'picked'))
 ORDER BY next_try LIMIT 500

-- name: unclaim
UPDATE business_acks SET state = 'queued', owner = NULL, next_try = $3
 WHERE id = ANY ($1::uuid[]) AND state = 'in_flight' AND owner = $2
RETURNING id, sender, attempts

-- name: told
SELECT DISTINCT lower(mailbox) AS mailbox FROM business_acks WHERE message_id = $1 AND event = $2

-- name: reopen
UPDATE business_acks SET state = 'queued', next_try = $2, finished_at = NULL, sender = $3
 WHERE message_id = $1 AND state IN ('failed', 'refused')
RETURNING id, sender, attempts
