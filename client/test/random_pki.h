/*
 * random_pki.h
 *		Random certificates, CAs and folders, the same for the same seed.
 *
 * A case is what a server trusts (a CA file) and what a client holds (a
 * folder), with everything in it that certificates, files and administrators
 * can do wrong.  Which of it a server would accept is not known here: that is
 * for a server to say.
 *
 * The numbers drawn depend on the seed alone.  The keys are made anew in each
 * run, since OpenSSL will not have its generator seeded.
 */
#ifndef RANDOM_PKI_H
#define RANDOM_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#define DAY INT64_C(86400)

/* ---------- random_keys.c: numbers and keys ---------- */

typedef struct Random
{
	uint64_t	state;
} Random;

extern void random_seed(Random *random, uint64_t seed, uint64_t number);
extern int	random_below(Random *random, int n);
extern bool chance(Random *random, int percent);

/*
 * The same for what goes wrong.  After random_even() every fault is as likely
 * as the others, whatever its own weight is; random_pki.c says of these where
 * they come from.
 */
extern bool fault(Random *random, int percent);
extern void random_even(int percent);

/* One of the texts, each as likely as the others. */
#define PICK(random, ...) \
	((const char *const[]) {__VA_ARGS__}) \
	[random_below(random, sizeof((const char *const[]) {__VA_ARGS__}) / sizeof(char *))]

typedef enum KeyKind
{
	KEY_P256,
	KEY_P384,
	KEY_P521,
	KEY_K256,					/* secp256k1, which TLS has no use for */
	KEY_RSA2048,
	KEY_RSA1024,
	KEY_PSS,
	KEY_ED25519,
	KEY_ED448,
	N_KEY_KINDS,
} KeyKind;

/* Key number i of its kind, made when it is first asked for. */
extern EVP_PKEY *pool_key(KeyKind kind, int i);
extern const char *key_kind_name(KeyKind kind);
extern void pool_free(void);

/* ---------- random_cert.c: names and certificates ---------- */

/* A certificate in the making; zero means that it is not there. */
typedef struct Plan
{
	X509_NAME  *subject;
	X509_NAME  *issuer_name;	/* as it is written in this certificate */
	EVP_PKEY   *key;
	EVP_PKEY   *signer;
	X509	   *issuer;			/* NULL: self-signed */
	int64_t		not_before;		/* seconds from now */
	int64_t		not_after;
	const char *constraints;	/* basicConstraints */
	const char *ku;
	const char *eku;
	const char *ns_type;
	const char *name_constraints;
	const char *san;
	bool		ski;
	enum
	{
		AKI_NONE,
		AKI_KEY,
		AKI_KEY_AND_SERIAL,
		AKI_WRONG,
	}			aki;
	bool		sha1;
	bool		pss_signature;	/* by an RSA key */
	bool		version1;
	bool		unknown_critical;
} Plan;

extern X509 *make_random_cert(const Plan *plan);

/* A name with that CN, in one of the shapes that names have. */
extern X509_NAME *random_name(Random *random, const char *cn, bool ca);

/* The same name to OpenSSL, in other bytes. */
extern X509_NAME *respelled_name(Random *random, const X509_NAME *name);

/* ---------- random_pki.c: who issued what ---------- */

typedef struct Member
{
	X509	   *cert;
	EVP_PKEY   *key;
	KeyKind		kind;
	int			issuer;			/* index among the CAs, or -1: itself */
	bool		ca;
	char		about[300];
} Member;

#define MAX_CAS 32
#define MAX_LEAVES 8
#define MAX_TRUSTED 8

typedef struct Pki
{
	Random		random;
	Member		cas[MAX_CAS];
	int			n_cas;
	Member		leaves[MAX_LEAVES];
	int			n_leaves;
	X509	   *trusted[MAX_TRUSTED];	/* the server's CA file; borrowed */
	int			n_trusted;
	int			used_keys[N_KEY_KINDS];
} Pki;

extern void random_pki(Pki *pki, uint64_t seed, uint64_t number);
extern void random_pki_free(Pki *pki);

/* ---------- random_files.c: the same in files ---------- */

/* A password that the client knows. */
typedef struct Secret
{
	char	   *path;
	char	   *password;
} Secret;

#define MAX_SECRETS 48

/* A case as files; every path below dir. */
typedef struct Case
{
	char	   *dir;
	char	   *bundle;			/* the client's folder */
	char	   *ca_file;		/* the server's CA file */
	char	   *root_file;		/* the client's sslrootcert */
	Secret		secrets[MAX_SECRETS];
	int			n_secrets;
	const char *tls_version;	/* the highest; NULL: whatever there is */
} Case;

/*
 * Writes the case into dir, which is made; and into dir/about.txt what there
 * is.  server_ca is what the server's own certificate is verified with.
 */
extern void write_case(Case *c, Pki *pki, const char *dir, const char *server_ca);
extern void free_case(Case *c);

#endif							/* RANDOM_PKI_H */
