-- The client half from SQL: psql runs pgcertsel in backquotes and hands what it
-- says to pgTAP, side by side with what the server says.
-- Run by 090_pgtap.pl.
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

-- The names are the same, whoever is asked.
CREATE TEMP TABLE announced AS
  SELECT position, name FROM pg_trusted_ca_names();

\set names `"$PGCERTSEL" names "$TLS_CONNINFO"`
SELECT is(:'names', (SELECT string_agg(name, E'\n' ORDER BY position) FROM announced),
          'the handshake and pg_trusted_ca_names() name the same CAs');
\set names `"$PGCERTSEL" names --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"`
SELECT is(:'names', (SELECT string_agg(name, E'\n' ORDER BY position) FROM announced),
          'so does --names-from');
\set names `"$PGCERTSEL" names --ca-file "$CA_FILE"`
SELECT is(:'names', (SELECT string_agg(name, E'\n' ORDER BY position) FROM announced),
          'so does the server''s CA file');
\set names `"$PGCERTSEL" names --ca-file "$OTHER_CA"`
SELECT isnt(:'names', (SELECT string_agg(name, E'\n' ORDER BY position) FROM announced),
            'another CA file does not');

-- What is selected is what the dry run accepts.
\set as_alice `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" --format json -U alice`
\set as_carol `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" --format json -U carol`
\set as_bob `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" --format json -U bob --strict 2>/dev/null`
SELECT is(:'as_alice'::json ->> 'status', 'found', 'alice: found');
SELECT is(:'as_alice'::json ->> 'sslcert', :'BUNDLE' || '/alice.crt', 'alice: the one of the trusted CA');
SELECT is(:'as_carol'::json ->> 'sslcert', :'BUNDLE' || '/carol.crt', 'carol: the one with its chain');
SELECT is(:'as_bob'::json ->> 'status', 'ambiguous', 'bob has none; --strict takes nobody else''s');
SELECT is(:'as_bob'::json ->> 'sslcert', '/dev/null/none', 'and sends nothing');

SELECT is(c ->> 'verdict', v.verdict, v.file || ' is ' || v.verdict)
  FROM (VALUES ('alice.crt', 'doubtful'), ('alice2.crt', 'unusable'),
               ('bob.crt', 'unusable'), ('carol.crt', 'doubtful')) v(file, verdict)
  LEFT JOIN json_array_elements(:'as_alice'::json -> 'candidates') c
    ON c ->> 'sslcert' = :'BUNDLE' || '/' || v.file
 ORDER BY v.file;
SELECT set_eq(
  format($$SELECT r ->> 'code' FROM json_array_elements(%L::json -> 'candidates') c,
                  json_array_elements(c -> 'reasons') r
            WHERE c ->> 'sslcert' LIKE '%%/alice2.crt' AND r ->> 'severity' = 'fatal'$$, :'as_alice'),
  ARRAY['issuer-not-announced'], 'alice2 is ruled out by its issuer alone');
SELECT set_eq(
  format($$SELECT r ->> 'code' FROM json_array_elements(%L::json -> 'candidates') c,
                  json_array_elements(c -> 'reasons') r
            WHERE c ->> 'sslcert' LIKE '%%/bob.crt' AND r ->> 'severity' = 'fatal'$$, :'as_alice'),
  ARRAY['issuer-not-announced', 'key-encrypted'], 'bob by that and by its key');

SELECT bool_and(holds) IS TRUE AS accepted
  FROM pg_cert_policy_check('alice', pg_read_file(:'as_alice'::json ->> 'sslcert')) WHERE kind = 'chain'
\gset
SELECT ok(:'accepted', 'the dry run''s chain agrees with what was chosen');
SELECT bool_and(holds) IS TRUE AS accepted
  FROM pg_cert_policy_check('alice', pg_read_file(:'BUNDLE' || '/alice2.crt')) WHERE kind = 'chain'
\gset
SELECT ok(NOT :'accepted', 'and with what was not');

-- A login with it.
\set dn `psql -XAtqd "$TLS_CONNINFO user=alice $("$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" -U alice)" -c "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"`
SELECT is(:'dn'::text, '/CN=alice', 'psql logs in with what select prints');
\set dn `"$PGCERTSEL" exec "$TLS_CONNINFO" --bundle "$BUNDLE" -U carol -- psql -XAtqc "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"`
SELECT is(:'dn'::text, '/CN=carol', 'and through exec');

-- Statuses.
\set status `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" -U bob --strict >/dev/null 2>&1; echo $?`
SELECT is(:'status'::text, '4', 'ambiguous under --strict: 4');
\set status `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" -U alice --policy "cn=nobody" >/dev/null 2>&1; echo $?`
SELECT is(:'status'::text, '2', 'nothing suitable: 2');
\set status `"$PGCERTSEL" names "host=$PGHOST port=$PGPORT" >/dev/null 2>&1; echo $?`
SELECT is(:'status'::text, '5', 'a Unix socket has no TLS: 5');
\set words `"$PGCERTSEL" select "$TLS_CONNINFO" --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=template1" 2>&1 >/dev/null`
SELECT matches(:'words'::text, 'extension pg_cert_policy is not installed in database "template1"',
               '--names-from a database without the extension');

-- A role's policy, asked for in SQL, decides for the client as it does for the
-- server.  pgcertsel has a session of its own, so the label needs one, too.
\! psql -XAtqc "SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS 'cn=carol eku=clientAuth'"
\set by_policy `"$PGCERTSEL" select "$TLS_CONNINFO" --bundle "$BUNDLE" -U alice --format json --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"`
SELECT is(:'by_policy'::json ->> 'sslcert', :'BUNDLE' || '/carol.crt',
          'the policy of the role, from SQL, wins over its name');
SELECT bool_and(holds) FILTER (WHERE kind = 'verdict') AS accepted
  FROM pg_cert_policy_check('alice', pg_read_file(:'BUNDLE' || '/carol.crt'))
\gset
SELECT ok(:'accepted', 'and the server''s dry run agrees');
\set dn `"$PGCERTSEL" exec "$TLS_CONNINFO" --bundle "$BUNDLE" -U alice --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE" -- psql -XAtqc "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"`
SELECT is(:'dn'::text, '/CN=carol', 'and lets it in');
\! psql -XAtqc "SECURITY LABEL FOR pg_cert_policy ON ROLE alice IS NULL"

-- Two CAs of one name: the names alone take the later certificate, which the
-- server would refuse; the CA certificates, from SQL, tell the two apart.  No
-- root file is named, since it would tell them apart as well.
\set by_name `"$PGCERTSEL" select "host=localhost hostaddr=127.0.0.1 port=$PGPORT dbname=postgres sslmode=require" --bundle "$TWINS" -U alice --format json`
SELECT is(:'by_name'::json ->> 'sslcert', :'TWINS' || '/newer.crt', 'of twins, the names take the wrong one');
SELECT is(:'by_name'::json ->> 'certain', 'false', 'which is not certain');
SELECT set_eq(
  format($$SELECT c ->> 'verdict' FROM json_array_elements(%L::json -> 'candidates') c$$, :'by_name'),
  ARRAY['doubtful'], 'both are doubtful');
\set by_cas `"$PGCERTSEL" select "host=localhost hostaddr=127.0.0.1 port=$PGPORT dbname=postgres sslmode=require" --bundle "$TWINS" -U alice --format json --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE"`
SELECT is(:'by_cas'::json ->> 'sslcert', :'TWINS' || '/alice.crt', '--names-from takes the right one');
SELECT is(:'by_cas'::json ->> 'certain', 'true', 'which is certain');
SELECT set_eq(
  format($$SELECT r ->> 'code' FROM json_array_elements(%L::json -> 'candidates') c,
                  json_array_elements(c -> 'reasons') r
            WHERE c ->> 'sslcert' LIKE '%%/newer.crt' AND r ->> 'severity' = 'fatal'$$, :'by_cas'),
  ARRAY['chain'], 'and rules the other out by its chain');
\set dn `"$PGCERTSEL" exec "host=localhost hostaddr=127.0.0.1 port=$PGPORT dbname=postgres sslmode=require" --bundle "$TWINS" -U alice --names-from "host=$PGHOST port=$PGPORT user=$PGUSER dbname=$PGDATABASE" -- psql -XAtqc "select client_dn from pg_stat_ssl where pid = pg_backend_pid()"`
SELECT is(:'dn'::text, '/CN=alice', 'which logs in');

SELECT * FROM finish();
ROLLBACK;
