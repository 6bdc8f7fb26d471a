-- name: read
SELECT deliveries.*, messages.received_at, messages.listener, messages.sender, bodies.content AS body,
       EXISTS (SELECT FROM attempts WHERE delivery_id = deliveries.id AND outcome = 'unknown') AS may_have_left
  FROM deliveries
  JOIN messages ON messages.id = deliveries.message_id
  LEFT JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id
 WHERE deliveries.id = $1

-- name: release_successors
-- After an end, in the same transaction but as a statement of its own: it must see what was committed meanwhile.
UPDATE deliveries SET state = 'queued', next_try = greatest($3, not_before)
  FROM (SELECT DISTINCT ON (lineage, channel) id, state
          FROM deliveries JOIN unnest($1::text[], $2::text[]) AS ended (lineage, channel) USING (lineage, channel)
         WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
         ORDER BY lineage, channel, seq) AS first
 WHERE deliveries.id = first.id AND deliveries.state = 'waiting'
RETURNING deliveries.id, deliveries.destination, deliveries.attempts, deliveries.priority

-- name: forgotten
-- Belt and braces: what should have been tried by now and has no job, and what waits behind nothing.
WITH freed AS (
    UPDATE deliveries SET state = 'queued', next_try = greatest($1, not_before)
     WHERE state = 'waiting' AND created_at < $1
       AND NOT EXISTS (SELECT FROM deliveries AS earlier
                        WHERE earlier.lineage = deliveries.lineage AND earlier.channel = deliveries.channel
                          AND earlier.seq < deliveries.seq
                          AND earlier.state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held'))
    RETURNING id, destination, attempts, priority
)
SELECT id, destination, attempts, priority FROM freed
UNION ALL
(SELECT id, destination, attempts, priority FROM deliveries
  WHERE state IN ('queued', 'unknown') AND next_try < $1
    AND NOT EXISTS (SELECT FROM pgqueuer AS job
                     WHERE job.dedupe_key = 'delivery:' || deliveries.id || ':' || deliveries.attempts
                       AND job.status IN ('queued', 'picked'))
  ORDER BY next_try LIMIT 500)

-- name: let_go
-- A held delivery goes back to its place in its lineage, as decided now: $1 delivery, $2 now, $3 destination,
-- $4 qualified, $5 recipients, $6 priority, $7 mailbox, $8 not before, $9 an operator released it. A mail that was tried
-- before keeps its addressees.
UPDATE deliveries
   SET destination = $3, next_try = greatest($2::timestamptz, $8::timestamptz), hold_until = NULL, code = '', text = '', until = '',
       qualified = $4, recipients = $5, addressees = CASE WHEN attempts = 0 THEN $5 ELSE addressees END,
       priority = $6, mailbox = $7, not_before = $8,
       released = released OR $9, recheck = false, revise = false,
       state = CASE WHEN EXISTS (SELECT FROM deliveries AS earlier
                                  WHERE earlier.lineage = deliveries.lineage AND earlier.channel = deliveries.channel
                                    AND earlier.seq < deliveries.seq
                                    AND earlier.state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held'))
                    THEN 'waiting' ELSE 'queued' END
 WHERE id = $1 AND state = 'held'
RETURNING id, destination, attempts, priority, state

-- name: hold
-- What was about to leave, or was held for another reason, waits: $1 delivery, $2 until when at most, $3 code, $4 text,
-- $5 what it waits for. The end of a hold does not move.
UPDATE deliveries
   SET state = 'held', next_try = NULL, hold_until = coalesce(hold_until, $2), code = $3, text = $4, until = $5,
       recheck = false, revise = false
 WHERE id = $1 AND state IN ('held', 'waiting', 'queued')
RETURNING id

-- name: confirm
-- Still to be sent, as decided now: who is served ($3, null = as before) and under which identity may have changed.
UPDATE deliveries
   SET qualified = $2, recipients = coalesce($3, recipients),
       addressees = CASE WHEN attempts = 0 THEN coalesce($3, addressees) ELSE addressees END,
       recheck = false, revise = false
 WHERE id = $1 AND state IN ('waiting', 'queued', 'unknown')

-- name: recheck
UPDATE deliveries SET recheck = true, revise = false WHERE id = $1 AND state IN ('in_flight', 'unknown')

-- name: revise
UPDATE deliveries SET revise = true WHERE id = $1 AND state = 'in_flight'

-- name: close
-- Ends what no process works on: $1 delivery, $2 state, $3 now, $4 the states it may leave.
UPDATE deliveries
   SET state = $2, finished_at = $3, next_try = NULL, hold_until = NULL, until = '', recheck = false, revise = false,
       code = coalesce($5, code), text = coalesce($6, text)
 WHERE id = $1 AND state = ANY ($4::text[])
RETURNING id, lineage, channel

-- name: held
SELECT id, message_id, channel, code, text, until, hold_until AS expires_at
  FROM deliveries WHERE state = 'held' ORDER BY hold_until, seq LIMIT $1

-- name: find
SELECT id FROM deliveries
 WHERE state IN ('held', 'waiting', 'queued', 'in_flight', 'unknown') AND starts_with(id::text, $1) LIMIT 2

-- name: expired
SELECT id FROM deliveries WHERE state = 'held' AND hold_until < $1 ORDER BY hold_until LIMIT 100

-- name: reopen
-- A replay: a new budget of attempts for what was refused or given up; what may have left is resolved first.
UPDATE deliveries
   SET state = CASE WHEN uncertain THEN 'unknown' ELSE 'queued' END, next_try = $2, budget_from = attempts,
       finished_at = NULL, partial_code = '', recipients = coalesce($3, recipients), code = '', text = ''
 WHERE id = $1 AND state IN ('refused', 'failed')
RETURNING id, destination, attempts, priority

-- name: of_message
-- Locked until the end of the transaction.
SELECT id, channel, state, lineage, code, until, released, attempts, uncertain, qualified, addressees, recipients
  FROM deliveries WHERE message_id = $1 ORDER BY seq FOR UPDATE

-- name: lineage
SELECT lineage FROM deliveries WHERE id = $1

-- name: lineages_of_message
SELECT DISTINCT lineage FROM deliveries WHERE message_id = $1

-- name: sent_before
-- Message-ID of the last mail sent for these lineages, by channel, before a delivery ($3).
SELECT DISTINCT ON (channel) channel, ids->>'message_id' AS message_id
  FROM deliveries
 WHERE lineage = $1 AND channel = $2 AND state = 'delivered' AND id <> $3
 ORDER BY channel, seq DESC

-- name: served_recipients
-- Mailboxes that got the mail of a message ($1) on a channel ($2), whichever of its deliveries carried it.
SELECT result.address, result.looked_up
  FROM deliveries JOIN recipient_results AS result ON result.delivery_id = deliveries.id
 WHERE deliveries.message_id = $1 AND deliveries.channel = $2 AND result.outcome = 'delivered'

-- name: dsn_late
SELECT result.delivery_id, result.address, result.party_id, deliveries.message_id
  FROM recipient_results AS result JOIN deliveries ON deliveries.id = result.delivery_id
 WHERE result.dsn = 'expected' AND result.dsn_deadline < $1
 ORDER BY result.dsn_deadline LIMIT 100
 FOR UPDATE OF result SKIP LOCKED

-- name: set_dsn
UPDATE recipient_results SET dsn = $3, outcome = $4, code = $5, text = $6, at = $7
 WHERE delivery_id = $1 AND address = $2

-- name: add
-- Deliveries that a replay adds to a message ($1); each takes its place in its lineage.
WITH earlier AS (
    SELECT lineage, channel FROM deliveries
     WHERE lineage = ANY ($3::text[]) AND state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
     ORDER BY seq FOR UPDATE
)
INSERT INTO deliveries (id, message_id, channel, destination, lineage, request, qualified, ids, addressees, recipients,
                        created_at, next_try, hold_until, code, text, until, priority, mailbox, not_before, state)
SELECT row.id, $1, row.channel, row.destination, row.lineage, row.request, row.qualified, row.ids, row.recipients,
       row.recipients, row.created_at, row.next_try, row.hold_until, row.code, row.text, row.until, row.priority,
       row.mailbox, row.not_before,
       CASE WHEN row.state <> 'held' AND EXISTS (
                 SELECT FROM earlier WHERE earlier.lineage = row.lineage AND earlier.channel = row.channel)
            THEN 'waiting' ELSE row.state END
  FROM json_to_recordset($2) AS row (
       id uuid, channel text, destination text, lineage text, request text, qualified boolean, ids json,
       recipients json, created_at timestamptz, next_try timestamptz, hold_until timestamptz, code text, text text,
       until text, priority text, mailbox text, not_before timestamptz, state text)
RETURNING id, destination, attempts, priority, state
