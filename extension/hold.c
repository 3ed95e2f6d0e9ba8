/*
 * hold.c
 *		Objects of malloc and OpenSSL, tied to a memory context.
 *
 * ereport() jumps past every free().  So whatever common/ or OpenSSL allocates
 * is held by the current memory context from before it exists: the order is
 * pgcp_hold(), then create, then store it in ->object, and nothing between
 * the last two can raise an error.
 */
#include "postgres.h"

#include "pgcp.h"

static void
release_hold(void *arg)
{
	pgcp_release((PgcpHold *) arg);
}

/* Makes the current memory context the owner of an object yet to be made. */
PgcpHold *
pgcp_hold(void (*release) (void *object))
{
	PgcpHold   *hold = palloc0(sizeof(PgcpHold));

	hold->release = release;
	hold->callback.func = release_hold;
	hold->callback.arg = hold;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &hold->callback);
	return hold;
}

/* Frees the object now rather than with its context.  May be repeated. */
void
pgcp_release(PgcpHold *hold)
{
	if (hold->object != NULL)
		hold->release(hold->object);
	hold->object = NULL;
}

/* Moves a text from malloc to palloc; NULL means that memory was out. */
char *
pgcp_take_text(char *malloced)
{
	char	   *copy = NULL;

	if (malloced != NULL)
	{
		size_t		size = strlen(malloced) + 1;

		copy = palloc_extended(size, MCXT_ALLOC_NO_OOM);
		if (copy != NULL)
			memcpy(copy, malloced, size);
		free(malloced);
	}
	if (copy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return copy;
}

void
pgcp_free_certificate(void *certificate)
{
	X509_free((X509 *) certificate);
}

void
pgcp_free_certificates(void *certificates)
{
	sk_X509_pop_free((STACK_OF(X509) *) certificates, X509_free);
}

void
pgcp_free_facts(void *facts)
{
	pgcert_facts_free((PgcertFacts *) facts);
}

void
pgcp_free_policy(void *policy)
{
	pgcert_policy_free((PgcertPolicy *) policy);
}

void
pgcp_free_verdict(void *verdict)
{
	pgcert_verdict_free((PgcertVerdict *) verdict);
}
