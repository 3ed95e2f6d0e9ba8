/*
 * pgcertsel.h
 *		Which of my certificates will this PostgreSQL server accept?
 *
 * A server that asks for a client certificate announces the CAs it trusts;
 * libpq does not look and sends the one file it was told of.  This library
 * looks: it reads what is held locally, learns what the server asks for,
 * chooses, and writes the choice as sslcert and sslkey, for any libpq.
 *
 *		bundle -> request -> select -> load -> format
 *
 *		sel = pgcs_selector_new();
 *		pgcs_add_directory(sel, "/etc/myapp/certs");
 *		bundle = pgcs_bundle_load(sel);
 *		request = pgcs_request_probe(sel, keywords, values);
 *		choice = pgcs_select(sel, bundle, request, time(NULL));
 *		pgcs_choice_load(sel, choice);
 *		text = pgcs_format(sel, choice, PGCS_FORMAT_CONNINFO, NULL, NULL, 0);
 *
 * Conventions.  A function that returns a handle or a text returns NULL on
 * failure, one that returns int a negative PGCS_ code; the words are then in
 * pgcs_error().  Whatever was returned without "const" belongs to the caller,
 * and its free function takes NULL.  No other pointer may be NULL unless it is
 * said here; keywords may (then values is not looked at).  A number that is
 * out of range gives NULL, "" or 0.  Strings given are copied.  Paths are
 * bytes; texts are UTF-8, with what a stranger wrote in them escaped.
 *
 * Threads.  A selector, a choice and a connection belong to one thread at a
 * time.  A bundle and a request never change once they are made, and a cache
 * has a lock of its own: these three may be shared by threads.
 *
 * The library has no globals, prints nothing, never exits, never prompts,
 * and reads no environment of its own; what libpq takes from the environment
 * when it connects is libpq's, and see pgcs_resolve().
 */
#ifndef PGCERTSEL_H
#define PGCERTSEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

#if defined(__GNUC__)
#define PGCS_MUST_CHECK __attribute__((warn_unused_result))
#pragma GCC visibility push(default)
#else
#define PGCS_MUST_CHECK
#endif

/* libpq's types, so that libpq-fe.h need not be included. */
struct pg_conn;
struct pg_result;
struct _PQconninfoOption;


/* ---------- version ---------- */

#define PGCS_VERSION "1.0"
#define PGCS_VERSION_NUM 10000

/* PGCS_VERSION of the library that is running. */
extern const char *pgcs_version(void);


/* ---------- results ---------- */

#define PGCS_OK 0
#define PGCS_NO_MEMORY (-1)
#define PGCS_INVALID (-2)		/* an argument is wrong; see pgcs_error() */
#define PGCS_UNREACHABLE (-3)	/* the server could not be asked */
#define PGCS_CHANGED (-4)		/* files changed meanwhile: load and select
								 * once more */
#define PGCS_FAILED (-5)		/* a file or OpenSSL failed */
#define PGCS_INEXPRESSIBLE (-6) /* the format cannot hold this value */

/* The format's word for a path that no file can have: sends nothing. */
#define PGCS_NOTHING "/dev/null/none"


/* ---------- selector: settings, and the last error ---------- */

typedef struct pgcs_selector pgcs_selector;

/* NULL only when memory is out. */
extern pgcs_selector *pgcs_selector_new(void) PGCS_MUST_CHECK;

/* Wipes the passwords it holds.  Bundles and choices made with it live on. */
extern void pgcs_selector_free(pgcs_selector *sel);

/*
 * What went wrong in the last call that failed with this selector, in one
 * line without a newline; "" if nothing did.  Never NULL; valid until the
 * next call with this selector.
 */
extern const char *pgcs_error(const pgcs_selector *sel);

/* The PGCS_ code that belongs to pgcs_error(). */
extern int	pgcs_error_code(const pgcs_selector *sel);

/*
 * Where certificates are held.  Nothing is read before pgcs_bundle_load().
 *
 * A directory is read one level deep; names that begin with a dot are
 * skipped, so that a mounted Kubernetes secret is seen once, by its stable
 * name.  A file may hold any mixture of PEM certificates and keys.  In both,
 * keys find their certificates by public key.
 */
extern int	pgcs_add_directory(pgcs_selector *sel, const char *path);
extern int	pgcs_add_file(pgcs_selector *sel, const char *path);

/*
 * One certificate file with its key file.  key may be the same file; NULL
 * means that the key is to be found by its public key, in cert itself or
 * among the other sources.  password may be NULL.  A key that no file has
 * and that holds a colon, before any slash or comma, is taken as libpq takes
 * it, "engine:id", and passed through.
 */
extern int	pgcs_add_pair(pgcs_selector *sel, const char *cert,
						  const char *key, const char *password);

/*
 * Comma lists, same positions belonging together: "a.crt,b.crt",
 * "a.key,b.key", ",secret" (an empty password: the key is not encrypted).
 * keys and passwords may be NULL or "".  An existing whole path is one path
 * even if it has commas, so is an engine's key with a single certificate, and
 * with a single key the password is never split.
 * PGCS_INVALID if the numbers do not fit, for example
 * "could not match 3 sslpassword to 2 sslkey values".
 */
extern int	pgcs_add_lists(pgcs_selector *sel, const char *certs,
						   const char *keys, const char *passwords);

/*
 * The password of a key file; with key NULL, of every encrypted key that has
 * none of its own.  A password is tried on its own key only.
 */
extern int	pgcs_set_password(pgcs_selector *sel, const char *key,
							  const char *password);

/* The role that will be used (also what %role means in a policy). */
extern int	pgcs_set_user(pgcs_selector *sel, const char *role);

/*
 * A policy of pg_cert_policy that the role is under.  All that are added
 * must accept; only a clause that is false rules a certificate out.
 */
extern int	pgcs_add_policy(pgcs_selector *sel, const char *policy);

/*
 * libpq's sslrootcert: libpq completes a lone certificate from it.  A path,
 * "system", or NULL for none.  See pgcs_resolve() for libpq's own value; its
 * default is ~/.postgresql/root.crt, if that exists.
 */
extern int	pgcs_set_root_file(pgcs_selector *sel, const char *path);

/*
 * libpq's ssl_max_protocol_version, "TLSv1.2"; NULL or "" for none.  It
 * counts where the server was not asked, by a probe, which version it speaks.
 */
extern int	pgcs_set_max_tls_version(pgcs_selector *sel, const char *version);

/*
 * A private directory (made if it is not there; otherwise it must be the
 * caller's own, closed to all others) for completed chains: where an
 * intermediate is missing from a certificate's file but is held elsewhere in
 * the bundle, the completed chain is a candidate too, and
 * pgcs_choice_load() writes it there if it is chosen.  NULL: none.
 */
extern int	pgcs_set_chain_directory(pgcs_selector *sel, const char *path);

/*
 * A private directory, as above and maybe the same, for what PKCS#12 files
 * (.p12, .pfx) hold, since libpq reads none: their certificates are
 * candidates then, and pgcs_choice_load() writes the chosen one there with
 * its issuers and its key, in one PEM file.  The file's password is that of
 * pgcs_set_password() for its path, or the one given with it; a key that had
 * one is written encrypted with the same.  Without a directory such a file
 * is a problem of the bundle.  NULL: none.
 */
extern int	pgcs_set_unpack_directory(pgcs_selector *sel, const char *path);

/* Refuse to choose between different identities of equal rank. */
extern void pgcs_set_strict(pgcs_selector *sel, int on);

/*
 * Encrypted keys without a password count as usable: whoever uses the choice
 * will be asked by OpenSSL.  The library itself never asks.
 */
extern void pgcs_set_prompt_allowed(pgcs_selector *sel, int on);

/*
 * How long a server may take, each host for itself: 10000 unless set or
 * given by connect_timeout.  0 goes back to that.
 */
extern void pgcs_set_timeout_ms(pgcs_selector *sel, int timeout_ms);


/* ---------- reasons: why something is so ---------- */

typedef struct pgcs_reason pgcs_reason;

typedef enum pgcs_severity
{
	PGCS_NOTE = 0,				/* good to know */
	PGCS_DOUBT = 1,				/* may be refused by the server */
	PGCS_FATAL = 2				/* cannot be used */
} pgcs_severity;

extern pgcs_severity pgcs_reason_severity(const pgcs_reason *reason);

/*
 * A stable word for programs.  Of files: file-missing, file-unreadable,
 * file-directory, file-special, file-too-large, file-empty, file-not-pem,
 * no-certificate, no-key, key-mismatch, key-mode, key-encrypted,
 * key-password-wrong, key-unusable, key-unverified, key-path-colon,
 * path-too-long, libpq-refuses, leaf-not-first, pkcs12, pkcs12-unreadable.
 * Of certificates: expired,
 * not-yet-valid, expires-soon, purpose, chain, weak, cn-embedded-nul,
 * ca-certificate.  Of the request: issuer-not-announced, missing-intermediate,
 * signature-algorithm, curve, name-only, no-names, intermediate-only, ca-twin,
 * local-ca-disagrees, crl-unknown, policy, policy-unknown, role.  Of what was
 * tried: changed, chain-completed, chain-alternative, chain-not-written,
 * unpacked, not-unpacked, refused-by-server, accepted-by-server.
 */
extern const char *pgcs_reason_code(const pgcs_reason *reason);

/* One line of words; never NULL. */
extern const char *pgcs_reason_text(const pgcs_reason *reason);

/* What to do about it, or "". */
extern const char *pgcs_reason_hint(const pgcs_reason *reason);

/* The file concerned, as bytes, or NULL. */
extern const char *pgcs_reason_file(const pgcs_reason *reason);


/* ---------- bundle: what is held locally ---------- */

typedef struct pgcs_bundle pgcs_bundle;
typedef struct pgcs_identity pgcs_identity;

/*
 * Reads the sources.  What is wrong with a file is no failure: it is a
 * problem of the bundle or a reason of the identity, and the others remain
 * usable.  Never opens anything but regular files of at most 1 MB, never
 * blocks on one, never prompts.
 */
extern pgcs_bundle *pgcs_bundle_load(pgcs_selector *sel) PGCS_MUST_CHECK;

/* Another holder; each calls pgcs_bundle_free(). */
extern pgcs_bundle *pgcs_bundle_ref(pgcs_bundle *bundle);
extern void pgcs_bundle_free(pgcs_bundle *bundle);

/* Certificates with their keys, usable or not, sorted by path. */
extern size_t pgcs_bundle_n_identities(const pgcs_bundle *bundle);
extern const pgcs_identity *pgcs_bundle_identity(const pgcs_bundle *bundle,
												 size_t i);

/* Files that gave no identity, and why. */
extern size_t pgcs_bundle_n_problems(const pgcs_bundle *bundle);
extern const pgcs_reason *pgcs_bundle_problem(const pgcs_bundle *bundle,
											  size_t i);

/* Everything below lives as long as the bundle. */
extern const char *pgcs_identity_cert_path(const pgcs_identity *identity);

/*
 * Of an engine's key as it may be shown: the PIN of a PKCS#11 URI is left
 * out, and is in pgcs_choice_key_path() alone.
 */
extern const char *pgcs_identity_key_path(const pgcs_identity *identity);
extern const char *pgcs_identity_subject(const pgcs_identity *identity);
extern const char *pgcs_identity_issuer(const pgcs_identity *identity);
extern const char *pgcs_identity_key_type(const pgcs_identity *identity);

/* Lower-case hex of the certificate's SHA-256. */
extern const char *pgcs_identity_fingerprint(const pgcs_identity *identity);

/* "DNS:a, URI:b", or "". */
extern const char *pgcs_identity_sans(const pgcs_identity *identity);

/* Seconds since 1970; 0 of a certificate that cannot be decoded. */
extern int64_t pgcs_identity_not_before(const pgcs_identity *identity);
extern int64_t pgcs_identity_not_after(const pgcs_identity *identity);

/* Is the key encrypted (so that a password is needed, and maybe known)? */
extern int	pgcs_identity_key_encrypted(const pgcs_identity *identity);

extern size_t pgcs_identity_n_reasons(const pgcs_identity *identity);
extern const pgcs_reason *pgcs_identity_reason(const pgcs_identity *identity,
											   size_t i);


/* ---------- request: what the server asks for ---------- */

typedef struct pgcs_request pgcs_request;

typedef enum pgcs_answer
{
	PGCS_ANSWER_NONE = 0,		/* it could not be asked */
	PGCS_ANSWER_NO_TLS = 1,
	PGCS_ANSWER_NOT_WANTED = 2, /* TLS, but no certificate wanted */
	PGCS_ANSWER_UNNAMED = 3,	/* wanted, no CA named */
	PGCS_ANSWER_NAMED = 4		/* wanted, CAs named */
} pgcs_answer;

/*
 * Asks the server, each host of the connection parameters for itself: libpq
 * connects (at least sslmode=require, no certificate, no password), the
 * server is verified as sslmode and sslrootcert say, and before anything of
 * PostgreSQL is said the connection is closed again.  keywords and values
 * are as for PQconnectdbParams without expanded dbname; what they leave out
 * comes from service file, environment and defaults, as in libpq.
 * PGCS_UNREACHABLE if no host could be asked.
 */
extern pgcs_request *pgcs_request_probe(pgcs_selector *sel,
										const char *const *keywords,
										const char *const *values) PGCS_MUST_CHECK;

/*
 * From a result of "SELECT * FROM pg_trusted_ca_names() ORDER BY position":
 * its column name_der (bytea), else name.
 */
extern pgcs_request *pgcs_request_from_result(pgcs_selector *sel,
											  const struct pg_result *result) PGCS_MUST_CHECK;

/*
 * Connects with conninfo and asks pg_trusted_ca_names(); where the extension
 * has them also pg_trusted_cas (the CA certificates themselves) and
 * pg_cert_policy_for(role, database).  role and database may be NULL.
 */
extern pgcs_request *pgcs_request_from_server(pgcs_selector *sel,
											  const char *conninfo,
											  const char *role,
											  const char *database) PGCS_MUST_CHECK;

/* The server's ssl_ca_file, or a copy of it: the strongest request. */
extern pgcs_request *pgcs_request_from_ca_file(pgcs_selector *sel,
											   const char *path) PGCS_MUST_CHECK;

/* Names in RFC 4514 form, "CN=rootCA1,O=IDO". */
extern pgcs_request *pgcs_request_from_names(pgcs_selector *sel,
											 const char *const *names,
											 size_t n) PGCS_MUST_CHECK;

extern void pgcs_request_free(pgcs_request *request);

/* One answer for each host; 1 where names came from elsewhere. */
extern size_t pgcs_request_n_hosts(const pgcs_request *request);
extern pgcs_answer pgcs_request_answer(const pgcs_request *request, size_t host);

/* "host:port", or "" where names came from elsewhere. */
extern const char *pgcs_request_host(const pgcs_request *request, size_t host);

/* Why it could not be asked, or why there is no TLS; else "". */
extern const char *pgcs_request_host_error(const pgcs_request *request,
										   size_t host);

/* "TLSv1.3", or "" if not known. */
extern const char *pgcs_request_tls_version(const pgcs_request *request,
											size_t host);

/* The CA names, as RFC 4514 text and as DER; len may be NULL. */
extern size_t pgcs_request_n_names(const pgcs_request *request, size_t host);
extern const char *pgcs_request_name(const pgcs_request *request, size_t host,
									 size_t i);
extern const unsigned char *pgcs_request_name_der(const pgcs_request *request,
												  size_t host, size_t i,
												  size_t *len);

/* Are the CA certificates themselves known? */
extern int	pgcs_request_knows_cas(const pgcs_request *request, size_t host);

/*
 * pgcs_bundle_load(), as far as it can matter for one request: of
 * directories, only CA certificates, certificates with an issuer that leads to a name of the
 * request, and their keys are decoded; a key that is encrypted or does not
 * show whose it is, and whose file has another stem than the certificate's,
 * is opened only if the choice may depend on it.  pgcs_select() with this
 * request and about this time (seconds since 1970) chooses what it would from
 * the whole bundle; its other identities and its problems may be missing.
 */
extern pgcs_bundle *pgcs_bundle_load_for(pgcs_selector *sel,
										 const pgcs_request *request,
										 int64_t now) PGCS_MUST_CHECK;


/* ---------- select: the choice ---------- */

typedef struct pgcs_choice pgcs_choice;
typedef struct pgcs_candidate pgcs_candidate;

typedef enum pgcs_status
{
	PGCS_FOUND = 0,
	PGCS_NONE = 2,				/* nothing suitable */
	PGCS_AMBIGUOUS = 4,			/* under strict, or where no CA is named */
	PGCS_NO_TLS = 5,
	PGCS_NOT_WANTED = 6
} pgcs_status;

typedef enum pgcs_verdict
{
	PGCS_VERDICT_UNUSABLE = 0,
	PGCS_VERDICT_DOUBTFUL = 1,
	PGCS_VERDICT_CERTAIN = 2
} pgcs_verdict;

/*
 * Judges identities of the bundle as libpq would send them and as the
 * server's OpenSSL would take them, the most promising first, until none that
 * is left could be chosen or be a rival; and chooses.  Pure: no file, no
 * socket, no clock; now is in seconds since 1970.
 */
extern pgcs_choice *pgcs_select(pgcs_selector *sel, pgcs_bundle *bundle,
								const pgcs_request *request,
								int64_t now) PGCS_MUST_CHECK;

/* The same choice, but with a verdict on every identity. */
extern pgcs_choice *pgcs_check(pgcs_selector *sel, pgcs_bundle *bundle,
							   const pgcs_request *request,
							   int64_t now) PGCS_MUST_CHECK;
extern void pgcs_choice_free(pgcs_choice *choice);

/*
 * Opens the choice exactly as libpq will, with the same OpenSSL calls and
 * the same rule for the key file's mode; if that fails, the next best takes
 * its place.  PGCS_CHANGED if the files are not those that were judged:
 * load the bundle and select again, once.  What was opened before is opened
 * again only if its files were touched since, or just before.
 */
extern int	pgcs_choice_load(pgcs_selector *sel, pgcs_choice *choice);

/*
 * Turns doubt into proof: a TLS handshake with the choice, through libpq, on
 * every host that wants a certificate, stopped before the startup packet.
 * Tries the best in turn, 32 at most, and last of all those that are ruled out
 * by what holds for most servers only (weak, curve, local-ca-disagrees).  It
 * proves TLS, not pg_hba.conf; each refusal leaves a line in the server's log.
 */
extern int	pgcs_confirm(pgcs_selector *sel, pgcs_choice *choice,
						 const char *const *keywords,
						 const char *const *values);

extern pgcs_status pgcs_choice_status(const pgcs_choice *choice);

/* One line of words for the status; never NULL. */
extern const char *pgcs_choice_text(const pgcs_choice *choice);

/* Of a FOUND choice; all NULL or 0 otherwise. */
extern const char *pgcs_choice_cert_path(const pgcs_choice *choice);
extern const char *pgcs_choice_key_path(const pgcs_choice *choice);
extern int	pgcs_choice_is_certain(const pgcs_choice *choice);

/* The key's password, a secret, or NULL. */
extern const char *pgcs_choice_password(const pgcs_choice *choice);

/*
 * If another identity was of equal rank, the first such candidate: a choice
 * that is reported.  NULL otherwise.
 */
extern const pgcs_candidate *pgcs_choice_rival(const pgcs_choice *choice);

/* Every candidate that was judged, the best first. */
extern size_t pgcs_choice_n_candidates(const pgcs_choice *choice);
extern const pgcs_candidate *pgcs_choice_candidate(const pgcs_choice *choice,
												   size_t i);
extern pgcs_verdict pgcs_candidate_verdict(const pgcs_candidate *candidate);

/* The verdict for one host of the request. */
extern pgcs_verdict pgcs_candidate_host_verdict(const pgcs_candidate *candidate,
												size_t host);
extern const pgcs_identity *pgcs_candidate_identity(const pgcs_candidate *candidate);

/* Those of the identity, then those of the request. */
extern size_t pgcs_candidate_n_reasons(const pgcs_candidate *candidate);
extern const pgcs_reason *pgcs_candidate_reason(const pgcs_candidate *candidate,
												size_t i);


/* ---------- connect: all of the above in one call ---------- */

typedef struct pgcs_cache pgcs_cache;
typedef struct pgcs_connection pgcs_connection;

/* As libpq's PostgresPollingStatusType. */
typedef enum pgcs_polling
{
	PGCS_POLLING_FAILED = 0,
	PGCS_POLLING_READING = 1,
	PGCS_POLLING_WRITING = 2,
	PGCS_POLLING_OK = 3
} pgcs_polling;

/*
 * Remembers what servers asked for, so that a pool pays one probe and not one
 * a connection; shared by threads.  An answer is found out anew once the
 * server refuses, or names other CAs.  NULL only when memory is out.
 */
extern pgcs_cache *pgcs_cache_new(void) PGCS_MUST_CHECK;
extern void pgcs_cache_free(pgcs_cache *cache);

/*
 * Connects, sending each host the certificate that it will accept, or none.
 * Hosts are tried as libpq tries them, with target_session_attrs and
 * load_balance_hosts, each address of a name as a server of its own; all other
 * parameters pass through untouched but for hostaddr, which is the address
 * that was asked, and PQreset() keeps host and certificate.  Without a bundle
 * (NULL) the sources of sel are read once a host has said what it asks for, as
 * pgcs_bundle_load_for() does: for a program that connects once.  If the files
 * of the choice changed since the bundle was loaded, or nothing in it fits,
 * they are read so as well; the caller's bundle stays as it is.  keywords and
 * values are as for PQconnectdbParams without expanded dbname; cache may be
 * NULL.  The role is that of pgcs_set_user(), or else the one that libpq
 * will use.  Under strict nothing is tried with a host that has no certificate
 * to be chosen.  The caller calls PQfinish(); NULL with the error set.
 */
extern struct pg_conn *pgcs_connect(pgcs_selector *sel, pgcs_bundle *bundle,
									pgcs_cache *cache,
									const char *const *keywords,
									const char *const *values) PGCS_MUST_CHECK;

/*
 * The same without blocking (but for what blocks in libpq, such as looking up
 * a name, and for reading the sources).  After start, and whenever the
 * socket is ready, poll; the socket may be another one after each poll.  sel
 * and cache must live until the connection is freed.
 */
extern pgcs_connection *pgcs_connect_start(pgcs_selector *sel,
										   pgcs_bundle *bundle,
										   pgcs_cache *cache,
										   const char *const *keywords,
										   const char *const *values) PGCS_MUST_CHECK;
extern pgcs_polling pgcs_connection_poll(pgcs_connection *connection);

/* -1 before the first poll. */
extern int	pgcs_connection_socket(const pgcs_connection *connection);

/* Poll again after this time even if the socket is not ready; -1: no limit. */
extern int	pgcs_connection_timeout_ms(const pgcs_connection *connection);

/* After PGCS_POLLING_OK: the connection, which is the caller's now. */
extern struct pg_conn *pgcs_connection_take(pgcs_connection *connection);

/* At any time; gives up what is going on. */
extern void pgcs_connection_free(pgcs_connection *connection);


/* ---------- format: the choice as text ---------- */

typedef enum pgcs_format_kind
{
	PGCS_FORMAT_CONNINFO = 0,	/* sslcert='...' sslkey='...' */
	PGCS_FORMAT_ENV = 1,		/* export PGSSLCERT='...' for a POSIX shell */
	PGCS_FORMAT_JSON = 2,		/* status, paths, candidates, problems */
	PGCS_FORMAT_URI = 3,		/* postgresql://?sslcert=... */
	PGCS_FORMAT_SERVICE = 4		/* a section of a service file */
} pgcs_format_kind;

#define PGCS_SHOW_PASSWORD 1	/* write passwords and PINs into the text */

/*
 * The choice, quoted so that libpq reads back the same bytes.  With keywords
 * and values the whole connection is written, the certificate's parameters
 * replaced.  choice may be NULL, and need not be FOUND: then the text says
 * "send nothing", which leaving sslcert out would not; JSON for NULL holds
 * the selector's last error.  NULL with
 * PGCS_INEXPRESSIBLE if the format cannot hold a value.
 */
extern char *pgcs_format(pgcs_selector *sel, const pgcs_choice *choice,
						 pgcs_format_kind kind, const char *const *keywords,
						 const char *const *values, int flags) PGCS_MUST_CHECK;

/* Wipes and frees a text of the library. */
extern void pgcs_text_free(char *text);

/*
 * What libpq would connect with: keywords and values, then service file,
 * environment and defaults, found out by libpq itself and without connecting.
 * An array as from PQconninfo(); the caller frees it with PQconninfoFree().
 */
extern struct _PQconninfoOption *pgcs_resolve(pgcs_selector *sel,
											  const char *const *keywords,
											  const char *const *values) PGCS_MUST_CHECK;

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif							/* PGCERTSEL_H */
