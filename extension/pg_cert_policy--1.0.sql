/* extension/pg_cert_policy--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION pg_cert_policy" to load this file. \quit

--
-- Loads the library, so that the label provider is known in this session, and
-- warns if logins are not being checked.
--
CREATE FUNCTION pg_cert_policy_created()
RETURNS pg_catalog.void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_created';

SELECT pg_cert_policy_created();

DROP FUNCTION pg_cert_policy_created();

--
-- The CAs that the server trusts
--
CREATE FUNCTION pg_trusted_ca_names(
    OUT "position" pg_catalog.int4,
    OUT name pg_catalog.text,
    OUT name_der pg_catalog.bytea,
    OUT source pg_catalog.text)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pg_trusted_ca_names';

COMMENT ON FUNCTION pg_trusted_ca_names() IS
'the CAs that the server names when it asks for a client certificate, one row each. position: from 1, in the order of the handshake. name: as RFC 4514 writes it; outside UTF-8 databases bytes beyond ASCII are written \XX. name_der: its DER. source: session, the list of this very TLS connection, or file, the list that ssl_ca_file as it is now would give, in a session without TLS. No row if the server asks for no certificate. Raises an error if the file cannot be read; the reason is shown to members of pg_read_all_settings. Everybody may call it: the list is sent to anyone who connects';

CREATE FUNCTION pg_trusted_cas(
    OUT "position" pg_catalog.int4,
    OUT subject pg_catalog.text,
    OUT subject_der pg_catalog.bytea,
    OUT issuer pg_catalog.text,
    OUT serial pg_catalog.text,
    OUT not_before pg_catalog.timestamptz,
    OUT not_after pg_catalog.timestamptz,
    OUT cert_sha256 pg_catalog.text,
    OUT key_sha256 pg_catalog.text,
    OUT key_id pg_catalog.text,
    OUT key_type pg_catalog.text,
    OUT security_bits pg_catalog.int4,
    OUT self_signed pg_catalog.bool,
    OUT announced pg_catalog.bool,
    OUT can_anchor pg_catalog.bool,
    OUT certificate pg_catalog.bytea,
    OUT problems pg_catalog.text[])
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'pg_trusted_cas';

COMMENT ON FUNCTION pg_trusted_cas() IS
'the rows of the view pg_trusted_cas';

CREATE VIEW pg_trusted_cas AS
SELECT c."position", c.subject, c.subject_der, c.issuer, c.serial,
       c.not_before, c.not_after, c.cert_sha256, c.key_sha256, c.key_id,
       c.key_type, c.security_bits, c.self_signed, c.announced, c.can_anchor,
       c.certificate, c.problems
FROM pg_trusted_cas() AS c;

COMMENT ON VIEW pg_trusted_cas IS
'the certificates in ssl_ca_file, and what is wrong with them. In a TLS session those that its server had loaded, and those that are on disk now; elsewhere those on disk. A file that cannot be read is a row with problems alone; the reason is for members of pg_read_all_settings';
COMMENT ON COLUMN pg_trusted_cas."position" IS
'from 1, in the order of the file; at the end what is in this session alone';
COMMENT ON COLUMN pg_trusted_cas.subject IS
'whose certificate, as RFC 4514 writes it; outside UTF-8 databases bytes beyond ASCII are written \XX';
COMMENT ON COLUMN pg_trusted_cas.subject_der IS
'the same in DER';
COMMENT ON COLUMN pg_trusted_cas.issuer IS
'by whom';
COMMENT ON COLUMN pg_trusted_cas.serial IS
'the serial number, in hex';
COMMENT ON COLUMN pg_trusted_cas.not_before IS
'valid from; null if it does not decode';
COMMENT ON COLUMN pg_trusted_cas.not_after IS
'valid until; null if it does not decode';
COMMENT ON COLUMN pg_trusted_cas.cert_sha256 IS
'SHA-256 of the certificate, in hex';
COMMENT ON COLUMN pg_trusted_cas.key_sha256 IS
'SHA-256 of its SubjectPublicKeyInfo, in hex: what the clause ca_key_sha256 takes';
COMMENT ON COLUMN pg_trusted_cas.key_id IS
'its subjectKeyIdentifier, in hex; null if it has none';
COMMENT ON COLUMN pg_trusted_cas.key_type IS
'RSA, RSA-PSS, EC, Ed25519, Ed448; null for any other';
COMMENT ON COLUMN pg_trusted_cas.security_bits IS
'the strength of its key, in OpenSSL''s security bits; 0 if not known';
COMMENT ON COLUMN pg_trusted_cas.self_signed IS
'is it a root, as OpenSSL sees it: issuer and subject are the same, and its key identifiers, if it has any?';
COMMENT ON COLUMN pg_trusted_cas.announced IS
'is its name in the list that the server sends?';
COMMENT ON COLUMN pg_trusted_cas.can_anchor IS
'can the chain of a client''s certificate really end here? An intermediate cannot, nor what is expired, is no CA, or is too weak for the server''s TLS';
COMMENT ON COLUMN pg_trusted_cas.certificate IS
'the certificate itself, in DER';
COMMENT ON COLUMN pg_trusted_cas.problems IS
'what is wrong with it, in words; null if nothing is';

GRANT SELECT ON pg_trusted_cas TO PUBLIC;

CREATE FUNCTION pg_tls_expiry(
    OUT setting pg_catalog.text,
    OUT subject pg_catalog.text,
    OUT not_after pg_catalog.timestamptz)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_tls_expiry';

COMMENT ON FUNCTION pg_tls_expiry() IS
'the rows of the view pg_tls_expiry';

CREATE VIEW pg_tls_expiry AS
SELECT e.setting, e.subject, e.not_after,
       e.not_after OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp() AS remaining,
       pg_catalog.floor(pg_catalog.date_part('epoch', e.not_after)
                        OPERATOR(pg_catalog.-)
                        pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()))::pg_catalog.int8
         AS remaining_seconds
FROM pg_tls_expiry() AS e;

COMMENT ON VIEW pg_tls_expiry IS
'when each certificate and certificate revocation list that the server is configured with runs out, by the files as they are now. A file that cannot be read gives a row without subject, and a warning with the reason';
COMMENT ON COLUMN pg_tls_expiry.setting IS
'ssl_cert_file (if ssl is on), ssl_ca_file, ssl_crl_file or ssl_crl_dir';
COMMENT ON COLUMN pg_tls_expiry.subject IS
'of a certificate, or the issuer of a revocation list; null if the file cannot be read';
COMMENT ON COLUMN pg_tls_expiry.not_after IS
'the end of a certificate, or the next update of a revocation list; null if it has none';
COMMENT ON COLUMN pg_tls_expiry.remaining IS
'until then; negative if it has passed';
COMMENT ON COLUMN pg_tls_expiry.remaining_seconds IS
'the same in seconds, for monitoring';

-- It names the server's own certificate and lists, and why a file cannot be read.
REVOKE ALL ON FUNCTION pg_tls_expiry() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_tls_expiry() TO pg_monitor;
REVOKE ALL ON pg_tls_expiry FROM PUBLIC;
GRANT SELECT ON pg_tls_expiry TO pg_monitor;

--
-- The policies that are set
--
CREATE FUNCTION pg_cert_policies(
    OUT kind pg_catalog.text,
    OUT name pg_catalog.name,
    OUT policy pg_catalog.text,
    OUT parsed pg_catalog.jsonb,
    OUT valid pg_catalog.bool,
    OUT problem pg_catalog.text,
    OUT covers pg_catalog.int8)
RETURNS SETOF pg_catalog.record
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policies';

COMMENT ON FUNCTION pg_cert_policies() IS
'the rows of the view pg_cert_policies';

CREATE VIEW pg_cert_policies AS
SELECT p.kind, p.name, p.policy, p.parsed, p.valid, p.problem, p.covers
FROM pg_cert_policies() AS p;

COMMENT ON VIEW pg_cert_policies IS
'every certificate policy: those of roles and databases, and default_policy';
COMMENT ON COLUMN pg_cert_policies.kind IS
'role, database or default';
COMMENT ON COLUMN pg_cert_policies.name IS
'the role or database; null for the default';
COMMENT ON COLUMN pg_cert_policies.policy IS
'the text of the policy; null if it is stored out of line, where a login cannot read it';
COMMENT ON COLUMN pg_cert_policies.parsed IS
'the policy as a tree: settings, and alternatives as arrays of clauses; null unless valid';
COMMENT ON COLUMN pg_cert_policies.valid IS
'can the policy be read? One that cannot rejects every login that it covers';
COMMENT ON COLUMN pg_cert_policies.problem IS
'why it cannot be read, with clause and position in bytes; null if valid';
COMMENT ON COLUMN pg_cert_policies.covers IS
'how many roles that can log in it applies to, by themselves or as members';

GRANT SELECT ON pg_cert_policies TO PUBLIC;

CREATE FUNCTION pg_cert_policy_for(
    role pg_catalog.name,
    database pg_catalog.name DEFAULT pg_catalog.current_database(),
    OUT kind pg_catalog.text,
    OUT name pg_catalog.name,
    OUT through pg_catalog.name[],
    OUT policy pg_catalog.text,
    OUT mode pg_catalog.text,
    OUT local pg_catalog.text,
    OUT valid pg_catalog.bool,
    OUT problem pg_catalog.text)
RETURNS SETOF pg_catalog.record
LANGUAGE C STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_for';

COMMENT ON FUNCTION pg_cert_policy_for(pg_catalog.name, pg_catalog.name) IS
'the policies that a login of the role into the database meets, of which each must accept. The database is the current one unless given; empty stands for physical replication, which has none. kind: role, group, database or default. name: whose policy, null for the default. through: for a group, the groups by which the role belongs to it, empty if directly. mode: enforce, log (recorded only) or off. local: peer, allow or reject, what it does with Unix-domain sockets. valid, problem: as in pg_cert_policies. An exempt role shows that label alone; one in exempt_roles shows nothing. No row if an argument is null. Raises undefined_object or undefined_database if role or database do not exist';

CREATE FUNCTION pg_cert_policy_export()
RETURNS SETOF pg_catalog.text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_export';

COMMENT ON FUNCTION pg_cert_policy_export() IS
'every certificate policy as SQL, one line each, to be run by a superuser. It restores what pg_dumpall leaves out: the labels of the databases postgres and template1, and default_policy. A policy that cannot be set again, because it cannot be read, is a comment. Not to be run in a single transaction if there is a default_policy. For superusers';

REVOKE ALL ON FUNCTION pg_cert_policy_export() FROM PUBLIC;

--
-- The dry run
--
CREATE FUNCTION pg_cert_policy_check(
    role pg_catalog.name,
    certificate pg_catalog.bytea,
    database pg_catalog.name DEFAULT NULL,
    tls pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT NULL,
    policy pg_catalog.text DEFAULT NULL,
    OUT kind pg_catalog.text,
    OUT policy_of pg_catalog.text,
    OUT alternative pg_catalog.int4,
    OUT clause pg_catalog.text,
    OUT required pg_catalog.text,
    OUT found pg_catalog.text,
    OUT holds pg_catalog.bool)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_check_bytea';

CREATE FUNCTION pg_cert_policy_check(
    role pg_catalog.name,
    certificate pg_catalog.text,
    database pg_catalog.name DEFAULT NULL,
    tls pg_catalog.text DEFAULT NULL,
    "at" pg_catalog.timestamptz DEFAULT NULL,
    policy pg_catalog.text DEFAULT NULL,
    OUT kind pg_catalog.text,
    OUT policy_of pg_catalog.text,
    OUT alternative pg_catalog.int4,
    OUT clause pg_catalog.text,
    OUT required pg_catalog.text,
    OUT found pg_catalog.text,
    OUT holds pg_catalog.bool)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_check_text';

COMMENT ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.bytea, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) IS
'tries a login of the role with a certificate, without logging in. certificate: DER or PEM, the leaf first and its chain behind it; null for a login without. database: the current one unless given; empty for physical replication. tls: 1.0, 1.1, 1.2, 1.3 (unless given), none or gss. at: the time of the login, now unless given. policy: a text to try in place of the role''s own label. A null argument stands for its default. One row of kind chain: would the server''s TLS, with its files as they are now, take the connection. Rows of kind clause: policy_of, alternative (from 1), clause, what is required and what was found. One last row of kind verdict: holds if the login would be let in, else found has the reasons, whatever mode and enforce say. Raises undefined_object, undefined_database, invalid_name for a policy, invalid_binary_representation for a certificate that cannot be read, and config_file_error if the server''s files cannot be read. For members of pg_monitor';

COMMENT ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.text, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) IS
'the same with the certificate as text: PEM, or DER in the hex form of a bytea (\x...)';

-- It reads the server's files, and policies and certificates together tell an
-- attacker what to forge.
REVOKE ALL ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.bytea, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) FROM PUBLIC;
REVOKE ALL ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.text, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.bytea, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) TO pg_monitor;
GRANT EXECUTE ON FUNCTION pg_cert_policy_check(pg_catalog.name, pg_catalog.text, pg_catalog.name, pg_catalog.text, pg_catalog.timestamptz, pg_catalog.text) TO pg_monitor;

--
-- Logins and sessions, watched
--
CREATE FUNCTION pg_cert_sessions(
    OUT pid pg_catalog.int4,
    OUT role_oid pg_catalog.oid,
    OUT database_oid pg_catalog.oid,
    OUT subject pg_catalog.text,
    OUT issuer pg_catalog.text,
    OUT sans pg_catalog.text[],
    OUT ekus pg_catalog.text[],
    OUT serial pg_catalog.text,
    OUT cert_sha256 pg_catalog.text,
    OUT key_sha256 pg_catalog.text,
    OUT not_after pg_catalog.timestamptz,
    OUT chain_kept pg_catalog.bool,
    OUT accepted_now pg_catalog.bool,
    OUT reason pg_catalog.text)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_sessions';

COMMENT ON FUNCTION pg_cert_sessions() IS
'the rows of the view pg_cert_sessions, role and database by OID';

CREATE VIEW pg_cert_sessions AS
SELECT s.pid, r.rolname AS role, d.datname AS database,
       s.subject, s.issuer, s.sans, s.ekus, s.serial, s.cert_sha256,
       s.key_sha256, s.not_after,
       s.not_after OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp() AS remaining,
       s.chain_kept, s.accepted_now, s.reason
FROM pg_cert_sessions() AS s
     LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.role_oid
     LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.database_oid;

COMMENT ON VIEW pg_cert_sessions IS
'every client session and the certificate it came with, whole. Of sessions of other roles only pid is shown, unless to members of pg_read_all_stats. Empty if the library is not preloaded. Raises an error if the server''s CA or CRL files cannot be read';
COMMENT ON COLUMN pg_cert_sessions.pid IS
'process ID, as in pg_stat_activity';
COMMENT ON COLUMN pg_cert_sessions.role IS
'the role that logged in, by its name of today; null if it was dropped';
COMMENT ON COLUMN pg_cert_sessions.database IS
'the database; null for physical replication';
COMMENT ON COLUMN pg_cert_sessions.subject IS
'subject as RFC 4514 writes it; null without certificate, or if the chain was not kept';
COMMENT ON COLUMN pg_cert_sessions.issuer IS
'the direct issuer''s name as RFC 4514 writes it';
COMMENT ON COLUMN pg_cert_sessions.sans IS
'subjectAltNames as TYPE:value; null if there is no such extension';
COMMENT ON COLUMN pg_cert_sessions.ekus IS
'extended key usages, by name where a policy knows one, else as OID; null if there is no such extension';
COMMENT ON COLUMN pg_cert_sessions.serial IS
'serial number in hex, without leading zero bytes';
COMMENT ON COLUMN pg_cert_sessions.cert_sha256 IS
'SHA-256 of the certificate, in hex';
COMMENT ON COLUMN pg_cert_sessions.key_sha256 IS
'SHA-256 of its SubjectPublicKeyInfo, in hex';
COMMENT ON COLUMN pg_cert_sessions.not_after IS
'end of the certificate''s validity; null without certificate';
COMMENT ON COLUMN pg_cert_sessions.remaining IS
'time until not_after; negative once it has passed';
COMMENT ON COLUMN pg_cert_sessions.chain_kept IS
'is the verified chain kept, so that the session can be judged again? It is not if it has more than pg_cert_policy.session_bytes; null without certificate';
COMMENT ON COLUMN pg_cert_sessions.accepted_now IS
'would the login be accepted by today''s policies, CAs and CRLs? The certificate''s dates are not looked at';
COMMENT ON COLUMN pg_cert_sessions.reason IS
'why it would not be accepted; null if it would';

GRANT SELECT ON pg_cert_sessions TO PUBLIC;

CREATE FUNCTION pg_cert_policy_recheck(
    OUT pid pg_catalog.int4,
    OUT role pg_catalog.name,
    OUT reason pg_catalog.text)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_recheck';

COMMENT ON FUNCTION pg_cert_policy_recheck() IS
'judges every session again by today''s policies, CAs and CRLs, ends those that fail, and returns them with the reason. Under enforce=log or a policy''s mode=log it writes to the log what it would end; under enforce=off it does nothing. Raises an error, and ends nobody, if the server''s CA or CRL files cannot be read. For superusers';

REVOKE ALL ON FUNCTION pg_cert_policy_recheck() FROM PUBLIC;

CREATE FUNCTION pg_stat_cert_policy(
    OUT role_oid pg_catalog.oid,
    OUT database_oid pg_catalog.oid,
    OUT accepted pg_catalog.int8,
    OUT rejected pg_catalog.int8,
    OUT would_reject pg_catalog.int8,
    OUT last_rejected pg_catalog.timestamptz,
    OUT last_reason pg_catalog.text)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_stat_cert_policy';

COMMENT ON FUNCTION pg_stat_cert_policy() IS
'the rows of the view pg_stat_cert_policy, role and database by OID';

CREATE VIEW pg_stat_cert_policy AS
SELECT r.rolname AS role, d.datname AS database,
       s.accepted, s.rejected, s.would_reject, s.last_rejected, s.last_reason
FROM pg_stat_cert_policy() AS s
     LEFT JOIN pg_catalog.pg_roles AS r ON r.oid OPERATOR(pg_catalog.=) s.role_oid
     LEFT JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.database_oid;

COMMENT ON VIEW pg_stat_cert_policy IS
'how often certificate policies accepted and rejected logins since the server started or the last reset, for the pg_cert_policy.max_tracked pairs of role and database that were used last. Logins to which no policy applies are not counted. A client with sslmode=prefer tries twice, and is counted twice';
COMMENT ON COLUMN pg_stat_cert_policy.role IS
'the role by its name of today; null if it was dropped';
COMMENT ON COLUMN pg_stat_cert_policy.database IS
'the database; null for physical replication';
COMMENT ON COLUMN pg_stat_cert_policy.accepted IS
'logins that every policy accepted';
COMMENT ON COLUMN pg_stat_cert_policy.rejected IS
'logins that a policy turned away';
COMMENT ON COLUMN pg_stat_cert_policy.would_reject IS
'logins that were let in only because of mode=log or enforce=log';
COMMENT ON COLUMN pg_stat_cert_policy.last_rejected IS
'when a login was last rejected, or would have been; null if never';
COMMENT ON COLUMN pg_stat_cert_policy.last_reason IS
'why, of the first policy that did not accept; at most 511 bytes';

REVOKE ALL ON FUNCTION pg_stat_cert_policy() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_stat_cert_policy() TO pg_monitor;
REVOKE ALL ON pg_stat_cert_policy FROM PUBLIC;
GRANT SELECT ON pg_stat_cert_policy TO pg_monitor;

CREATE FUNCTION pg_stat_cert_policy_reset()
RETURNS pg_catalog.void
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_stat_cert_policy_reset';

COMMENT ON FUNCTION pg_stat_cert_policy_reset() IS
'sets the counts of pg_stat_cert_policy back to nothing. For superusers';

REVOKE ALL ON FUNCTION pg_stat_cert_policy_reset() FROM PUBLIC;

CREATE FUNCTION pg_cert_policy_rejections(
    OUT "time" pg_catalog.timestamptz,
    OUT role pg_catalog.name,
    OUT database pg_catalog.name,
    OUT address pg_catalog.inet,
    OUT policy pg_catalog.text,
    OUT clause pg_catalog.text,
    OUT required pg_catalog.text,
    OUT found pg_catalog.text,
    OUT cert_sha256 pg_catalog.text,
    OUT enforced pg_catalog.bool)
RETURNS SETOF pg_catalog.record
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'pg_cert_policy_rejections';

COMMENT ON FUNCTION pg_cert_policy_rejections() IS
'the rows of the view pg_cert_policy_rejections';

CREATE VIEW pg_cert_policy_rejections AS
SELECT r."time", r.role, r.database, r.address, r.policy, r.clause,
       r.required, r.found, r.cert_sha256, r.enforced
FROM pg_cert_policy_rejections() AS r;

COMMENT ON VIEW pg_cert_policy_rejections IS
'the last 256 objections of certificate policies to logins since the server started, the newest first: one row for each policy that did not accept and each of its alternatives';
COMMENT ON COLUMN pg_cert_policy_rejections."time" IS
'when';
COMMENT ON COLUMN pg_cert_policy_rejections.role IS
'the role, by its name of then';
COMMENT ON COLUMN pg_cert_policy_rejections.database IS
'the database that was asked for; null for physical replication';
COMMENT ON COLUMN pg_cert_policy_rejections.address IS
'the client''s address; null over a Unix-domain socket';
COMMENT ON COLUMN pg_cert_policy_rejections.policy IS
'whose policy: role "x", group "x", database "x" or default_policy';
COMMENT ON COLUMN pg_cert_policy_rejections.clause IS
'the first clause that did not hold, or certificate if none was brought; null if the policy cannot be read';
COMMENT ON COLUMN pg_cert_policy_rejections.required IS
'what the clause asks for';
COMMENT ON COLUMN pg_cert_policy_rejections.found IS
'what the certificate has';
COMMENT ON COLUMN pg_cert_policy_rejections.cert_sha256 IS
'SHA-256 of the certificate, in hex; null if none was brought';
COMMENT ON COLUMN pg_cert_policy_rejections.enforced IS
'was the login turned away for it? False under mode=log and enforce=log';

REVOKE ALL ON FUNCTION pg_cert_policy_rejections() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_cert_policy_rejections() TO pg_monitor;
REVOKE ALL ON pg_cert_policy_rejections FROM PUBLIC;
GRANT SELECT ON pg_cert_policy_rejections TO pg_monitor;

--
-- pg_hba.conf and the policies, side by side
--
CREATE VIEW pg_cert_policy_hba AS
WITH RECURSIVE membership AS (
  -- pg_hba.conf does not take superusers for members of everything
  SELECT r.oid AS member, r.oid AS role FROM pg_catalog.pg_roles AS r
  UNION
  SELECT m.member, a.roleid
  FROM membership AS m
       JOIN pg_catalog.pg_auth_members AS a ON a.member OPERATOR(pg_catalog.=) m.role
)
SELECT h.line_number, h.type, h.database, h.user_name, h.address,
       h.auth_method, h.options, h.error,
       h.type OPERATOR(pg_catalog.=) ANY (ARRAY['host', 'hostssl', 'hostnogssenc']) AS can_carry,
       h.auth_method OPERATOR(pg_catalog.=) 'cert'
         OR 'clientcert=verify-ca' OPERATOR(pg_catalog.=) ANY (o.options)
         OR 'clientcert=verify-full' OPERATOR(pg_catalog.=) ANY (o.options) AS requires,
       (h.auth_method OPERATOR(pg_catalog.=) 'cert'
         OR 'clientcert=verify-full' OPERATOR(pg_catalog.=) ANY (o.options))
         AND NOT 'clientname=DN' OPERATOR(pg_catalog.=) ANY (o.options) AS checks_cn,
       c.roles, c.roles_without_policy, c.policies
FROM pg_catalog.pg_hba_file_rules AS h
     CROSS JOIN LATERAL (SELECT COALESCE(h.options, '{}') AS options) AS o
     CROSS JOIN LATERAL (
       SELECT pg_catalog.count(DISTINCT r.oid) AS roles,
              pg_catalog.count(DISTINCT r.oid) FILTER (WHERE p.kind IS NULL) AS roles_without_policy,
              COALESCE(pg_catalog.array_agg(DISTINCT
                         p.kind OPERATOR(pg_catalog.||)
                         COALESCE(' ' OPERATOR(pg_catalog.||) pg_catalog.quote_ident(p.name::pg_catalog.text), '')
                       ) FILTER (WHERE p.kind IS NOT NULL), '{}') AS policies
       FROM pg_catalog.pg_roles AS r
            CROSS JOIN LATERAL pg_catalog.unnest(h.user_name) AS u(name)
            LEFT JOIN LATERAL (
              -- of exactly these types, so that no other function fits better
              SELECT f.kind, f.name FROM pg_cert_policy_for(r.rolname, ''::pg_catalog.name) AS f
              WHERE f.policy OPERATOR(pg_catalog.<>) 'exempt' OR f.policy IS NULL
              UNION ALL
              SELECT d.kind, d.name FROM pg_cert_policies() AS d
              WHERE d.kind OPERATOR(pg_catalog.=) 'database'
                AND (d.name::pg_catalog.text OPERATOR(pg_catalog.=) ANY (h.database)
                     OR 'all' OPERATOR(pg_catalog.=) ANY (h.database))
            ) AS p ON true
       WHERE r.rolcanlogin
         AND (u.name OPERATOR(pg_catalog.=) 'all'
              OR u.name OPERATOR(pg_catalog.=) r.rolname::pg_catalog.text
              OR (pg_catalog.left(u.name, 1) OPERATOR(pg_catalog.=) '+'
                  AND EXISTS (SELECT FROM membership AS m
                                   JOIN pg_catalog.pg_roles AS g ON g.oid OPERATOR(pg_catalog.=) m.role
                              WHERE m.member OPERATOR(pg_catalog.=) r.oid
                                AND g.rolname::pg_catalog.text OPERATOR(pg_catalog.=) pg_catalog.substr(u.name, 2))))
     ) AS c;

COMMENT ON VIEW pg_cert_policy_hba IS
'each rule of pg_hba.conf, and what certificates have to do with it: what the rule itself asks for, and which policies the roles that it names are under. The rows are those of pg_hba_file_rules, and whoever may read that may be given this';
COMMENT ON COLUMN pg_cert_policy_hba.line_number IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.type IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.database IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.user_name IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.address IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.auth_method IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.options IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.error IS
'as in pg_hba_file_rules';
COMMENT ON COLUMN pg_cert_policy_hba.can_carry IS
'can a connection of this rule carry a certificate, that is, can it use TLS?';
COMMENT ON COLUMN pg_cert_policy_hba.requires IS
'does the rule require a certificate (method cert, or clientcert)?';
COMMENT ON COLUMN pg_cert_policy_hba.checks_cn IS
'does the rule compare the certificate''s common name with the role (method cert or clientcert=verify-full, unless clientname=DN)?';
COMMENT ON COLUMN pg_cert_policy_hba.roles IS
'how many roles that can log in the rule names: all, by name, or by +group. Regular expressions are not followed';
COMMENT ON COLUMN pg_cert_policy_hba.roles_without_policy IS
'how many of them no policy applies to';
COMMENT ON COLUMN pg_cert_policy_hba.policies IS
'the policies that apply to some of them: role x, group x, database x, default';

REVOKE ALL ON pg_cert_policy_hba FROM PUBLIC;
