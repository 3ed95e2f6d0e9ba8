/*
 * random_login.h
 *		What a real server says of every certificate of a folder.
 */
#ifndef RANDOM_LOGIN_H
#define RANDOM_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "random_pki.h"

/* Where the server is, and how it is made to trust others. */
typedef struct Server
{
	const char *port;
	const char *ca_file;		/* its ssl_ca_file, which is replaced */
	long		postmaster;		/* who is told of it */
} Server;

/* One certificate file with one key file, as libpq would send them. */
typedef struct Login
{
	char	   *cert;
	char	   *key;
	const char *password;
	bool		accepted;
	char	   *words;			/* of libpq, if not */
} Login;

#define MAX_LOGINS 96

typedef struct Logins
{
	Login		all[MAX_LOGINS];
	int			n;
	int			n_accepted;
} Logins;

#define MAX_PARAMETERS 16

/* libpq's arrays for a login to the server. */
typedef struct Parameters
{
	const char *keywords[MAX_PARAMETERS];
	const char *values[MAX_PARAMETERS];
	int			n;
} Parameters;

extern void set_parameters(Parameters *parameters, const Server *server, const Case *c);

/* Has the server trust what is in the case's CA file from now on. */
extern void set_trusted(const Server *server, const Case *c);

/* Logs in with each certificate file and each key that belongs to it. */
extern void try_all(Logins *logins, const Server *server, const Case *c);

/* The same for one; it is tried if that was not done yet. */
extern const Login *try_one(Logins *logins, const Server *server, const Case *c,
							const char *cert, const char *key);
extern void free_logins(Logins *logins);

#endif							/* RANDOM_LOGIN_H */
