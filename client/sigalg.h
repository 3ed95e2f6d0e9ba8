/*
 * sigalg.h
 *		TLS signature schemes: which a key can make.
 */
#ifndef PGCS_SIGALG_H
#define PGCS_SIGALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/x509.h>

/*
 * Can the certificate's key make one of the signatures that are allowed, in
 * this version of TLS (0: not known)?  True for a kind of key that is not
 * known here: OpenSSL will tell.
 */
extern bool pgcs_sigalg_fits(X509 *cert, const uint16_t *sigalgs, size_t n,
							 int tls_version);

#endif							/* PGCS_SIGALG_H */
