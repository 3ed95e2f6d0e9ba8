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
