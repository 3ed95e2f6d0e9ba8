/*
 * random_command.h
 *		The pgcertsel command, asked what the library was asked.
 */
#ifndef RANDOM_COMMAND_H
#define RANDOM_COMMAND_H

#include "pgcertsel.h"
#include "random_login.h"

/*
 * Runs "pgcertsel select" on the case, with this option besides or NULL,
 * and compares: exit status, certificate, key.  If none is chosen, it must
 * send nothing and say why.  If it is not as it should be, words say so.
 */
extern bool command_agrees(const char *pgcertsel, const Server *server, const Case *c,
						   const char *option, const pgcs_choice *choice);

#endif							/* RANDOM_COMMAND_H */
