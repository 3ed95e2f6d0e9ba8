/*
 * facts_ext.h
 *		The extensions of a certificate, as facts.
 *
 * Each returns false only when memory is out; what is wrong with an extension
 * is a fact like any other.
 */
#ifndef PGCERT_FACTS_EXT_H
#define PGCERT_FACTS_EXT_H

#include "facts.h"

extern bool pgcert_facts_read_sans(PgcertFacts *facts, X509 *leaf);
extern bool pgcert_facts_read_ekus(PgcertFacts *facts, X509 *leaf);
extern bool pgcert_facts_read_policy_oids(PgcertFacts *facts, X509 *leaf);

#endif							/* PGCERT_FACTS_EXT_H */
