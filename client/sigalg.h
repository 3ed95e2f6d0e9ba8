/*
 * sigalg.h
 *		TLS signature schemes: which a key can make.
 */
#ifndef PGCS_SIGALG_H
#define PGCS_SIGALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

/*
 * Can the certificate's key make one of the signatures that are allowed (NULL:
 * not known, so any), in this version of TLS (0: not known)?  True for a kind of
 * key that is not known here: OpenSSL will tell.
 */
extern bool pgcs_sigalg_fits(X509 *cert, const uint16_t *sigalgs, size_t n,
							 int tls_version, bool *no_memory);

/*
 * Is the curve of the certificate's key, if it has one, such that a server
 * takes it?  group is the curve of the key exchange, 0 if not known.
 */
extern bool pgcs_curve_fits(X509 *cert, int tls_version, int group);

/* The group of a TLS 1.2 key exchange, as OpenSSL numbers it; or 0. */
extern int	pgcs_negotiated_group(SSL *ssl);

#endif							/* PGCS_SIGALG_H */
