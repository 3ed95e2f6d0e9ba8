/*
 * choice.h
 *		Candidates, judged and ranked, and what became of them.
 */
#ifndef PGCS_CHOICE_H
#define PGCS_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundle.h"
#include "pgcertsel.h"
#include "reason.h"
#include "request.h"

/* How sure a usable candidate is; a better one is smaller. */
typedef enum PgcsDoubt
{
	PGCS_DOUBT_NONE,
	PGCS_DOUBT_NAME_ONLY,		/* the CA's name fits, its key is not known */
	PGCS_DOUBT_SPECIFIC,		/* something tells against it */
} PgcsDoubt;

struct pgcs_candidate
{
	const pgcs_identity *identity;
	PgcsReasons reasons;		/* of the request; the identity has its own */
	pgcs_verdict verdict;
	pgcs_verdict *host_verdicts;
	size_t		n_hosts;
	bool		confirmed;		/* a handshake proved it */
	bool		presumed;		/* unusable by what holds for most servers, so
								 * that a handshake may prove otherwise */

	/* what ranking looks at */
	bool		cn_is_role;
	PgcsDoubt	doubt;
	bool		top_announced;
	bool		complete;
};

struct pgcs_choice
{
	pgcs_bundle *bundle;
	pgcs_request *request;
	char	   *user;			/* the role, or NULL */
	int64_t		now;
	pgcs_candidate **candidates;	/* judged, the best first */
	size_t		n_candidates;
	pgcs_candidate *bounds;		/* what the others could be at best */
	pgcs_candidate **waiting;	/* those of them not judged yet, in order */
	size_t		n_waiting;
	pgcs_status status;
	char	   *text;
	pgcs_candidate *winner;		/* of FOUND */
	pgcs_candidate *rival;
	bool		strict;
	bool		unnamed;		/* some host asks, but names no CA */
	bool		policy_known;
};

/* What judging needs besides the candidate; all of it read only. */
typedef struct PgcsJudging
{
	const pgcs_selector *sel;
	const pgcs_bundle *bundle;
	const pgcs_request *request;
	const char *user;			/* the role, or NULL */
	int64_t		now;
} PgcsJudging;

/* judge_candidate.c */

/* NULL when memory is out or OpenSSL fails for want of it. */
extern pgcs_candidate *pgcs_judge_candidate(const PgcsJudging *judging,
											const pgcs_identity *identity);
extern void pgcs_candidate_free(pgcs_candidate *candidate);

/* Sets verdicts and doubt anew from the reasons. */
extern void pgcs_candidate_conclude(pgcs_candidate *candidate);

extern bool pgcs_cn_is_role(const pgcs_identity *identity, const char *role);

/* rank.c */
extern void pgcs_rank(pgcs_candidate **candidates, size_t n);

/* Negative if a comes first; never 0 for two files. */
extern int	pgcs_compare_candidates(const pgcs_candidate *a, const pgcs_candidate *b);

/* Different identities that nothing but dates, keys and paths tells apart? */
extern bool pgcs_is_rival(const pgcs_candidate *a, const pgcs_candidate *b);

/* contest.c: all are false when memory is out. */

/* Lines up the identities that can fit; all of them, if all are asked for. */
extern bool pgcs_line_up(pgcs_choice *choice, bool all);

/*
 * Judges as many as it takes to know the best, and whether it has a rival;
 * then candidates[0] is the best.
 */
extern bool pgcs_find_best(pgcs_selector *sel, pgcs_choice *choice);
extern bool pgcs_judge_waiting(pgcs_selector *sel, pgcs_choice *choice);

/* choice.c */

/* Finds the best and chooses.  False: no memory. */
extern bool pgcs_choice_decide(pgcs_selector *sel, pgcs_choice *choice);

/* load.c */

typedef enum PgcsLoad
{
	PGCS_LOAD_DONE,
	PGCS_LOAD_REFUSED,			/* with a reason added */
	PGCS_LOAD_CHANGED,			/* the files are not those that were judged */
	PGCS_LOAD_NO_MEMORY,
} PgcsLoad;

/* Opens a candidate's files as libpq will. */
extern PgcsLoad pgcs_load_candidate(pgcs_selector *sel,
									pgcs_candidate *candidate);

/* Have its files been replaced since they were judged? */
extern bool pgcs_files_changed(const pgcs_identity *identity);

/* chain.c */

/* What a server's OpenSSL says of a certificate with what comes along. */
typedef struct PgcsVerification
{
	int			error;			/* X509_V_OK, or the first error */
	int			depth;
	X509	   *cert;			/* where it is; held */
	STACK_OF(X509) *chain;		/* as far as it was built; held */
} PgcsVerification;

typedef struct PgcsVerify
{
	X509	   *leaf;
	STACK_OF(X509) *sent;		/* leaf first */
	X509_STORE *anchors;
	bool		partial;		/* anchors need not be roots */
	bool		tolerate_missing;	/* an issuer that is not there is no error */
	int			auth_level;
	int64_t		now;
} PgcsVerify;

/* False when memory is out. */
extern bool pgcs_verify(const PgcsVerify *request, PgcsVerification *result);
extern void pgcs_verification_free(PgcsVerification *result);

/* Is its issuer its subject, by name? */
extern bool pgcs_is_self_issued(X509 *cert);

/* Is the very certificate among these, of which there may be none? */
extern bool pgcs_is_among(X509 *cert, const STACK_OF(X509) *certs);

/* Is it an error of an issuer that is not there? */
extern bool pgcs_error_is_missing_issuer(int error);

/* What libpq will send, leaf first; the caller frees it.  NULL: no memory. */
extern STACK_OF(X509) *pgcs_sent_chain(const pgcs_bundle *bundle,
									   const pgcs_identity *identity);

/*
 * Which of the sent certificates can be reached from the leaf by way of
 * issuer names; the caller frees the list, not what is in it.
 */
extern STACK_OF(X509) *pgcs_reachable(STACK_OF(X509) *sent);

/* top.c */

/* Where a chain ends, from bad to good. */
typedef enum PgcsTopKind
{
	PGCS_TOP_NONE,				/* at nothing that is announced */
	PGCS_TOP_INTERMEDIATE,		/* at an intermediate whose issuer is not */
	PGCS_TOP_TWIN,				/* at a name whose certificates held locally
								 * did not issue it */
	PGCS_TOP_UNKNOWN,			/* at a name of which nothing is held */
	PGCS_TOP_HELD,				/* at a root that is held */
} PgcsTopKind;

typedef struct PgcsTop
{
	PgcsTopKind kind;
	const PgcsLocalCa *ca;		/* where it ends, if that is held */
	const PgcsLocalCa *twin;	/* another root of the same name */
} PgcsTop;

extern PgcsTop pgcs_find_top(const pgcs_bundle *bundle, const PgcsHost *host,
							 STACK_OF(X509) *sent);

#endif							/* PGCS_CHOICE_H */
