/*
 * cases.c
 *		Reads cases.txt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

Case		cases[MAX_CASES];
size_t		n_cases;

static void
bail_out(const char *what, const char *where)
{
	printf("Bail out! cases.txt: %s: %s\n", what, where);
	exit(2);
}

void
cases_hash(char hex[2 * PGCERT_SHA256_LEN + 1], PgcertHash *hash, X509 *certificate)
{
	unsigned char bytes[PGCERT_SHA256_LEN];

	if (!hash(certificate, bytes))
		abort();
	for (int i = 0; i < PGCERT_SHA256_LEN; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

/* Takes the field up to the next " | ", or the rest; blanks go. */
static char *
next_field(char **line)
{
	char	   *field = *line;
	char	   *end = strstr(field, " |");
	size_t		len;

	if (end != NULL)
	{
		*end = '\0';
		*line = end + 2;
		*line += strspn(*line, " ");
	}
	else
		*line += strlen(field);
	len = strcspn(field, "\n");
	while (len > 0 && field[len - 1] == ' ')
		len--;
	field[len] = '\0';
	return field;
}

/* Puts a hash where the policy says @one, @leaf or @cert. */
static void
put_policy(Case *one, const char *policy)
{
	const char *at = strchr(policy, '@');
	char		hash[2 * PGCERT_SHA256_LEN + 1] = "";
	const PgcertFacts *alice = people[ALICE].facts;
	int			n;

	if (at == NULL || at[-1] != '=')
		at = policy + strlen(policy);
	else if (strcmp(at, "@one") == 0)
		cases_hash(hash, pgcert_key_sha256, alice->cas[0].certificate);
	else if (strcmp(at, "@leaf") == 0)
		cases_hash(hash, pgcert_key_sha256, alice->certificate);
	else if (strcmp(at, "@cert") == 0)
		cases_hash(hash, pgcert_cert_sha256, alice->certificate);
	else
		bail_out("nobody's hash", policy);
	n = snprintf(one->policy, sizeof(one->policy), "%.*s%s", (int) (at - policy), policy, hash);
	if (n < 0 || (size_t) n >= sizeof(one->policy))
		bail_out("policy is too long", policy);
}

static PgcertTruth
truth_of(const char *word)
{
	static const char *const truths[] = {"false", "true", "unknown"};

	for (int i = 0; i < 3; i++)
		if (strcmp(word, truths[i]) == 0)
			return (PgcertTruth) i;
	bail_out("no verdict", word);
	return PGCERT_FALSE;
}

void
cases_read(void)
{
	FILE	   *file = fopen("cases.txt", "r");
	char		line[1024];

	if (file == NULL)
		bail_out("could not open it", "run in its folder");
	while (fgets(line, sizeof(line), file) != NULL)
	{
		char	   *rest = line;
		Case	   *one;
		const char *word;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (n_cases == MAX_CASES)
			bail_out("too many cases", line);
		one = &cases[n_cases++];
		word = next_field(&rest);
		one->person = people_find(word);
		if (one->person == NULL)
			bail_out("nobody", word);
		put_policy(one, next_field(&rest));
		one->truth = truth_of(next_field(&rest));
		snprintf(one->reason, sizeof(one->reason), "%s", next_field(&rest));
	}
	fclose(file);
}
