/*
 * policy.h
 *		The policy language: text in, tree out.
 *
 *	policy      := 'exempt' | settings? ( 'any' | alternative { 'or' alternative } )
 *	settings    := { setting '=' word }
 *	alternative := clause { clause }
 *	clause      := name ( '=' | '!=' ) value { ',' value }
 *
 * A comma means any of these; another clause means and also; 'or' means
 * another way in.  Whether a text is valid depends on the text alone.
 */
#ifndef PGCERT_POLICY_H
#define PGCERT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "error.h"
#include "facts.h"

/* The longest text of a policy, in bytes. */
#define PGCERT_POLICY_MAX_LEN 1500

typedef enum PgcertClauseKind
{
	PGCERT_CLAUSE_CN,
	PGCERT_CLAUSE_DN,
	PGCERT_CLAUSE_SAN,
	PGCERT_CLAUSE_CA,
	PGCERT_CLAUSE_CA_KEY_SHA256,
	PGCERT_CLAUSE_ISSUER,
	PGCERT_CLAUSE_KEY_SHA256,
	PGCERT_CLAUSE_CERT_SHA256,
	PGCERT_CLAUSE_SERIAL,
	PGCERT_CLAUSE_EKU,
	PGCERT_CLAUSE_POLICY_OID,
	PGCERT_CLAUSE_KEY_TYPE,
	PGCERT_CLAUSE_MIN_SECURITY_BITS,
	PGCERT_CLAUSE_MAX_LIFETIME,
	PGCERT_CLAUSE_MIN_REMAINING,
	PGCERT_CLAUSE_TLS,
} PgcertClauseKind;

/* A pattern of cn and san: literal bytes, "*", and "%role". */
typedef enum PgcertPieceKind
{
	PGCERT_PIECE_LITERAL,
	PGCERT_PIECE_STAR,
	PGCERT_PIECE_ROLE,
} PgcertPieceKind;

typedef struct PgcertPiece
{
	PgcertPieceKind kind;
	char	   *bytes;			/* of a LITERAL */
	size_t		len;
} PgcertPiece;

/* One value; which members are set depends on the clause. */
typedef struct PgcertValue
{
	char	   *text;			/* as written, quotes taken off */
	PgcertPiece *pieces;		/* cn; san except IP */
	size_t		n_pieces;
	PgcertSanType san_type;		/* san */
	X509_NAME  *name;			/* dn, issuer, ca */
	unsigned char *bytes;		/* hashes, serial, san IP */
	size_t		bytes_len;
	char	   *oid;			/* eku, policy_oid: dotted */
	int64_t		number;			/* min_security_bits; durations in seconds;
								 * tls as TLS1_2_VERSION ... */
} PgcertValue;

typedef struct PgcertClause
{
	PgcertClauseKind kind;
	bool		negated;		/* != */
	size_t		position;		/* of its name in the text, from 1 */
	PgcertValue *values;
	size_t		n_values;
} PgcertClause;

typedef struct PgcertAlternative
{
	PgcertClause *clauses;
	size_t		n_clauses;
} PgcertAlternative;

/* Settings; UNSET where the text says nothing. */
typedef enum PgcertMode
{
	PGCERT_MODE_UNSET,
	PGCERT_MODE_ENFORCE,
	PGCERT_MODE_LOG,
} PgcertMode;

typedef enum PgcertLocal
{
	PGCERT_LOCAL_UNSET,
	PGCERT_LOCAL_PEER,
	PGCERT_LOCAL_ALLOW,
	PGCERT_LOCAL_REJECT,
} PgcertLocal;

typedef enum PgcertOnExpiry
{
	PGCERT_ON_EXPIRY_UNSET,
	PGCERT_ON_EXPIRY_KEEP,
	PGCERT_ON_EXPIRY_DISCONNECT,
} PgcertOnExpiry;

typedef struct PgcertPolicy
{
	bool		exempt;			/* nothing else is set then */
	bool		any;			/* no alternatives then */
	PgcertMode	mode;
	PgcertLocal local;
	PgcertOnExpiry on_expiry;
	PgcertAlternative *alternatives;
	size_t		n_alternatives;
} PgcertPolicy;

/*
 * Reads a policy.  Returns NULL with *error filled in, position and clause
 * included, if the text is not one.  Free with pgcert_policy_free(), which
 * takes NULL.
 */
extern PgcertPolicy *pgcert_policy_parse(const char *text, PgcertError *error);
extern void pgcert_policy_free(PgcertPolicy *policy);

/* "cn", "dn", ... */
extern const char *pgcert_clause_name(PgcertClauseKind kind);

/* Does some alternative ask for issuer, but for neither ca nor ca_key_sha256? */
extern bool pgcert_policy_trusts_issuer_alone(const PgcertPolicy *policy);

/* Is there a cn that holds a literal only (no "%role", no "*")? */
extern bool pgcert_policy_has_literal_cn(const PgcertPolicy *policy);

#endif							/* PGCERT_POLICY_H */
