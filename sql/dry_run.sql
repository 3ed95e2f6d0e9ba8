--
-- pg_cert_policy_check(), pg_cert_policy_for(), pg_cert_policies and
-- pg_trusted_ca_names(): their rows, their errors, and who may call them
--
CREATE EXTENSION pg_cert_policy;

--
-- Certificates made by "openssl ca", with P-256 keys that nobody kept, valid
-- from 2020 to 2120: two roots, CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA and
-- one whose organisation has accents; a client of each with CN=alice, the
-- first with clientAuth and two subjectAltNames; and CN=bob of the first.
--
\set root1 '-----BEGIN CERTIFICATE-----\nMIIB3zCCAYWgAwIBAgIBATAKBggqhkjOPQQDAjBWMQswCQYDVQQGEwJDQTELMAkG\nA1UECAwCQkMxDDAKBgNVBAcMA1ZBTjEMMAoGA1UECgwDSURPMQwwCgYDVQQLDANE\nRVYxEDAOBgNVBAMMB3Jvb3RDQTEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw\nMDAwMDBaMFYxCzAJBgNVBAYTAkNBMQswCQYDVQQIDAJCQzEMMAoGA1UEBwwDVkFO\nMQwwCgYDVQQKDANJRE8xDDAKBgNVBAsMA0RFVjEQMA4GA1UEAwwHcm9vdENBMTBZ\nMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHllkAAjp4ZacIBMYt5YAjhm2Ust3ZSZ\nebdPW7SifzkHhtUK4Ujylphk19IYakFxTubY/4zhnukKgxQyTDU0ZUKjQjBAMA8G\nA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBRU7IU7YStT\nPSKwPHsiHj0+rlCjvjAKBggqhkjOPQQDAgNIADBFAiAIgjKUIGhm8bkdRLl53lX0\nsAW4J7b80SajiD35IYE0LgIhAJgkjHBLYy57+Q0nebcGN0aX0PzXxHjea3TfNCiL\noNVW\n-----END CERTIFICATE-----\n'
\set root2 '-----BEGIN CERTIFICATE-----\nMIIBlTCCATugAwIBAgIBAjAKBggqhkjOPQQDAjAxMR0wGwYDVQQKDBRTb2Npw6l0\nw6kgR8OpbsOpcmFsZTEQMA4GA1UEAwwHcm9vdENBMjAgFw0yMDAxMDEwMDAwMDBa\nGA8yMTIwMDEwMTAwMDAwMFowMTEdMBsGA1UECgwUU29jacOpdMOpIEfDqW7DqXJh\nbGUxEDAOBgNVBAMMB3Jvb3RDQTIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQe\n2FauJ0jh2vch8nbq8uVzCazSPLCIQSuGIh1mOOomVAdt7xIJMLs9BTktL4jrL22v\nhaVwlf4nMLjwF2BwuyzLo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4GA1UdDwEB/wQE\nAwIBBjAdBgNVHQ4EFgQUd/MlqhznlbyiqnlrtLFLGjjs2ikwCgYIKoZIzj0EAwID\nSAAwRQIgOFGsIgWXPX0vpRT0DVLER27BF65mAZ1xzbkHf20ShsoCIQCHjjnpQ0rv\nOEeIb6ZCjoS30CPQvRobmbIMPbIEC3Lndg==\n-----END CERTIFICATE-----\n'
\set alice '-----BEGIN CERTIFICATE-----\nMIIB9TCCAZugAwIBAgIBAzAKBggqhkjOPQQDAjBWMQswCQYDVQQGEwJDQTELMAkG\nA1UECAwCQkMxDDAKBgNVBAcMA1ZBTjEMMAoGA1UECgwDSURPMQwwCgYDVQQLDANE\nRVYxEDAOBgNVBAMMB3Jvb3RDQTEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw\nMDAwMDBaMBAxDjAMBgNVBAMMBWFsaWNlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\nQgAEYRDnoKN+6DHdi1RN1PvWI/ez6W8LVsOgps8Se/KunEnYqn3aLCBvzKalEfvB\nFo34u9M1VPFcsVifwKNAYrurTKOBnTCBmjAJBgNVHRMEAjAAMBMGA1UdJQQMMAoG\nCCsGAQUFBwMCMDgGA1UdEQQxMC+CEWFsaWNlLmV4YW1wbGUub3JnhhpzcGlmZmU6\nLy9leGFtcGxlLm9yZy9hbGljZTAdBgNVHQ4EFgQU2wF0uG0O/br/82ykWCcpLyKM\nK0gwHwYDVR0jBBgwFoAUVOyFO2ErUz0isDx7Ih49Pq5Qo74wCgYIKoZIzj0EAwID\nSAAwRQIhAKiImngKHGePAAYoUAh4XLVf/IWjPx4sRmlQMwQx235TAiB3Ls8GWYJ1\nJf5GwULmhE1w08B/LWtKr/gCALRAoqOBBA==\n-----END CERTIFICATE-----\n'
\set mallory '-----BEGIN CERTIFICATE-----\nMIIBzjCCAXagAwIBAgIBBDAKBggqhkjOPQQDAjAxMR0wGwYDVQQKDBRTb2Npw6l0\nw6kgR8OpbsOpcmFsZTEQMA4GA1UEAwwHcm9vdENBMjAgFw0yMDAxMDEwMDAwMDBa\nGA8yMTIwMDEwMTAwMDAwMFowEDEOMAwGA1UEAwwFYWxpY2UwWTATBgcqhkjOPQIB\nBggqhkjOPQMBBwNCAARYyj/tFfybS3H6Xb6Tykz5p9vEEADPrtdYz7hjMHwldJ+S\niXC1kVdiAq4dV95j6gxFEY/KI3WhLWmayDDVZDIto4GdMIGaMAkGA1UdEwQCMAAw\nEwYDVR0lBAwwCgYIKwYBBQUHAwIwOAYDVR0RBDEwL4IRYWxpY2UuZXhhbXBsZS5v\ncmeGGnNwaWZmZTovL2V4YW1wbGUub3JnL2FsaWNlMB0GA1UdDgQWBBQd9y6wxUJg\nf2W/qGcZtpALbqJQUzAfBgNVHSMEGDAWgBR38yWqHOeVvKKqeWu0sUsaOOzaKTAK\nBggqhkjOPQQDAgNGADBDAh8Q19WMpV3JpOodHpBit1MbQiS8PDMj/B4P2l0NCEhy\nAiAeYzNJUP/JIJBPkTxNBPrEjrBdlEvIjy9mflO9QJHCxw==\n-----END CERTIFICATE-----\n'
\set plain '-----BEGIN CERTIFICATE-----\nMIIBozCCAUigAwIBAgIBBTAKBggqhkjOPQQDAjBWMQswCQYDVQQGEwJDQTELMAkG\nA1UECAwCQkMxDDAKBgNVBAcMA1ZBTjEMMAoGA1UECgwDSURPMQwwCgYDVQQLDANE\nRVYxEDAOBgNVBAMMB3Jvb3RDQTEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEw\nMDAwMDBaMA4xDDAKBgNVBAMMA2JvYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\nBJoi78slBqsQCp7FJNHm4C6i2N8DdTPUbb9hDqs4J4MP03MeerOI8byOfcNum5dG\nVaqal9kazfXrIyg/B29zlUWjTTBLMAkGA1UdEwQCMAAwHQYDVR0OBBYEFFloeE6v\n8M/BkGX/ZtbAQ19WGh4cMB8GA1UdIwQYMBaAFFTshTthK1M9IrA8eyIePT6uUKO+\nMAoGCCqGSM49BAMCA0kAMEYCIQCzM3a0m0zntWEG3qr+AWHG8N6jysZ7BrA5EhbQ\nqRGegAIhAMWFEoH4/TgZXeu9QIJPv3Uthxtv/5Ob8ptdC67QceaX\n-----END CERTIFICATE-----\n'

CREATE ROLE regress_cert_alice LOGIN;
CREATE ROLE regress_cert_team;
CREATE ROLE regress_cert_all;
CREATE ROLE regress_cert_monitor IN ROLE pg_monitor;
GRANT regress_cert_all TO regress_cert_team;
GRANT regress_cert_team TO regress_cert_alice;

-- no file, no names
SHOW ssl_ca_file;
SELECT * FROM pg_trusted_ca_names();

--
-- Let the server trust both roots.  Its own TLS stays off here, which the dry
-- run says; t/ has the logins.
--
SELECT current_setting('data_directory') || '/regress_ca.crt' AS ca_path \gset
COPY (SELECT regexp_split_to_table(:'root1' || :'root2', '\n')) TO :'ca_path';
ALTER SYSTEM SET ssl_ca_file = 'regress_ca.crt';
SELECT pg_reload_conf();
-- wait until this session has read it
\set ECHO none
\o /dev/null
SELECT $$SELECT pg_sleep(0.1) WHERE current_setting('ssl_ca_file') = ''$$
  FROM generate_series(1, 300) \gexec
\o
\set ECHO all
SELECT "position", name, name_der, source FROM pg_trusted_ca_names() ORDER BY 1;

--
-- the dry run
--
\set when '2026-01-01 00:00:00+00'
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS
  'cn=alice eku=clientAuth ca="CN=rootCA1,OU=DEV,O=IDO,L=VAN,ST=BC,C=CA" or cn=bob';
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_all IS 'max_lifetime=90d';
SECURITY LABEL FOR pg_cert_policy ON DATABASE contrib_regression IS 'min_security_bits=112';

\x on
SELECT * FROM pg_cert_policy_check('regress_cert_alice', :'alice', at => :'when');
\x off
-- a policy that is not saved; all the other ways to say what is tried
PREPARE try(text, text, text) AS
  SELECT kind, policy_of, alternative, clause, required, found, holds
  FROM pg_cert_policy_check('regress_cert_alice', $1, database => '', tls => $2,
                            at => '2026-01-01 00:00:00+00', policy => $3);
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_all IS NULL;
EXECUTE try(:'alice', NULL, 'any');
EXECUTE try(:'plain', '1.2', 'eku=clientAuth or tls=1.3 or eku!=clientAuth');
EXECUTE try(:'alice', '1.2', 'san=URI:spiffe://example.org/* san!=DNS:*.com');
EXECUTE try(:'mallory', '1.3', 'cn=alice ca="O=Soci\C3\A9t\C3\A9 G\C3\A9n\C3\A9rale"');
EXECUTE try(:'mallory', '1.3', 'cn=alice ca="CN=rootCA2,O=Soci\C3\A9t\C3\A9 G\C3\A9n\C3\A9rale"');
EXECUTE try(NULL, '1.3', 'any');
EXECUTE try(:'alice', 'none', 'any');
EXECUTE try(:'alice', 'gss', 'cn=alice');
EXECUTE try(:'alice', '1.1', 'exempt');
-- the chain's row: another time, another certificate, the rest of the chain
SELECT kind, found, holds FROM pg_cert_policy_check('regress_cert_alice', :'alice', at => '2120-02-01 00:00:00+00') WHERE kind = 'chain';
-- OpenSSL's words for it grew longer with 3.5
SELECT kind, left(found, 28) AS found, holds FROM pg_cert_policy_check('regress_cert_alice', :'alice', at => '2019-02-01 00:00:00+00') WHERE kind = 'chain';
SELECT kind, holds FROM pg_cert_policy_check('regress_cert_alice', :'root1' || :'root2') WHERE kind = 'chain';
-- PEM, DER, and DER as a bare literal give the same
SELECT decode(replace(substr(:'alice', 28, length(:'alice') - 53), E'\n', ''), 'base64') AS der \gset
WITH a AS (SELECT * FROM pg_cert_policy_check('regress_cert_alice', :'alice', at => :'when')),
     b AS (SELECT * FROM pg_cert_policy_check('regress_cert_alice', :'der'::bytea, at => :'when')),
     c AS (SELECT * FROM pg_cert_policy_check('regress_cert_alice', :'der', at => :'when'))
SELECT (SELECT count(*) FROM a) AS rows,
       NOT EXISTS ((TABLE a EXCEPT TABLE b) UNION ALL (TABLE b EXCEPT TABLE a)) AS der,
       NOT EXISTS ((TABLE a EXCEPT TABLE c) UNION ALL (TABLE c EXCEPT TABLE a)) AS literal;

--
-- errors
--
CREATE FUNCTION regress_cert_error(statement text, OUT code text, OUT message text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  code := 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  -- OpenSSL's own words change with its version
  message := regexp_replace(message, '(cannot be read:) .*', '\1 ...');
END $$;
SELECT e.* FROM (VALUES
  (1, $$SELECT pg_cert_policy_check(NULL, 'x')$$),
  (2, $$SELECT pg_cert_policy_check('regress_cert_nobody', 'x')$$),
  (3, $$SELECT pg_cert_policy_check('regress_cert_alice', 'x', database => 'regress_cert_nowhere')$$),
  (4, $$SELECT pg_cert_policy_check('regress_cert_alice', NULL, tls => '2')$$),
  (5, $$SELECT pg_cert_policy_check('regress_cert_alice', NULL, at => 'infinity')$$),
  (6, $$SELECT pg_cert_policy_check('regress_cert_alice', NULL, policy => 'foo=bar')$$),
  (7, $$SELECT pg_cert_policy_check('regress_cert_alice', NULL, policy => '')$$),
  (8, $$SELECT pg_cert_policy_check('regress_cert_alice', '')$$),
  (9, $$SELECT pg_cert_policy_check('regress_cert_alice', ''::bytea)$$),
  (10, $$SELECT pg_cert_policy_check('regress_cert_alice', 'garbage')$$),
  (11, $$SELECT pg_cert_policy_check('regress_cert_alice', '\x3082ffff00')$$),
  (12, $$SELECT pg_cert_policy_check('regress_cert_alice', E'-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n')$$),
  (13, $$SELECT pg_cert_policy_check('regress_cert_alice', repeat('a', 1000000))$$),
  (14, $$SELECT pg_cert_policy_check('regress_cert_alice', decode(repeat('3082ffff', 250000), 'hex'))$$),
  (15, $$SELECT pg_cert_policy_for('regress_cert_nobody')$$),
  (16, $$SELECT pg_cert_policy_for('regress_cert_alice', 'regress_cert_nowhere')$$)
) AS s(n, statement), regress_cert_error(s.statement) AS e ORDER BY n;
-- a certificate followed by something else
SELECT e.* FROM regress_cert_error(format('SELECT pg_cert_policy_check(%L, %L::bytea)',
  'regress_cert_alice', :'der' || '00')) AS e;
-- a thousand certificates, and one more
SELECT found, holds FROM pg_cert_policy_check('regress_cert_alice', repeat(:'alice', 1000)) WHERE kind = 'chain';
SELECT e.* FROM regress_cert_error(format('SELECT pg_cert_policy_check(%L, %L)',
  'regress_cert_alice', repeat(:'alice', 1001))) AS e;

--
-- which policies apply, and through what
--
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS NULL;
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_all IS 'mode=log local=allow max_lifetime=90d';
SELECT * FROM pg_cert_policy_for('regress_cert_alice') ORDER BY kind, name;
SELECT * FROM pg_cert_policy_for('regress_cert_team', '') ORDER BY kind, name;
SELECT * FROM pg_cert_policy_for('regress_cert_monitor', '');
SELECT * FROM pg_cert_policy_for(NULL);
SECURITY LABEL FOR pg_cert_policy ON ROLE regress_cert_alice IS 'exempt';
SELECT * FROM pg_cert_policy_for('regress_cert_alice');
SELECT kind, name, policy, valid, problem, covers FROM pg_cert_policies ORDER BY kind, name;

--
-- who may call what
--
SET ROLE regress_cert_alice;
SELECT count(*) FROM pg_trusted_ca_names();
SELECT count(*) FROM pg_cert_policies;
SELECT count(*) FROM pg_cert_policy_for('regress_cert_alice');
SELECT count(*) FROM pg_cert_policy_check('regress_cert_alice', NULL::text);
SELECT count(*) FROM pg_cert_policy_check('regress_cert_alice', NULL::bytea);
SET ROLE regress_cert_monitor;
SELECT count(*) FROM pg_cert_policy_check('regress_cert_alice', NULL::text);
SELECT count(*) FROM pg_cert_policy_check('regress_cert_alice', NULL::bytea);
RESET ROLE;

--
-- a CA file that cannot be read: the reason is not for everybody
--
\set VERBOSITY terse
COPY (SELECT 'nothing') TO :'ca_path';
SELECT * FROM pg_trusted_ca_names();
SELECT * FROM pg_cert_policy_check('regress_cert_alice', :'alice');
\set VERBOSITY default
SET ROLE regress_cert_alice;
SELECT * FROM pg_trusted_ca_names();
RESET ROLE;

ALTER SYSTEM RESET ssl_ca_file;
SELECT pg_reload_conf();
SECURITY LABEL FOR pg_cert_policy ON DATABASE contrib_regression IS NULL;
DROP FUNCTION regress_cert_error;
DROP ROLE regress_cert_alice, regress_cert_team, regress_cert_all, regress_cert_monitor;
DROP EXTENSION pg_cert_policy;
