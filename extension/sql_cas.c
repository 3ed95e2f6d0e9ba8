/*
 * sql_cas.c
 *		pg_trusted_cas: the certificates behind the names, and what ails them.
 *
 * In a TLS session those that its server had loaded, compared with the file as
 * it is now; elsewhere those of the file.
 */
#include "postgres.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pgcp.h"

PG_FUNCTION_INFO_V1(pg_trusted_cas);

/* What TLS can carry: 16 bits for the length of the list. */
#define MAX_LIST_BYTES 65535

/* From TLS 1.3 on the list shares these with the other extensions. */
#define OTHER_EXTENSIONS_BYTES 128

/* Below this a key or a signature is weak: OpenSSL's level 2, NIST's limit. */
#define MIN_SECURITY_BITS 112

typedef struct TrustedCa
{
	X509	   *certificate;
	unsigned char key_sha256[PGCERT_SHA256_LEN];
	unsigned char cert_sha256[PGCERT_SHA256_LEN];
	bool		trusted;		/* by this session, or by the file if no TLS */
	bool		on_disk;
} TrustedCa;

typedef struct TrustedCas
{
	bool		in_session;		/* asked in a TLS session? */
	TrustedCa  *cas;
	int			n_cas;
	STACK_OF(X509_NAME) *names; /* announced; NULL: all */
	long		list_bytes;		/* of the announced list, as TLS counts */
	X509_STORE *store;			/* of those that are trusted */
	int			security_level;
} TrustedCas;

static void
free_store(void *store)
{
	X509_STORE_free((X509_STORE *) store);
}

static void
free_store_context(void *context)
{
	X509_STORE_CTX_free((X509_STORE_CTX *) context);
}

static void
report_openssl(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION),
			 errmsg("could not examine a certificate: %s",
					pgcp_openssl_error())));
}

static void
add_ca(TrustedCas *all, X509 *certificate, bool trusted, bool on_disk)
{
	TrustedCa  *ca = &all->cas[all->n_cas++];

	ca->certificate = certificate;
	ca->trusted = trusted;
	ca->on_disk = on_disk;
	if (!pgcert_cert_sha256(certificate, ca->cert_sha256) ||
		!pgcert_key_sha256(certificate, ca->key_sha256))
		report_openssl();
}


/*
 * The rows: those of the file in its order, then those that the session has
 * and the file has not.  Either stack may be NULL.
 */
static void
collect_cas(TrustedCas *all, STACK_OF(X509) *on_disk,
			STACK_OF(X509) *in_session)
{
	int			n_on_disk = on_disk ? sk_X509_num(on_disk) : 0;
	int			n_in_session = in_session ? sk_X509_num(in_session) : 0;

	all->cas = palloc0(sizeof(TrustedCa) * Max(n_on_disk + n_in_session, 1));
	for (int i = 0; i < n_on_disk; i++)
		add_ca(all, sk_X509_value(on_disk, i), !all->in_session, true);
	for (int i = 0; i < n_in_session; i++)
	{
		X509	   *certificate = sk_X509_value(in_session, i);
		bool		found = false;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < n_on_disk; j++)
		{
			if (pgcp_certificate_same(all->cas[j].certificate, certificate))
				all->cas[j].trusted = found = true;
		}
		if (!found)
			add_ca(all, certificate, true, on_disk == NULL);
	}
}

/* How much of a handshake's message a list of names takes. */
static long
list_bytes(STACK_OF(X509_NAME) *names)
{
	long		total = 0;

	for (int i = 0; names != NULL && i < sk_X509_NAME_num(names); i++)
		total += 2 + i2d_X509_NAME(sk_X509_NAME_value(names, i), NULL);
	return total;
}

/* The names that are announced. */
static void
measure_list(TrustedCas *all)
{
	if (all->in_session)
	{
		all->names = pgcp_session_ca_names(MyProcPort);
		all->list_bytes = list_bytes(all->names);
	}
	else if (all->n_cas > 0)
		all->list_bytes = list_bytes(pgcp_ca_file_names());
}

static void
fill_store(TrustedCas *all)
{
	PgcpHold   *hold = pgcp_hold(free_store);

	hold->object = X509_STORE_new();
	if (hold->object == NULL)
		report_openssl();
	for (int i = 0; i < all->n_cas; i++)
	{
		if (all->cas[i].trusted &&
			!X509_STORE_add_cert(hold->object, all->cas[i].certificate))
			report_openssl();
	}
	all->store = hold->object;
	all->security_level = pgcp_security_level();
}

/* Signed with its own key, and not only under its own name? */
static bool
is_self_signed(X509 *certificate)
{
	bool		result;

	result = X509_check_issued(certificate, certificate) == X509_V_OK &&
		X509_verify(certificate, X509_get0_pubkey(certificate)) == 1;
	ERR_clear_error();
	return result;
}

/*
 * OpenSSL's error in building a chain from this certificate to an anchor, as
 * the server would; X509_V_OK if there is one.  One that is its own anchor is
 * asked alone: of several with its name, OpenSSL would take the first, while a
 * client's certificate says by key identifier which it means.
 */
static int
chain_error(const TrustedCas *all, X509 *certificate)
{
	PgcpHold   *alone = pgcp_hold(free_store);
	PgcpHold   *hold = pgcp_hold(free_store_context);
	X509_STORE *store = all->store;
	int			error;

	if (is_self_signed(certificate))
	{
		alone->object = X509_STORE_new();
		if (alone->object == NULL ||
			!X509_STORE_add_cert(alone->object, certificate))
			report_openssl();
		store = alone->object;
	}
	hold->object = X509_STORE_CTX_new();
	if (hold->object == NULL ||
		!X509_STORE_CTX_init(hold->object, store, certificate, NULL))
		report_openssl();
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(hold->object),
									 all->security_level);
	error = X509_verify_cert(hold->object) == 1 ? X509_V_OK :
		X509_STORE_CTX_get_error(hold->object);
	pgcp_release(hold);
	ERR_clear_error();
	return error;
}

static bool
is_announced(const TrustedCas *all, const TrustedCa *ca)
{
	X509_NAME  *subject = X509_get_subject_name(ca->certificate);

	if (!all->in_session)
		return true;
	if (all->names == NULL)
		return false;
	for (int i = 0; i < sk_X509_NAME_num(all->names); i++)
	{
		if (X509_NAME_cmp(sk_X509_NAME_value(all->names, i), subject) == 0)
			return true;
	}
	return false;
}

/* Can a chain of a client's certificate end here? */
static bool
can_anchor(const TrustedCa *ca, int error)
{
	return ca->trusted && error == X509_V_OK &&
		is_self_signed(ca->certificate) &&
		X509_check_purpose(ca->certificate, X509_PURPOSE_SSL_CLIENT, 1) > 0;
}

static void
add_problem(ArrayBuildState **problems, const char *words)
{
	*problems = accumArrayResult(*problems, CStringGetTextDatum(words), false,
								 TEXTOID, CurrentMemoryContext);
}

static void
find_date_problems(X509 *certificate, ArrayBuildState **problems)
{
	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
		add_problem(problems, "expired");
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) >= 0)
		add_problem(problems, "not valid yet");
}

/* What is wrong with it as a CA, alone and in this company. */
static Datum
find_problems(const TrustedCas *all, const TrustedCa *ca, int error,
			  bool *isnull)
{
	ArrayBuildState *problems = NULL;
	X509	   *certificate = ca->certificate;
	bool		self_signed = is_self_signed(certificate);
	int			key_bits = pgcert_key_security_bits(certificate);
	int			signature_bits = pgcert_signature_security_bits(certificate);
	bool		other_key = false;

	find_date_problems(certificate, &problems);
	if (X509_check_ca(certificate) == 0)
		add_problem(&problems, "not a CA but an end-entity certificate: it lets in nobody, unless it is trusted for itself");
	else if (X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 1) <= 0)
		add_problem(&problems, "not a CA for client certificates, by its key usage or extended key usage");
	if (!self_signed && ca->trusted &&
		(error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
		 error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
		 error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE))
		add_problem(&problems, "its root is missing: no chain can end here");
	if (key_bits < MIN_SECURITY_BITS)
		add_problem(&problems, psprintf("weak key: %d bits of security", key_bits));
	if (!self_signed && signature_bits < MIN_SECURITY_BITS)
		add_problem(&problems, psprintf("weak signature: %d bits of security",
										signature_bits));

	for (int i = 0; i < all->n_cas; i++)
	{
		const TrustedCa *other = &all->cas[i];

		if (X509_NAME_cmp(X509_get_subject_name(other->certificate),
						  X509_get_subject_name(certificate)) != 0)
			continue;
		if (memcmp(other->key_sha256, ca->key_sha256, PGCERT_SHA256_LEN) != 0)
			other_key = true;
		else if (other < ca && other->on_disk && ca->on_disk &&
				 memcmp(other->cert_sha256, ca->cert_sha256,
						PGCERT_SHA256_LEN) == 0)
			add_problem(&problems, psprintf("the same certificate as at position %d",
											i + 1));
	}
	if (other_key)
		add_problem(&problems, "another CA here has the same name and another key: only ca_key_sha256 tells them apart");

	if (all->in_session && !ca->trusted)
		add_problem(&problems, "on disk but not in this session");
	if (all->in_session && !ca->on_disk)
		add_problem(&problems, "in this session but no longer on disk");
	if (all->list_bytes > MAX_LIST_BYTES)
		add_problem(&problems, psprintf("list too long for TLS (%ld of %d bytes)",
										all->list_bytes, MAX_LIST_BYTES));
	else if (all->list_bytes > MAX_LIST_BYTES - OTHER_EXTENSIONS_BYTES)
		add_problem(&problems, psprintf("list nearly too long for TLS (%ld of %d bytes, some of which other extensions take)",
										all->list_bytes, MAX_LIST_BYTES));

	*isnull = problems == NULL;
	return problems == NULL ? (Datum) 0 :
		makeArrayResult(problems, CurrentMemoryContext);
}

static Datum
time_or_null(const ASN1_TIME *time, bool *isnull)
{
	int64		seconds;

	*isnull = !pgcert_time_seconds(time, &seconds);
	return *isnull ? (Datum) 0 :
		TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) seconds));
}

static text *
name_words(X509_NAME *name)
{
	return pgcp_text_from_utf8(pgcp_take_text(pgcert_name_text(name)));
}

/* Lower-case hex, as the policy clause "serial" takes it. */
static text *
serial_text(const ASN1_INTEGER *serial)
{
	text	   *hex = pgcp_hex_text(ASN1_STRING_get0_data(serial),
									ASN1_STRING_length(serial));

	if ((ASN1_STRING_type(serial) & V_ASN1_NEG) == 0)
		return hex;
	return cstring_to_text(psprintf("-%s", text_to_cstring(hex)));
}

/* DER as a bytea; length is what the first call of an i2d function gave. */
static bytea *
new_bytea(int length)
{
	bytea	   *result;

	if (length < 0)
		report_openssl();
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	return result;
}

static void
put_ca(FunctionCallInfo fcinfo, const TrustedCas *all, int index)
{
	enum
	{
		COL_POSITION, COL_SUBJECT, COL_SUBJECT_DER, COL_ISSUER, COL_SERIAL,
		COL_NOT_BEFORE, COL_NOT_AFTER, COL_CERT_SHA256, COL_KEY_SHA256,
		COL_KEY_ID, COL_KEY_TYPE, COL_SECURITY_BITS, COL_SELF_SIGNED,
		COL_ANNOUNCED, COL_CAN_ANCHOR, COL_CERTIFICATE, COL_PROBLEMS, N_COLS
	};
	const TrustedCa *ca = &all->cas[index];
	X509	   *certificate = ca->certificate;
	X509_NAME  *subject = X509_get_subject_name(certificate);
	const ASN1_OCTET_STRING *key_id = X509_get0_subject_key_id(certificate);
	const char *key_type = pgcert_key_type(certificate);
	int			error = chain_error(all, certificate);
	Datum		values[N_COLS] = {0};
	bool		nulls[N_COLS] = {false};
	bytea	   *der;
	unsigned char *out;

	values[COL_POSITION] = Int32GetDatum(index + 1);
	values[COL_SUBJECT] = PointerGetDatum(name_words(subject));
	der = new_bytea(i2d_X509_NAME(subject, NULL));
	out = (unsigned char *) VARDATA(der);
	i2d_X509_NAME(subject, &out);
	values[COL_SUBJECT_DER] = PointerGetDatum(der);
	values[COL_ISSUER] = PointerGetDatum(name_words(X509_get_issuer_name(certificate)));
	values[COL_SERIAL] = PointerGetDatum(serial_text(X509_get0_serialNumber(certificate)));
	values[COL_NOT_BEFORE] = time_or_null(X509_get0_notBefore(certificate),
										  &nulls[COL_NOT_BEFORE]);
	values[COL_NOT_AFTER] = time_or_null(X509_get0_notAfter(certificate),
										 &nulls[COL_NOT_AFTER]);
	values[COL_CERT_SHA256] = PointerGetDatum(pgcp_hex_text(ca->cert_sha256, PGCERT_SHA256_LEN));
	values[COL_KEY_SHA256] = PointerGetDatum(pgcp_hex_text(ca->key_sha256, PGCERT_SHA256_LEN));
	nulls[COL_KEY_ID] = key_id == NULL;
	if (key_id != NULL)
		values[COL_KEY_ID] = PointerGetDatum(pgcp_hex_text(ASN1_STRING_get0_data(key_id),
														   ASN1_STRING_length(key_id)));
	nulls[COL_KEY_TYPE] = key_type == NULL;
	if (key_type != NULL)
		values[COL_KEY_TYPE] = CStringGetTextDatum(key_type);
	values[COL_SECURITY_BITS] = Int32GetDatum(pgcert_key_security_bits(certificate));
	values[COL_SELF_SIGNED] = BoolGetDatum(is_self_signed(certificate));
	values[COL_ANNOUNCED] = BoolGetDatum(is_announced(all, ca));
	values[COL_CAN_ANCHOR] = BoolGetDatum(can_anchor(ca, error));
	der = new_bytea(i2d_X509(certificate, NULL));
	out = (unsigned char *) VARDATA(der);
	i2d_X509(certificate, &out);
	values[COL_CERTIFICATE] = PointerGetDatum(der);
	values[COL_PROBLEMS] = find_problems(all, ca, error, &nulls[COL_PROBLEMS]);
	pgcp_put_row(fcinfo, values, nulls);
}

/* A row that has nothing but a problem. */
static void
put_file_problem(FunctionCallInfo fcinfo, const char *words)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			n_cols = rsinfo->setDesc->natts;
	Datum	   *values = palloc0(sizeof(Datum) * n_cols);
	bool	   *nulls = palloc(sizeof(bool) * n_cols);
	ArrayBuildState *problems = NULL;

	memset(nulls, true, n_cols);
	add_problem(&problems, words);
	values[n_cols - 1] = makeArrayResult(problems, CurrentMemoryContext);
	nulls[n_cols - 1] = false;
	pgcp_put_row(fcinfo, values, nulls);
}

Datum
pg_trusted_cas(PG_FUNCTION_ARGS)
{
	TrustedCas	all = {0};
	PgcpPemFile *file = NULL;
	MemoryContext context;
	MemoryContext caller;

	pgcp_materialize(fcinfo);
	all.in_session = MyProcPort != NULL && MyProcPort->ssl_in_use;
	if (ssl_ca_file != NULL && ssl_ca_file[0] != '\0')
		file = pgcp_pem_file_read(ssl_ca_file);

	/* without TLS there is nothing else to show; with it, not for everybody */
	if (file != NULL && file->problem != NULL &&
		(!all.in_session || pgcp_may_see_file_errors()))
		put_file_problem(fcinfo,
						 pgcp_may_see_file_errors() ?
						 psprintf("could not read the file of \"ssl_ca_file\": %s",
								  file->problem) :
						 "could not read the file of \"ssl_ca_file\"");

	collect_cas(&all, file ? file->certificates : NULL,
				all.in_session ? pgcp_session_trusted(MyProcPort) : NULL);
	measure_list(&all);
	fill_store(&all);

	context = AllocSetContextCreate(CurrentMemoryContext, "pg_trusted_cas",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < all.n_cas; i++)
	{
		CHECK_FOR_INTERRUPTS();
		caller = MemoryContextSwitchTo(context);
		put_ca(fcinfo, &all, i);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
	ERR_clear_error();
	return (Datum) 0;
}
