--
-- SECURITY LABEL: which texts are accepted, on what, and from whom
--
CREATE EXTENSION pg_cert_policy;

CREATE ROLE regress_cert_alice LOGIN;
CREATE ROLE regress_cert_group;
CREATE ROLE regress_cert_owner CREATEROLE;
CREATE DATABASE regress_cert_db OWNER regress_cert_owner;
CREATE TABLE regress_cert_table ();

-- what a statement says when it fails, in columns
CREATE FUNCTION regress_cert_try(policy text, object text DEFAULT 'ROLE regress_cert_alice')
RETURNS TABLE (code text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('SECURITY LABEL FOR pg_cert_policy ON %s IS %L', object, policy);
  code := 'accepted';
  RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                          detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END $$;

--
-- accepted
--
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS
  'cn=%role eku=clientAuth ca="CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA"';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS
  'mode=log local=reject cn != a , b	or  any_typo=x';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS
  'mode=log local=reject on_expiry=disconnect cn != a , b
   or san=URI:spiffe://example.org/%role tls=1.3';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_group IS 'exempt';
SECURITY LABEL FOR pg_cert_policy ON DATABASE regress_cert_db IS 'any';
SELECT objtype, objname, provider, label FROM pg_seclabels
  WHERE provider = 'pg_cert_policy' ORDER BY 1, 2;
SELECT name, jsonb_pretty(parsed), valid, problem, covers
  FROM pg_cert_policies WHERE kind = 'role' ORDER BY name;

-- the longest that fits, and one byte more
SELECT n, f.* FROM unnest(ARRAY[1497, 1498]) AS n,
  regress_cert_try('cn=' || repeat('x', n)) AS f ORDER BY n;
SELECT length(policy), valid FROM pg_cert_policies WHERE name = 'regress_cert_alice';

-- removed
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS NULL;
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS NULL;
SELECT count(*) FROM pg_cert_policies WHERE name = 'regress_cert_alice';

--
-- refused: the text.  Clause, position and a hint, and nothing is stored
--
\x on
SELECT r.policy, f.code, f.message, f.detail, f.hint FROM (VALUES
  (1, ''), (2, ' 	'), (3, 'nonsense'), (4, 'foo=bar'), (5, 'CN=alice'),
  (6, 'cn='), (7, 'cn="alice'), (8, 'cn=alice,'), (9, 'cn=alice or'),
  (10, 'or cn=alice'), (11, 'cn=alice bob'), (12, 'cn=%rolex'), (13, 'cn=%user'),
  (14, 'cn="a%"'), (15, 'cn=""'), (16, 'cn="a\zz"'),
  (17, 'ca=CN=rootCA1,O=IDO'), (18, 'ca="rootCA1"'), (19, 'ca="XX=y"'),
  (20, 'eku=clientauth'), (21, 'eku=1.2.'), (22, 'policy_oid=anyPolicy'),
  (23, 'san=alice'), (24, 'san=dns:alice'), (25, 'san=IP:300.1.1.1'),
  (26, 'key_sha256=abc'), (27, 'serial=xyz'), (28, 'key_type=DSA'),
  (29, 'tls=1.4'), (30, 'tls=1.2,1.3'), (31, 'min_security_bits=0'),
  (32, 'max_lifetime=90'), (33, 'max_lifetime!=90d'), (34, 'max_lifetime=101y'),
  (35, 'mode=log'), (36, 'mode=maybe any'), (37, 'mode=log mode=log any'),
  (38, 'any mode=log'), (39, 'any or cn=alice'), (40, 'exempt cn=alice'),
  (41, 'mode=log exempt'), (42, 'cn=alice; drop'), (43, E'cn="a\x01b"')
) AS r(n, policy), regress_cert_try(r.policy) AS f ORDER BY n;
\x off
-- beyond ASCII
SELECT f.* FROM regress_cert_try(E'cn=alic\303\251') AS f;
SELECT count(*) FROM pg_cert_policies WHERE name = 'regress_cert_alice';

--
-- refused: the object
--
SELECT o.object, f.* FROM (VALUES
  (1, 'ROLE pg_monitor'), (2, 'TABLE regress_cert_table'),
  (3, 'SCHEMA public'), (4, 'TABLESPACE pg_default'),
  (5, 'ROLE regress_cert_nobody')
) AS o(n, object), regress_cert_try('any', o.object) AS f ORDER BY n;
SELECT f.* FROM regress_cert_try('exempt', 'DATABASE regress_cert_db') AS f;
-- but what a hand put there can be taken away
SECURITY LABEL FOR pg_cert_policy ON ROLE pg_monitor IS NULL;
SECURITY LABEL FOR pg_cert_policy ON TABLE regress_cert_table IS NULL;

--
-- refused: the user.  Neither CREATEROLE nor owning the database is enough
--
SET ROLE regress_cert_owner;
SECURITY LABEL FOR pg_cert_policy ON DATABASE regress_cert_db IS NULL;
SECURITY LABEL FOR pg_cert_policy ON DATABASE regress_cert_db IS 'any';
RESET ROLE;
SET SESSION AUTHORIZATION regress_cert_owner;
SECURITY LABEL FOR pg_cert_policy ON DATABASE regress_cert_db IS 'any';
RESET SESSION AUTHORIZATION;

--
-- warnings
--
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS 'issuer="CN=rootCA1"';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS 'issuer="CN=rootCA1" ca="CN=rootCA1"';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS 'issuer="CN=rootCA1" ca_key_sha256!=1111111111111111111111111111111111111111111111111111111111111111';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_group IS 'cn=alice';
GRANT regress_cert_group TO regress_cert_alice;
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_group IS 'cn=alice';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_group IS 'cn=%role';

--
-- a policy goes with its transaction, and with its object
--
BEGIN;
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_group IS 'any';
ROLLBACK;
SELECT name, policy, covers FROM pg_cert_policies WHERE name = 'regress_cert_group';
ALTER ROLE regress_cert_group RENAME TO regress_cert_renamed;
SELECT name, policy FROM pg_cert_policies WHERE name LIKE 'regress_cert%' AND kind = 'role'
  ORDER BY name;

DROP ROLE regress_cert_alice, regress_cert_renamed;
DROP DATABASE regress_cert_db;
DROP ROLE regress_cert_owner;
DROP TABLE regress_cert_table;
DROP FUNCTION regress_cert_try;
SELECT count(*) FROM pg_cert_policies;

-- labels outlive the extension
CREATE ROLE regress_cert_alice;
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS 'any';
DROP EXTENSION pg_cert_policy;
SELECT objname, label FROM pg_seclabels WHERE provider = 'pg_cert_policy';
CREATE EXTENSION pg_cert_policy;
SELECT name, policy FROM pg_cert_policies;
DROP ROLE regress_cert_alice;
DROP EXTENSION pg_cert_policy;
