/*
 * pgcp.h
 *		What the files of the server half offer to each other.
 *
 * Three kinds of file: glue (pg_cert_policy.c, settings.c, label.c, login.c,
 * sql_*.c) converts and reports; edges (catalog.c, tls.c, ca_file.c, chain.c)
 * read catalogs, the session and files; policies.c decides between them.
 * Judging itself is in common/.
 */
#ifndef PGCP_H
#define PGCP_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "libpq/libpq-be.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "facts.h"
#include "judge.h"
#include "name.h"
#include "policy.h"

#define PGCP_PROVIDER "pg_cert_policy"

/* pg_cert_policy.c */
extern bool pgcp_is_preloaded(void);

/* hold.c: what malloc or OpenSSL made, freed with a memory context */
typedef struct PgcpHold
{
	MemoryContextCallback callback;
	void		(*release) (void *object);
	void	   *object;			/* set by the caller once it exists */
} PgcpHold;

extern PgcpHold *pgcp_hold(void (*release) (void *object));
extern void pgcp_release(PgcpHold *hold);
extern char *pgcp_take_text(char *malloced);
extern void pgcp_free_certificate(void *certificate);
extern void pgcp_free_certificates(void *certificates);
extern void pgcp_free_facts(void *facts);
extern void pgcp_free_policy(void *policy);
extern void pgcp_free_verdict(void *verdict);

/* encoding.c: UTF-8 from outside, as the database can show it */
extern text *pgcp_text_from_utf8(const char *utf8);
extern Name pgcp_name_from_bytes(const char *bytes);
extern void pgcp_copy_utf8(char *buffer, const char *utf8, size_t size);
extern text *pgcp_hex_text(const unsigned char *bytes, size_t len);

/* settings.c */
typedef enum PgcpEnforce
{
	PGCP_ENFORCE_OFF,
	PGCP_ENFORCE_LOG,
	PGCP_ENFORCE_ON,
} PgcpEnforce;

extern void pgcp_settings_define(void);
extern PgcpEnforce pgcp_setting_enforce(void);
extern PgcertLocal pgcp_setting_local_connections(void);
extern const char *pgcp_setting_default_policy(void);
extern bool pgcp_setting_exempts_role(const char *name);
extern bool pgcp_setting_disconnect_expired(void);
extern int	pgcp_setting_expiry_grace(void);
extern int	pgcp_setting_expiry_warning(void);
extern int	pgcp_setting_recheck_interval(void);
extern int	pgcp_setting_max_tracked(void);
extern int	pgcp_setting_session_bytes(void);

/* catalog.c */
typedef struct PgcpRole
{
	Oid			oid;
	NameData	name;			/* as the catalog writes it */
	bool		superuser;
	bool		can_login;
} PgcpRole;

/* A role that another belongs to, and how. */
typedef struct PgcpGroup
{
	Oid			oid;
	struct PgcpGroup *member;	/* NULL: the role itself is the member */
} PgcpGroup;

typedef struct PgcpLabel
{
	Oid			class_oid;
	Oid			object_oid;
	char	   *text;			/* NULL if stored out of line */
} PgcpLabel;

extern bool pgcp_role_by_name(const char *name, PgcpRole *role);
extern bool pgcp_role_by_oid(Oid oid, PgcpRole *role);
extern char *pgcp_role_name(Oid oid);
extern List *pgcp_login_roles(void);
extern bool pgcp_role_has_members(Oid oid);
extern List *pgcp_groups_of_role(Oid oid);
extern Oid	pgcp_database_by_name(const char *name);
extern char *pgcp_database_name(Oid oid);
extern PgcpLabel *pgcp_label_of_object(Oid class_oid, Oid object_oid);
extern List *pgcp_labels(void);

/* policies.c */
typedef enum PgcpPolicyKind
{
	PGCP_POLICY_ROLE,
	PGCP_POLICY_GROUP,
	PGCP_POLICY_DATABASE,
	PGCP_POLICY_DEFAULT,
} PgcpPolicyKind;

typedef struct PgcpPolicy
{
	PgcpPolicyKind kind;
	Oid			object_oid;		/* of role, group or database; InvalidOid for
								 * DEFAULT */
	PgcpGroup  *through;		/* of a group: the last one on the way to it,
								 * NULL if the role itself belongs to it */
	char	   *text;			/* NULL if it cannot even be fetched */
	PgcertPolicy *parsed;		/* NULL if it cannot be read */
	char	   *problem;		/* why not, else NULL */
} PgcpPolicy;

/* A label that is not stored, to see what it would do. */
typedef struct PgcpTrial
{
	Oid			class_oid;
	Oid			object_oid;
	const char *text;			/* NULL: as if there were none */
} PgcpTrial;

typedef struct PgcpPolicySet
{
	bool		exempt;			/* by label or exempt_roles */
	PgcpPolicy *own;			/* the role's label, also if it says exempt */
	List	   *policies;		/* of PgcpPolicy; all must accept */
} PgcpPolicySet;

extern PgcertPolicy *pgcp_policy_parse(PgcpPolicyKind kind, const char *text,
									   PgcertError *error);
extern void pgcp_policy_report_error(const char *whose, const char *text,
									 const PgcertError *error);
extern char *pgcp_policy_error_text(const PgcertError *error);
extern PgcpPolicy *pgcp_policy_read(PgcpPolicyKind kind, Oid object_oid,
									char *text);
extern PgcpPolicySet *pgcp_policies_for(const PgcpRole *role,
										Oid database_oid,
										const PgcpTrial *trial);

/* How a connection came in, apart from its certificate. */
typedef struct PgcpConnection
{
	PgcertLink	link;
	int			tls_version;
	bool		local;			/* over a Unix-domain socket */
	bool		by_peer;		/* pg_hba.conf's "peer" authenticated it */
} PgcpConnection;

/* A policy that does not accept. */
typedef struct PgcpFinding
{
	PgcpPolicy *policy;
	PgcertVerdict *verdict;		/* NULL if there is none */
	char	   *reason;			/* a sentence */
	bool		enforced;		/* false: mode=log */
} PgcpFinding;

extern List *pgcp_policies_asked(List *policies,
								 const PgcpConnection *connection);
extern List *pgcp_policies_judge(List *policies, const PgcertFacts *facts,
								 const char *problem, const PgcpRole *role,
								 int64 now);
extern bool pgcp_policy_disconnects(const PgcpPolicy *policy);
extern char *pgcp_policy_name(const PgcpPolicy *policy);
extern char *pgcp_policy_owner(const PgcpPolicy *policy);
extern bool pgcp_policy_is_enforced(const PgcpPolicy *policy);
extern PgcertLocal pgcp_policy_local(const PgcpPolicy *policy);
extern PgcertVerdict *pgcp_policy_judge(const PgcpPolicy *policy,
										const PgcertFacts *facts,
										const PgcpRole *role, int64 now);
extern char *pgcp_policy_rejection(const PgcpPolicy *policy,
								   const PgcertVerdict *verdict);

/* login.c */
extern void pgcp_login_install(void);
extern char *pgcp_login_rejection(Port *port, const PgcpRole *role,
								  Oid database_oid, const PgcpTrial *trial);

/* label.c */
extern void pgcp_label_register(void);

/* tls.c */
extern PgcertLink pgcp_session_link(Port *port, int *tls_version);
extern PgcertFacts *pgcp_session_facts(Port *port, const char **problem);
extern STACK_OF(X509_NAME) *pgcp_session_ca_names(Port *port);
extern int	pgcp_session_security_level(Port *port);
extern bool *pgcp_store_trusts(X509_STORE *store, STACK_OF(X509) *chain);
extern STACK_OF(X509) *pgcp_session_trusted(Port *port);
extern bool pgcp_certificate_same(X509 *a, X509 *b);
extern char *pgcp_openssl_error(void);

/* ca_file.c */
extern STACK_OF(X509_NAME) *pgcp_ca_file_names(void);
extern void pgcp_ca_file_check(const char *setting, const char *path);
extern char *pgcp_file_problem(const char *path, int *sqlerrcode);
extern bool pgcp_may_see_file_errors(void);
extern void pgcp_ca_file_report(const char *setting, const char *path);

/* pem_file.c */
typedef struct PgcpPemFile
{
	STACK_OF(X509) *certificates;	/* NULL if there is a problem */
	STACK_OF(X509_CRL) *crls;
	char	   *problem;		/* a sentence */
} PgcpPemFile;

extern PgcpPemFile *pgcp_pem_file_read(const char *path);

/* pem_known.c */
extern STACK_OF(X509) *pgcp_pem_file_known(const char *path,
										   STACK_OF(X509) *certificates);

/* chain.c */
typedef struct PgcpChain
{
	bool		accepted;
	char	   *found;			/* the chain, or what is wrong with it */
	STACK_OF(X509) *verified;	/* NULL unless it verifies */
	bool	   *trusted;		/* of each element, as pgcert_facts wants it */
	bool		requested;		/* does the server ask for certificates? */
} PgcpChain;

typedef struct PgcpVerifier PgcpVerifier;	/* an SSL_CTX, to those who look */

extern int	pgcp_security_level(void);
extern PgcpVerifier *pgcp_verifier_new(void);
extern PgcpChain *pgcp_chain_verify(PgcpVerifier *verifier,
									STACK_OF(X509) *certificates,
									const TimestampTz *at);
extern STACK_OF(X509) *pgcp_certificates_read(const unsigned char *bytes,
											  size_t len);

#endif							/* PGCP_H */
