/*
 * cases.h
 *		The table cases.txt, for the C tests.
 */
#ifndef PGCERT_TEST_CASES_H
#define PGCERT_TEST_CASES_H

#include "judge.h"
#include "people.h"

typedef struct Case
{
	const Person *person;
	char		policy[256];	/* hashes in place of @one, @leaf, @cert */
	PgcertTruth truth;
	char		reason[512];	/* as in the table: "" is anything */
} Case;

#define MAX_CASES 1000

extern Case cases[MAX_CASES];
extern size_t n_cases;

/* After people_make().  Exits the test if a line cannot be read. */
extern void cases_read(void);

/* In hexadecimal. */
extern void cases_hash(char hex[2 * PGCERT_SHA256_LEN + 1], PgcertHash *hash, X509 *certificate);

#endif							/* PGCERT_TEST_CASES_H */
