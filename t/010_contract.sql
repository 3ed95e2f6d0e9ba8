-- The SQL contract: every object of the extension, its signature, volatility,
-- parallel safety, readers, comment, and the SQLSTATE of each error.
-- Run by 090_pgtap.pl.
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

SELECT is(extrelocatable, true, 'the extension can be relocated')
  FROM pg_extension WHERE extname = 'pg_cert_policy';

-- nothing but these, so that a new object needs a line here
SELECT set_eq(
  $$SELECT replace(pg_describe_object(classid, objid, objsubid), 'public.', '')
    FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
     AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_cert_policy')
     AND classid <> 'pg_type'::regclass$$,
  ARRAY[
    'function pg_trusted_ca_names()',
    'function pg_cert_policies()',
    'view pg_cert_policies',
    'function pg_cert_policy_for(name,name)',
    'function pg_cert_policy_check(name,bytea,name,text,timestamp with time zone,text)',
    'function pg_cert_policy_check(name,text,name,text,timestamp with time zone,text)'
  ], 'the objects of the extension');

-- signature, volatility, parallel safety
CREATE TEMP TABLE wanted (
  signature text, arguments text, volatility text, parallel text, strict bool,
  readers text);
INSERT INTO wanted VALUES
('pg_trusted_ca_names()',
 'OUT "position" integer, OUT name text, OUT name_der bytea, OUT source text',
 'v', 'r', false, 'PUBLIC'),
('pg_cert_policies()',
 'OUT kind text, OUT name name, OUT policy text, OUT parsed jsonb, OUT valid boolean, OUT problem text, OUT covers bigint',
 's', 's', false, 'PUBLIC'),
('pg_cert_policy_for(name,name)',
 'role name, database name DEFAULT current_database(), OUT kind text, OUT name name, OUT through name[], OUT policy text, OUT mode text, OUT local text, OUT valid boolean, OUT problem text',
 's', 's', true, 'PUBLIC'),
('pg_cert_policy_check(name,bytea,name,text,timestamptz,text)',
 'role name, certificate bytea, database name DEFAULT NULL::name, tls text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, policy text DEFAULT NULL::text, OUT kind text, OUT policy_of text, OUT alternative integer, OUT clause text, OUT required text, OUT found text, OUT holds boolean',
 'v', 's', false, 'pg_monitor'),
('pg_cert_policy_check(name,text,name,text,timestamptz,text)',
 'role name, certificate text, database name DEFAULT NULL::name, tls text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, policy text DEFAULT NULL::text, OUT kind text, OUT policy_of text, OUT alternative integer, OUT clause text, OUT required text, OUT found text, OUT holds boolean',
 'v', 's', false, 'pg_monitor');

SELECT is(pg_get_function_arguments(signature::regprocedure), arguments,
          signature || ': arguments') FROM wanted ORDER BY 1;
SELECT is((p.provolatile, p.proparallel, p.proisstrict, p.proretset, l.lanname)::text,
          (w.volatility, w.parallel, w.strict, true, 'c')::text,
          signature || ': volatility, parallel safety, strictness, set, language')
  FROM wanted w JOIN pg_proc p ON p.oid = w.signature::regprocedure
  JOIN pg_language l ON l.oid = p.prolang ORDER BY signature;
SELECT is(p.prosecdef, false, signature || ': runs as its caller')
  FROM wanted w JOIN pg_proc p ON p.oid = w.signature::regprocedure ORDER BY signature;

SELECT columns_are('pg_cert_policies',
  ARRAY['kind', 'name', 'policy', 'parsed', 'valid', 'problem', 'covers']);

-- readers
CREATE ROLE contract_anybody;
CREATE ROLE contract_monitor IN ROLE pg_monitor;
SELECT is(has_function_privilege('contract_anybody', signature, 'EXECUTE'),
          readers = 'PUBLIC', signature || ': anybody may call it') FROM wanted ORDER BY signature;
SELECT is(has_function_privilege('contract_monitor', signature, 'EXECUTE'),
          true, signature || ': pg_monitor may call it') FROM wanted ORDER BY signature;
SELECT table_privs_are('pg_cert_policies', 'contract_anybody', ARRAY['SELECT']);

-- comments
SELECT isnt(obj_description(signature::regprocedure, 'pg_proc'), NULL,
            signature || ': has a comment') FROM wanted ORDER BY signature;
SELECT isnt(obj_description('pg_cert_policies'::regclass, 'pg_class'), NULL,
            'pg_cert_policies: has a comment');
SELECT isnt(col_description(attrelid, attnum), NULL,
            'pg_cert_policies.' || attname || ': has a comment')
  FROM pg_attribute WHERE attrelid = 'pg_cert_policies'::regclass AND attnum > 0
  ORDER BY attnum;

-- settings
SELECT set_eq(
  $$SELECT name, vartype, context, boot_val FROM pg_settings
    WHERE name LIKE 'pg\_cert\_policy.%'$$,
  $$VALUES ('pg_cert_policy.enforce', 'string', 'sighup', 'on'),
           ('pg_cert_policy.local_connections', 'string', 'sighup', 'peer'),
           ('pg_cert_policy.default_policy', 'string', 'sighup', ''),
           ('pg_cert_policy.exempt_roles', 'string', 'sighup', '')$$,
  'the settings');
SELECT throws_ok($$SET pg_cert_policy.enforce = 'off'$$, '55P02',
  NULL, 'a session cannot turn it off');
SELECT throws_ok($$ALTER ROLE contract_anybody SET pg_cert_policy.enforce = 'off'$$, '55P02',
  NULL, 'nor can a role');

-- errors
CREATE ROLE contract_role;
SELECT throws_ok($$SECURITY LABEL FOR pg_cert_policy ON ROLE contract_role IS 'foo=bar'$$,
  '42602', NULL, 'a policy that cannot be read');
SELECT throws_ok($$SECURITY LABEL FOR pg_cert_policy ON ROLE contract_role IS ''$$,
  '42602', NULL, 'an empty policy');
SELECT throws_ok($$SECURITY LABEL FOR pg_cert_policy ON ROLE pg_monitor IS 'any'$$,
  '42939', NULL, 'a policy on a role that no dump carries');
SELECT throws_ok($$SECURITY LABEL FOR pg_cert_policy ON SCHEMA public IS 'any'$$,
  '42809', NULL, 'a policy on a schema');
SELECT throws_ok(
  format($$SECURITY LABEL FOR pg_cert_policy ON DATABASE %I IS 'exempt'$$, current_database()),
  '42602', NULL, 'an exempt database');
SELECT throws_ok($$SELECT pg_cert_policy_check(NULL, NULL::text)$$, '22004', NULL,
  'a dry run without a role');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_nobody', NULL::text)$$, '42704', NULL,
  'a dry run of no such role');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', NULL::text, 'contract_nowhere')$$,
  '3D000', NULL, 'a dry run in no such database');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', 'x')$$, '22P03', NULL,
  'a dry run of no certificate');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', NULL::text, tls => '9')$$,
  '22023', NULL, 'a dry run of no such TLS');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', NULL::text, at => '-infinity')$$,
  '22023', NULL, 'a dry run at no time');
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', NULL::text, policy => 'foo=bar')$$,
  '42602', NULL, 'a dry run of a policy that cannot be read');
SELECT throws_ok($$SELECT pg_cert_policy_for('contract_nobody')$$, '42704', NULL,
  'the policies of no such role');
SELECT throws_ok($$SELECT pg_cert_policy_for('contract_role', 'contract_nowhere')$$, '3D000', NULL,
  'the policies in no such database');
SET LOCAL ROLE contract_anybody;
SELECT throws_ok($$SELECT pg_cert_policy_check('contract_role', NULL::text)$$, '42501', NULL,
  'the dry run is not for anybody');
SELECT throws_ok($$SECURITY LABEL FOR pg_cert_policy ON ROLE contract_role IS 'any'$$, '42501', NULL,
  'nor are labels');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
