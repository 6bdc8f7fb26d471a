-- name: claim_mailbox
-- $1 address, $2 worker, $3 lease. One row when the mailbox is ours: nobody else who lives reads it.
INSERT INTO mailboxes AS box (address, owner) VALUES ($1, $2)
ON CONFLICT (address) DO UPDATE SET owner = excluded.owner
 WHERE box.owner IS NULL OR box.owner = $2
    OR box.owner NOT IN (SELECT id FROM workers WHERE seen_at > now() - $3::interval)
RETURNING address

-- name: leave_mailbox
UPDATE mailboxes SET owner = NULL WHERE address = $1 AND owner = $2

-- name: seen_before
-- Documents that an earlier mail with the same Message-ID ($2) brought to the same mailbox ($1), and that nobody refused:
-- what was given up may have arrived, and a person may try it again.
SELECT document.unique_id, document.request, document.sha1
  FROM mails
  JOIN mail_documents AS document USING (message_id)
  JOIN handovers ON handovers.message_id = mails.message_id AND handovers.kind = 'mdm'
                AND handovers.position = document.position
 WHERE mails.mailbox = $1 AND mails.mail_id = $2 AND handovers.state <> 'refused'

-- name: add_mail
INSERT INTO mails (message_id, mailbox, destination, mail_id, state, code, text, answer, answer_to, settled_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)

-- name: add_documents
INSERT INTO mail_documents (message_id, position, unique_id, version, type_code, level, request, sha1, size, replaces)
SELECT $2, row.*
  FROM json_to_recordset($1) AS row (
       position smallint, unique_id text, version integer, type_code text, level text, request text, sha1 text,
       size integer, replaces text)

-- name: add_handovers
INSERT INTO handovers (id, message_id, kind, position, line, mailbox, recipient, control_id, content, created_at,
                       state, next_try, code, text)
SELECT row.id, $2, row.kind, row.position, row.line, row.mailbox, row.recipient, row.control_id,
       decode(row.content, 'base64'), row.created_at, row.state,
       CASE WHEN row.state = 'queued' THEN row.created_at END, row.code, row.text
  FROM json_to_recordset($1) AS row (
       id uuid, kind text, position smallint, line text, mailbox text, recipient text, control_id text, content text,
       created_at timestamptz, state text, code text, text text)

-- name: claim
-- A document waits for those that came before it, of the same lineage: the consumer would not know what to replace or to
-- delete. What a person holds back counts too.
UPDATE handovers SET state = 'in_flight', owner = $2, fence = fence + 1, claimed_at = $3
 WHERE id = $1 AND state = 'queued'
   AND NOT EXISTS (
       SELECT FROM mail_documents AS mine
         JOIN mail_documents AS other ON other.unique_id IN (mine.unique_id, mine.replaces)
                                     AND other.message_id < mine.message_id
         JOIN handovers AS before ON before.message_id = other.message_id AND before.position = other.position
                                 AND before.kind = 'mdm'
        WHERE handovers.kind = 'mdm' AND mine.message_id = handovers.message_id AND mine.position = handovers.position
          AND (before.state = 'held' OR (before.line = handovers.line AND before.state IN ('queued', 'in_flight'))))
RETURNING id, message_id, kind, line, mailbox, recipient, control_id, content, attempts - budget_from AS tries, fence

-- name: followers
-- Documents that may have waited for the documents of a mail ($1).
SELECT handovers.id, handovers.kind, handovers.line, handovers.attempts
  FROM mail_documents AS mine
  JOIN mail_documents AS other ON mine.unique_id IN (other.unique_id, other.replaces)
                              AND other.message_id > mine.message_id
  JOIN handovers ON handovers.message_id = other.message_id AND handovers.position = other.position
                AND handovers.kind = 'mdm' AND handovers.state = 'queued' AND handovers.next_try <= $2
 WHERE mine.message_id = $1 AND mine.unique_id <> ''

-- name: end
-- Written only where the claim is still ours ($2 worker, $3 fence).
UPDATE handovers
   SET state = $4, attempts = attempts + 1, owner = NULL, next_try = $5, code = $6, text = $7, finished_at = $8
 WHERE id = $1 AND state = 'in_flight' AND owner = $2 AND fence = $3
RETURNING id, kind, line, attempts

-- name: lock_mail
-- The end of one document at a time decides whether the whole mail is settled.
SELECT mails.*, messages.received_at, bodies.content AS body
  FROM mails
  JOIN messages ON messages.id = mails.message_id
  LEFT JOIN bodies ON bodies.received_on = messages.received_on AND bodies.message_id = messages.id
 WHERE mails.message_id = $1 FOR UPDATE OF mails

-- name: filed
-- What became of the documents of a mail.
SELECT position, line, state, code, text FROM handovers WHERE message_id = $1 AND kind = 'mdm' ORDER BY position

-- name: reopen
-- A refused mail of which something is tried again ($1); whoever was answered, or is being answered, is not answered twice.
UPDATE mails
   SET state = 'open', settled_at = NULL,
       answer = CASE WHEN EXISTS (SELECT FROM handovers WHERE message_id = $1 AND kind = 'mail') THEN 'none'
                     ELSE answer END
 WHERE message_id = $1 AND state = 'refused'

-- name: settle
UPDATE mails SET state = $2, code = $3, text = $4, settled_at = $5 WHERE message_id = $1 AND state = 'open'

-- name: named
-- Documents of a mail ($1) in a state ($2), each with what names it; those that were never to be handed over are left out.
SELECT handovers.id, document.unique_id, document.request
  FROM handovers JOIN mail_documents AS document USING (message_id, position)
 WHERE handovers.message_id = $1 AND handovers.kind = 'mdm' AND handovers.state = $2
   AND (handovers.state = 'held' OR handovers.line <> '')
 ORDER BY position FOR UPDATE OF handovers

-- name: rewrite
-- A person lets a document go that was held or refused, as it is written now: $1 handover, $2 line, $3 MSH-10, $4 content,
-- $5 now.
UPDATE handovers
   SET state = 'queued', line = $2, control_id = $3, content = $4, next_try = $5, code = '', text = '',
       finished_at = NULL, budget_from = attempts
 WHERE id = $1 AND state IN ('held', 'refused')
RETURNING id, kind, line, attempts

-- name: dismiss
-- A person gives the held documents of a mail up ($1 message, $2 now, $3 code, $4 text).
UPDATE handovers SET state = 'refused', finished_at = $2, code = $3, text = $4
 WHERE message_id = $1 AND state = 'held'
RETURNING id

-- name: retry
-- A person tries again, the same bytes, what was given up of a mail ($1 message, $2 now, $3 kind), and an answer that was
-- refused. What was purged cannot be.
UPDATE handovers SET state = 'queued', next_try = $2, finished_at = NULL, budget_from = attempts
 WHERE message_id = $1 AND kind = $3 AND (state = 'failed' OR (state = 'refused' AND kind = 'mail'))
   AND length(content) > 0
RETURNING id, kind, line, attempts

-- name: withdraw_answers
-- The answer of a mail ($1) that has not left says what may not be true any more.
DELETE FROM handovers WHERE message_id = $1 AND kind = 'mail' AND state IN ('queued', 'refused', 'failed')

-- name: recover
-- The MSH-10 and the Message-ID are kept: sending again is how what may have left is resolved.
UPDATE handovers SET state = 'queued', attempts = attempts + 1, next_try = $5, owner = NULL
 WHERE state = 'in_flight'
   AND (owner NOT IN (SELECT id FROM workers WHERE seen_at > now() - $1::interval)
        OR (owner = $2 AND claimed_at < $4 AND id <> ALL ($3::uuid[])))
RETURNING id, kind, line, attempts

-- name: forgotten
SELECT id, kind, line, attempts FROM handovers
 WHERE state = 'queued' AND next_try < $1
   AND NOT EXISTS (SELECT FROM pgqueuer AS job
                    WHERE job.dedupe_key = 'handover:' || handovers.id || ':' || handovers.attempts
                      AND job.status IN ('queued', 'picked'))
 ORDER BY next_try LIMIT 500

-- name: purge
-- The bytes of what was finished before $1; the rows stay.
UPDATE handovers SET content = ''
 WHERE id IN (SELECT id FROM handovers WHERE finished_at < $1 AND length(content) > 0 LIMIT 500)

-- name: mark_answer
-- What became of a mail ($1) is shown with the code $2 and the sentence $3 while its answer could not leave ($4), and
-- without them otherwise.
UPDATE mails
   SET code = trim(replace(code, $2, '') || CASE WHEN $4 THEN ' ' || $2 ELSE '' END),
       text = trim(replace(text, $3, '') || CASE WHEN $4 THEN ' ' || $3 ELSE '' END)
 WHERE message_id = $1 AND ($4 OR strpos(code, $2) > 0)
