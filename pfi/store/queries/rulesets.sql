-- name: lock
-- One change of the rules in force at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock($1)

-- name: newest
SELECT id, digest, at, author, host, reason FROM rule_activations ORDER BY id DESC LIMIT 1

-- name: was_in_force
SELECT EXISTS (SELECT FROM rule_activations WHERE digest = $1)

-- name: history
SELECT id, digest, at, author, host, reason FROM rule_activations ORDER BY id DESC LIMIT $1

-- name: previous
-- What was in force before the present rules.
SELECT digest FROM rule_activations
 WHERE digest <> (SELECT digest FROM rule_activations ORDER BY id DESC LIMIT 1)
 ORDER BY id DESC LIMIT 1

-- name: find
-- Sets whose digest begins so: two rows are enough to know that it is ambiguous.
SELECT digest, files, stored_at FROM rule_sets WHERE starts_with(digest, $1) ORDER BY digest LIMIT 2

-- name: store
INSERT INTO rule_sets (digest, files, stored_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING

-- name: activate
INSERT INTO rule_activations (digest, at, author, host, reason) VALUES ($1, $2, $3, $4, $5) RETURNING id

-- name: notify
SELECT pg_notify($1, $2)

-- name: living
-- Engine processes seen for $1 seconds, and how many of them have the activation $3, made at $4: they started after it,
-- or told so by an event of kind $2.
SELECT count(*) AS living,
       count(*) FILTER (WHERE workers.started_at >= $4 OR EXISTS (
           SELECT FROM events
            WHERE events.kind = $2 AND events.at >= $4 AND events.message_id IS NULL
              AND events.detail->>'activation' = $3::text
              AND events.detail->>'worker' = workers.id::text)) AS taken
  FROM workers WHERE seen_at > now() - make_interval(secs => $1)

-- name: coverage
-- How many decisions about messages received since $1 name each rule, and when the last of these came.
SELECT named.rule, count(*) AS decisions, max(messages.received_at) AS last_seen
  FROM messages JOIN decisions ON decisions.message_id = messages.id,
       LATERAL (SELECT DISTINCT reason->>'rule' AS rule FROM json_array_elements(decisions.because) AS reason) AS named
 WHERE messages.received_at >= $1
 GROUP BY named.rule

-- name: decided
SELECT count(*) FROM messages JOIN decisions ON decisions.message_id = messages.id WHERE messages.received_at >= $1
