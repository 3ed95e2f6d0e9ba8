/*
 * compat.h
 *		What differs between the PostgreSQL versions that we support.
 */
#ifndef PGCP_COMPAT_H
#define PGCP_COMPAT_H

#include "postgres.h"

#include "catalog/pg_authid.h"
#include "catalog/pg_auth_members.h"
#include "fmgr.h"
#include "funcapi.h"
#include "libpq/libpq-be.h"
#include "libpq/libpq.h"
#include "miscadmin.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"

#ifndef USE_OPENSSL
#error "pg_cert_policy needs a PostgreSQL that was built with OpenSSL"
#endif

/* 14 gave the predefined roles' symbols their present names. */
#if PG_VERSION_NUM < 140000
#define ROLE_PG_READ_ALL_SETTINGS DEFAULT_ROLE_READ_ALL_SETTINGS
#define ROLE_PG_READ_ALL_STATS DEFAULT_ROLE_READ_ALL_STATS
#endif

/* ssl_crl_dir came with 14. */
#if PG_VERSION_NUM >= 140000
#define pgcp_ssl_crl_dir() (ssl_crl_dir)
#else
#define pgcp_ssl_crl_dir() ("")
#endif

/* 18 calls the list of ciphers for TLS 1.2 and older by another name. */
#if PG_VERSION_NUM >= 180000
#define pgcp_ssl_ciphers() (SSLCipherList)
#else
#define pgcp_ssl_ciphers() (SSLCipherSuites)
#endif

#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * From 15 on there is a hook in which to ask for shared memory; before, the
 * time is now.  Returns the hook that was there, to be called by the new one.
 */
#if PG_VERSION_NUM < 150000
typedef void (*shmem_request_hook_type) (void);
#endif

static inline shmem_request_hook_type
pgcp_on_shmem_request(shmem_request_hook_type request)
{
#if PG_VERSION_NUM >= 150000
	shmem_request_hook_type previous = shmem_request_hook;

	shmem_request_hook = request;
	return previous;
#else
	request();
	return NULL;
#endif
}

/* A hash table in shared memory, with room for so many from the start. */
static inline HTAB *
pgcp_shmem_hash(const char *name, int n, HASHCTL *how, int flags)
{
#if PG_VERSION_NUM >= 190000
	return ShmemInitHash(name, n, how, flags);
#else
	return ShmemInitHash(name, n, n, how, flags);
#endif
}

/*
 * From 16 on a membership says what it is good for.  One with neither INHERIT
 * nor SET is what a creator holds over the roles it made; it gives no use of
 * the role, so the role's policy does not reach the member.
 */
static inline bool
pgcp_membership_counts(Form_pg_auth_members membership)
{
#if PG_VERSION_NUM >= 160000
	return membership->inherit_option || membership->set_option;
#else
	(void) membership;
	return true;
#endif
}

/*
 * A warning for a client that is still logging in can be left with the server
 * from 19 on; before, there is no way to get one through.
 */
static inline void
pgcp_warn_client(const char *message, const char *detail)
{
#if PG_VERSION_NUM >= 190000
	MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

	StoreConnectionWarning(pstrdup(message), pstrdup(detail), NULL);
	MemoryContextSwitchTo(caller);
#else
	(void) message;
	(void) detail;
#endif
}

/* Prepares a set-returning function that fills a tuplestore in one call. */
static inline void
pgcp_materialize(FunctionCallInfo fcinfo)
{
#if PG_VERSION_NUM >= 150000
	InitMaterializedSRF(fcinfo, 0);
#else
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext caller;
	TupleDesc	tupdesc;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	caller = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult =
		tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
							  false, work_mem);
	rsinfo->setDesc = tupdesc;
	MemoryContextSwitchTo(caller);
#endif
}

/* Adds a row to what pgcp_materialize() began. */
static inline void
pgcp_put_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

#endif							/* PGCP_COMPAT_H */
