/*
 * format.h
 *		Parts of the formats.
 */
#ifndef PGCS_FORMAT_H
#define PGCS_FORMAT_H

#include <stdbool.h>

#include "buf.h"
#include "pgcertsel.h"

/* format_json.c */
extern void pgcs_format_json(PgcertBuf *buf, const pgcs_choice *choice,
							 const char *error, bool show_password);
extern void pgcs_json_reason(PgcertBuf *buf, const pgcs_reason *reason);

#endif							/* PGCS_FORMAT_H */
