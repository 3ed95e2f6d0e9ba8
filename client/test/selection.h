/*
 * selection.h
 *		What the tests of the selection rules share: a small PKI, a bundle in
 *		the making, and the outcome in words.
 */
#ifndef TEST_SELECTION_H
#define TEST_SELECTION_H

#include "choice.h"
#include "pki.h"
#include "selector.h"

extern Cert root1;
extern Cert root2;
extern Cert twin1;				/* root1's name, another key */
extern Cert twin_without_id;	/* the same without a key identifier */
extern Cert int1;				/* of root1 */
extern Cert int2;				/* of int1 */
extern Cert expired_int;		/* of root1 */

/* Makes these, and frees them. */
extern void make_cas(void);
extern void free_cas(void);

/* Settings of a case beyond certificates and names. */
typedef struct Setup
{
	const char *user;
	const char *policy;
	const char *root_file;
	bool		strict;
	bool		prompt;
	int			tls_version;
	int			group;			/* of the key exchange */
	const char *max_tls_version;
	int			level;			/* of the OpenSSL here, if not 0 */
	const uint16_t *sigalgs;
	size_t		n_sigalgs;
} Setup;

/* The bundle, from begin() to finish(). */
extern pgcs_selector *sel;
extern pgcs_choice *choice;

extern void begin(void);
extern void finish(void);

/* One pair of files with these certificates, leaf first. */
#define HOLD(name, leaf, ...) hold(name, leaf, NULL, \
								   write_pem(name ".crt", NULL, NULL, leaf, ##__VA_ARGS__, (const Cert *) NULL))

extern void hold(const char *name, const Cert *leaf, const char *password, char *path);

/* Selects for a server that trusts these, known as certificates or by name. */
extern void run(Setup setup, bool by_certificate, int n_cas, const Cert *const *cas);

#define BY_NAME(setup, ...) \
	run(setup, false, (int) (sizeof((const Cert *[]) {__VA_ARGS__}) / sizeof(const Cert *)), \
		(const Cert *[]) {__VA_ARGS__})
#define BY_CERT(setup, ...) \
	run(setup, true, (int) (sizeof((const Cert *[]) {__VA_ARGS__}) / sizeof(const Cert *)), \
		(const Cert *[]) {__VA_ARGS__})
#define USUAL ((Setup) {0})

/* "found alice certain", "none", ..., with the file's name but its suffix. */
extern const char *outcome(void);

/* The codes of the best candidate's reasons, fatal ones and doubts. */
extern const char *reasons(void);

/* Has any candidate this one? */
extern bool has_reason(const char *code);

#endif							/* TEST_SELECTION_H */
