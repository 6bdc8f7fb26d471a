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

-- name: read
SELECT deliveries.*, messages.received_at, messages.listener, messages.sender, bodies.content AS body,
       EXISTS (SELECT FROM attempts WHERE delivery_id = deliveries.id AND outcome = 'unknown') AS may_have_left
  FROM deliveries
  JOIN messages ON messages.id = deliveries.message_id
  LEFT JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id
 WHERE deliveries.id = $1

-- name: end_attempts
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

-- name: release_successors
-- After an end, in the same transaction but as a statement of its own: it must see what was committed meanwhile.
UPDATE deliveries SET state = 'queued', next_try = greatest($3, not_before)
  FROM (SELECT DISTINCT ON (lineage, channel) id, state
          FROM deliveries JOIN unnest($1::text[], $2::text[]) AS ended (lineage, channel) USING (lineage, channel)
         WHERE state IN ('waiting', 'queued', 'in_flight', 'unknown', 'held')
         ORDER BY lineage, channel, seq) AS first
 WHERE deliveries.id = first.id AND deliveries.state = 'waiting'
RETURNING deliveries.id, deliveries.destination, deliveries.attempts, deliveries.priority

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

-- name: address
-- Addresses that were looked up for a claimed delivery: $1 delivery, $2 worker, $3 fence, $4 recipients, $5 addressees.
UPDATE deliveries SET recipients = $4, addressees = $5
 WHERE id = $1 AND state = 'in_flight' AND owner = $2 AND fence = $3
RETURNING id

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

-- name: dsn
-- Mailboxes of a mail that await a notification: $1 envelope, $2 address in lower case.
SELECT result.delivery_id, result.address, result.party_id, result.dsn, result.outcome, deliveries.message_id
  FROM recipient_results AS result JOIN deliveries ON deliveries.id = result.delivery_id
 WHERE result.envelope = $1 AND result.address = $2 AND result.dsn IN ('expected', 'timeout')
 FOR UPDATE OF result

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
