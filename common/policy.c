/*
 * policy.c
 *		The policy as a tree: given back, and asked about.
 */
#include <stdlib.h>

#include "policy.h"
#include "policy_value.h"

void
pgcert_policy_free(PgcertPolicy *policy)
{
	if (policy == NULL)
		return;
	for (size_t a = 0; a < policy->n_alternatives; a++)
	{
		PgcertAlternative *alternative = &policy->alternatives[a];

		for (size_t c = 0; c < alternative->n_clauses; c++)
		{
			PgcertClause *clause = &alternative->clauses[c];

			for (size_t v = 0; v < clause->n_values; v++)
				pgcert_value_free(&clause->values[v]);
			free(clause->values);
		}
		free(alternative->clauses);
	}
	free(policy->alternatives);
	free(policy);
}

bool
pgcert_policy_trusts_issuer_alone(const PgcertPolicy *policy)
{
	for (size_t a = 0; a < policy->n_alternatives; a++)
	{
		const PgcertAlternative *alternative = &policy->alternatives[a];
		bool		issuer = false;
		bool		ca = false;

		for (size_t c = 0; c < alternative->n_clauses; c++)
		{
			const PgcertClause *clause = &alternative->clauses[c];

			if (clause->negated)
				continue;
			if (clause->kind == PGCERT_CLAUSE_ISSUER)
				issuer = true;
			if (clause->kind == PGCERT_CLAUSE_CA ||
				clause->kind == PGCERT_CLAUSE_CA_KEY_SHA256)
				ca = true;
		}
		if (issuer && !ca)
			return true;
	}
	return false;
}

bool
pgcert_policy_has_literal_cn(const PgcertPolicy *policy)
{
	for (size_t a = 0; a < policy->n_alternatives; a++)
	{
		for (size_t c = 0; c < policy->alternatives[a].n_clauses; c++)
		{
			const PgcertClause *clause = &policy->alternatives[a].clauses[c];

			if (clause->kind != PGCERT_CLAUSE_CN || clause->negated)
				continue;
			for (size_t v = 0; v < clause->n_values; v++)
			{
				const PgcertValue *value = &clause->values[v];

				if (value->n_pieces == 1 &&
					value->pieces[0].kind == PGCERT_PIECE_LITERAL)
					return true;
			}
		}
	}
	return false;
}
