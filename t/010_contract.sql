-- The SQL contract: every object of the extension, its signature, volatility,
-- parallel safety, readers, comment, and the SQLSTATE of each error.
-- Run by 090_pgtap.pl.
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

SELECT is(extrelocatable, true, 'the extension can be relocated')
  FROM pg_extension WHERE extname = 'pg_cert_policy';

-- readers: PUBLIC, pg_monitor, or nobody but superusers
CREATE TEMP TABLE wanted (
  signature text, arguments text, result text, volatility text, parallel text,
  strict bool, readers text);
INSERT INTO wanted VALUES
('pg_cert_policies()',
 'OUT kind text, OUT name name, OUT policy text, OUT parsed jsonb, OUT valid boolean, OUT problem text, OUT covers bigint', 'SETOF record',
 's', 's', false, 'PUBLIC'),
('pg_cert_policy_check(name,bytea,name,text,timestamp with time zone,text)',
 'role name, certificate bytea, database name DEFAULT NULL::name, tls text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, policy text DEFAULT NULL::text, OUT kind text, OUT policy_of text, OUT alternative integer, OUT clause text, OUT required text, OUT found text, OUT holds boolean', 'SETOF record',
 'v', 's', false, 'pg_monitor'),
('pg_cert_policy_check(name,text,name,text,timestamp with time zone,text)',
 'role name, certificate text, database name DEFAULT NULL::name, tls text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, policy text DEFAULT NULL::text, OUT kind text, OUT policy_of text, OUT alternative integer, OUT clause text, OUT required text, OUT found text, OUT holds boolean', 'SETOF record',
 'v', 's', false, 'pg_monitor'),
('pg_cert_policy_export()',
 '', 'SETOF text',
 's', 's', false, 'nobody'),
('pg_cert_policy_for(name,name)',
 'role name, database name DEFAULT current_database(), OUT kind text, OUT name name, OUT through name[], OUT policy text, OUT mode text, OUT local text, OUT valid boolean, OUT problem text', 'SETOF record',
 's', 's', true, 'PUBLIC'),
('pg_cert_policy_recheck()',
 'OUT pid integer, OUT role name, OUT reason text', 'SETOF record',
 'v', 'u', false, 'nobody'),
('pg_cert_policy_rejections()',
 'OUT "time" timestamp with time zone, OUT role name, OUT database name, OUT address inet, OUT policy text, OUT clause text, OUT required text, OUT found text, OUT cert_sha256 text, OUT enforced boolean', 'SETOF record',
 'v', 's', false, 'pg_monitor'),
('pg_cert_sessions()',
 'OUT pid integer, OUT role_oid oid, OUT database_oid oid, OUT subject text, OUT issuer text, OUT sans text[], OUT ekus text[], OUT serial text, OUT cert_sha256 text, OUT key_sha256 text, OUT not_after timestamp with time zone, OUT chain_kept boolean, OUT accepted_now boolean, OUT reason text', 'SETOF record',
 'v', 's', false, 'PUBLIC'),
('pg_stat_cert_policy()',
 'OUT role_oid oid, OUT database_oid oid, OUT accepted bigint, OUT rejected bigint, OUT would_reject bigint, OUT last_rejected timestamp with time zone, OUT last_reason text', 'SETOF record',
 'v', 's', false, 'pg_monitor'),
('pg_stat_cert_policy_reset()',
 '', 'void',
 'v', 's', false, 'nobody'),
('pg_tls_expiry()',
 'OUT setting text, OUT subject text, OUT not_after timestamp with time zone', 'SETOF record',
 'v', 's', false, 'pg_monitor'),
('pg_trusted_cas()',
 'OUT "position" integer, OUT subject text, OUT subject_der bytea, OUT issuer text, OUT serial text, OUT not_before timestamp with time zone, OUT not_after timestamp with time zone, OUT cert_sha256 text, OUT key_sha256 text, OUT key_id text, OUT key_type text, OUT security_bits integer, OUT self_signed boolean, OUT announced boolean, OUT can_anchor boolean, OUT certificate bytea, OUT problems text[]', 'SETOF record',
 'v', 'r', false, 'PUBLIC'),
('pg_trusted_ca_names()',
 'OUT "position" integer, OUT name text, OUT name_der bytea, OUT source text', 'SETOF record',
 'v', 'r', false, 'PUBLIC');

CREATE TEMP TABLE wanted_views (name text, readers text, columns text);
INSERT INTO wanted_views VALUES
('pg_cert_policies', 'PUBLIC',
 'kind,name,policy,parsed,valid,problem,covers'),
('pg_cert_policy_hba', 'nobody',
 'line_number,type,database,user_name,address,auth_method,options,error,can_carry,requires,checks_cn,roles,roles_without_policy,policies'),
('pg_cert_policy_rejections', 'pg_monitor',
 'time,role,database,address,policy,clause,required,found,cert_sha256,enforced'),
('pg_cert_sessions', 'PUBLIC',
 'pid,role,database,subject,issuer,sans,ekus,serial,cert_sha256,key_sha256,not_after,remaining,chain_kept,accepted_now,reason'),
('pg_tls_expiry', 'pg_monitor',
 'setting,subject,not_after,remaining,remaining_seconds'),
('pg_trusted_cas', 'PUBLIC',
 'position,subject,subject_der,issuer,serial,not_before,not_after,cert_sha256,key_sha256,key_id,key_type,security_bits,self_signed,announced,can_anchor,certificate,problems'),
('pg_stat_cert_policy', 'pg_monitor',
 'role,database,accepted,rejected,would_reject,last_rejected,last_reason');

-- nothing but these, so that a new object needs a line above
SELECT set_eq(
  $$SELECT pg_describe_object(classid, objid, objsubid)
    FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
     AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_cert_policy')
     AND classid <> 'pg_type'::regclass$$,
  $$SELECT 'function ' || signature FROM wanted
    UNION ALL SELECT 'view ' || name FROM wanted_views$$,
  'the objects of the extension');

-- signature, volatility, parallel safety
SELECT is(pg_get_function_arguments(signature::regprocedure), arguments,
          signature || ': arguments') FROM wanted ORDER BY signature;
SELECT is(pg_get_function_result(signature::regprocedure), result,
          signature || ': result') FROM wanted ORDER BY signature;
SELECT is((p.provolatile, p.proparallel, p.proisstrict, p.prosecdef, l.lanname)::text,
          (w.volatility, w.parallel, w.strict, false, 'c')::text,
          signature || ': volatility, parallel safety, strictness, as its caller, language')
  FROM wanted w JOIN pg_proc p ON p.oid = w.signature::regprocedure
  JOIN pg_language l ON l.oid = p.prolang ORDER BY signature;
SELECT is((SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute
           WHERE attrelid = name::regclass AND attnum > 0 AND NOT attisdropped),
          columns, name || ': columns') FROM wanted_views ORDER BY name;

-- readers
CREATE ROLE contract_anybody;
CREATE ROLE contract_monitor IN ROLE pg_monitor;
SELECT is(has_function_privilege('contract_anybody', signature, 'EXECUTE'),
          readers = 'PUBLIC', signature || ': anybody') FROM wanted ORDER BY signature;
SELECT is(has_function_privilege('contract_monitor', signature, 'EXECUTE'),
          readers <> 'nobody', signature || ': pg_monitor') FROM wanted ORDER BY signature;
SELECT is(has_table_privilege('contract_anybody', name, 'SELECT'),
          readers = 'PUBLIC', name || ': anybody') FROM wanted_views ORDER BY name;
SELECT is(has_table_privilege('contract_monitor', name, 'SELECT'),
          readers <> 'nobody', name || ': pg_monitor') FROM wanted_views ORDER BY name;
SELECT is(has_table_privilege('contract_monitor', name, 'INSERT, UPDATE, DELETE'),
          false, name || ': is not written to') FROM wanted_views ORDER BY name;

-- comments
SELECT isnt(obj_description(signature::regprocedure, 'pg_proc'), NULL,
            signature || ': has a comment') FROM wanted ORDER BY signature;
SELECT isnt(obj_description(name::regclass, 'pg_class'), NULL,
            name || ': has a comment') FROM wanted_views ORDER BY name;
SELECT isnt(col_description(attrelid, attnum), NULL,
            attrelid::regclass || '.' || attname || ': has a comment')
  FROM wanted_views JOIN pg_attribute ON attrelid = name::regclass
  WHERE attnum > 0 ORDER BY name, attnum;

-- settings
SELECT set_eq(
  $$SELECT name, vartype, context, boot_val FROM pg_settings
    WHERE name LIKE 'pg\_cert\_policy.%'$$,
  $$VALUES
    ('pg_cert_policy.default_policy', 'string', 'sighup', ''),
    ('pg_cert_policy.disconnect_expired', 'string', 'sighup', 'off'),
    ('pg_cert_policy.enforce', 'string', 'sighup', 'on'),
    ('pg_cert_policy.exempt_roles', 'string', 'sighup', ''),
    ('pg_cert_policy.expiry_grace', 'string', 'sighup', '0'),
    ('pg_cert_policy.expiry_warning', 'string', 'sighup', '7d'),
    ('pg_cert_policy.local_connections', 'string', 'sighup', 'peer'),
    ('pg_cert_policy.max_tracked', 'integer', 'postmaster', '1000'),
    ('pg_cert_policy.recheck_interval', 'string', 'sighup', '0'),
    ('pg_cert_policy.session_bytes', 'integer', 'postmaster', '16384')$$,
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
