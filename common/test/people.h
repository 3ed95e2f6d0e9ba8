/*
 * people.h
 *		Whose certificates the cases of cases.txt are about.
 */
#ifndef PGCERT_TEST_PEOPLE_H
#define PGCERT_TEST_PEOPLE_H

#include <stdbool.h>

#include "facts.h"
#include "make_cert.h"

#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

typedef enum Who
{
	ALICE,						/* everything in order; from ca "one" */
	ALICE_TWO,					/* same names, from ca "two" */
	FORGED,						/* two made an intermediate named as one */
	BARE,						/* no extensions, no CN */
	TWO_CNS,
	NUL_CN,
	BMP_CN,
	STARS,						/* odd characters in the CN */
	ODD_EKU,					/* any, and one of nobody's */
	BAD_SAN,					/* a NUL in a DNS name */
	EMPTY_SAN,					/* a DNS name of no characters */
	HIGH_SAN,					/* a DNS name beyond ASCII */
	LONG_SAN,					/* something behind the list */
	ODD_UPN,					/* a UPN that is no UTF8String */
	LONG_POLICIES,				/* something behind the list */
	BAD_EKU,					/* does not decode */
	TWICE_EKU,					/* the extension is there twice */
	WEAK,						/* RSA 1024 */
	UNICODE,
	NAMELESS,					/* empty subject, a DNS name */
	SPOILT,						/* negative serial, policies do not decode */
	ANCHOR,						/* its own anchor: no CA in its chain */
	NOBODY,						/* TLS, no certificate */
	PLAIN,						/* no TLS */
	GSS,
	LONE,						/* alice, chain not known: a client's view */
	N_WHO,
} Who;

typedef struct Person
{
	const char *word;			/* in cases.txt */
	PgcertLink	link;
	X509	   *leaf;			/* NULL: no certificate came */
	X509	   *cas[2];			/* above it, or NULL */
	bool		knows_chain;
	PgcertFacts *facts;
} Person;

extern Person people[N_WHO];
extern const TestCert people_wanted[N_WHO];

/* Exits the test if OpenSSL refuses. */
extern void people_make(void);
extern void people_free(void);

/* The one of that word, or NULL. */
extern const Person *people_find(const char *word);

/*
 * Facts of a leaf under the CAs given, of which either may be NULL; NULL if
 * they cannot be read.
 */
extern PgcertFacts *people_facts(X509 *leaf, X509 *ca1, X509 *ca2, bool knows_chain);

#endif							/* PGCERT_TEST_PEOPLE_H */
