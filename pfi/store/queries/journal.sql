-- name: list
-- Newest first. Every filter may be null. $6: a state that at least one delivery has. $7: ids below.
SELECT messages.id, messages.received_at, messages.listener, messages.sender, messages.control_id,
       messages.message_type, messages.kind, messages.ack_code, messages.size,
       (SELECT coalesce(json_agg(json_build_object('channel', channel, 'state', state, 'code', code) ORDER BY seq),
                        '[]'::json)
          FROM deliveries WHERE deliveries.message_id = messages.id) AS deliveries
  FROM messages
 WHERE ($1::timestamptz IS NULL OR received_at >= $1)
   AND ($2::timestamptz IS NULL OR received_at < $2)
   AND ($3::text IS NULL OR sender = $3)
   AND ($4::text IS NULL OR kind = $4)
   AND ($5::text IS NULL OR control_id = $5)
   AND ($6::text IS NULL OR EXISTS (SELECT FROM deliveries
                                     WHERE deliveries.message_id = messages.id AND deliveries.state = $6))
   AND ($7::bigint IS NULL OR id < $7)
 ORDER BY id DESC LIMIT $8

-- name: message
SELECT * FROM messages WHERE id = $1

-- name: documents
-- Those of a mail have no OBX; they are no version of what the hospital sends.
SELECT message_id, position, unique_id, set_id, version, type_code, level, request, lineage, sha1, size, obx_set_id
  FROM documents WHERE message_id = $1
 UNION ALL
SELECT message_id, position, unique_id, '', version, type_code, level, request, '', sha1, size, NULL
  FROM mail_documents WHERE message_id = $1
 ORDER BY position

-- name: findings
SELECT * FROM findings WHERE message_id = $1 ORDER BY run, position

-- name: decisions
SELECT * FROM decisions WHERE message_id = $1 ORDER BY run, position

-- name: last_decisions
-- Renditions of one document share their plan: one row for each channel.
SELECT DISTINCT ON (channel) channel, action, code, until FROM decisions
 WHERE message_id = $1 ORDER BY channel, run DESC, position

-- name: deliveries
SELECT * FROM deliveries WHERE message_id = $1 ORDER BY seq

-- name: attempts
SELECT attempts.* FROM attempts JOIN deliveries ON deliveries.id = attempts.delivery_id
 WHERE deliveries.message_id = $1 ORDER BY deliveries.seq, attempts.number

-- name: recipients
SELECT recipient_results.* FROM recipient_results JOIN deliveries ON deliveries.id = recipient_results.delivery_id
 WHERE deliveries.message_id = $1 ORDER BY deliveries.seq, recipient_results.address

-- name: mail
-- What a message is when it came by mail: no row, or one.
SELECT * FROM mails WHERE message_id = $1

-- name: readings
SELECT readings.* FROM readings JOIN deliveries ON deliveries.id = readings.delivery_id
 WHERE deliveries.message_id = $1 ORDER BY readings.at, readings.address

-- name: handovers
-- Without their content: it holds the document.
SELECT id, kind, position, line, mailbox, recipient, control_id, length(content) AS size, created_at, state, attempts,
       next_try, finished_at, code, text
  FROM handovers WHERE message_id = $1 ORDER BY kind DESC, position

-- name: mails
-- Newest first. $1: state, may be null.
SELECT mails.message_id, messages.received_at, mails.mailbox, messages.message_type, mails.state, mails.code, mails.text,
       mails.answer,
       (SELECT coalesce(json_agg(json_build_object('line', line, 'state', state, 'code', code) ORDER BY position),
                        '[]'::json)
          FROM handovers WHERE handovers.message_id = mails.message_id AND kind = 'mdm') AS documents
  FROM mails JOIN messages ON messages.id = mails.message_id
 WHERE $1::text IS NULL OR mails.state = $1
 ORDER BY mails.message_id DESC LIMIT $2

-- name: acks
SELECT * FROM business_acks WHERE message_id = $1 ORDER BY created_at, id

-- name: events
SELECT * FROM events
 WHERE message_id = $1 OR delivery_id IN (SELECT id FROM deliveries WHERE message_id = $1)
 ORDER BY id

-- name: engine_events
SELECT * FROM events WHERE message_id IS NULL AND delivery_id IS NULL ORDER BY id DESC LIMIT $1

-- name: counts
SELECT state, channel, count(*) AS count FROM deliveries GROUP BY state, channel ORDER BY state, channel

-- name: add_run
-- What a replay found and decided: one run more.
WITH run AS (
    SELECT 1 + max(run) AS number FROM (
        SELECT 1 AS run UNION ALL SELECT run FROM findings WHERE message_id = $1
        UNION ALL SELECT run FROM decisions WHERE message_id = $1) AS runs
), new_findings AS (
    INSERT INTO findings (message_id, run, position, code, severity, location, text, rule)
    SELECT $1, run.number, row.*
      FROM run, json_to_recordset($2) AS row (
           position smallint, code text, severity text, location text, text text, rule text)
), new_decisions AS (
    INSERT INTO decisions (message_id, run, position, document, channel, action, code, because, recipients, due, gap,
                           legal_gap, rules_digest, until)
    SELECT $1, run.number, row.*
      FROM run, json_to_recordset($3) AS row (
           position smallint, document text, channel text, action text, code text, because json, recipients json,
           due boolean, gap boolean, legal_gap boolean, rules_digest text, until text)
)
SELECT number FROM run

-- name: requests
-- Accepted requests, oldest first, in pages: received since $1, ids above $2.
SELECT id, received_at, listener FROM messages
 WHERE received_at >= $1 AND id > $2 AND kind = 'request' AND ack_code = 'AA'
 ORDER BY id LIMIT $3
