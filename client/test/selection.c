/*
 * selection.c
 *		Bundles for the tests of the selection rules; see selection.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selection.h"
#include "tap.h"

Cert		root1;
Cert		root2;
Cert		twin1;
Cert		twin_without_id;
Cert		int1;
Cert		int2;
Cert		expired_int;

pgcs_selector *sel;
static pgcs_bundle *bundle;
pgcs_choice *choice;

void
make_cas(void)
{
	root1 = make_cert((Wish) {.cn = "root1", .ca = true});
	root2 = make_cert((Wish) {.cn = "root2", .ca = true});
	twin1 = make_cert((Wish) {.cn = "root1", .ca = true});
	twin_without_id = make_cert((Wish) {.cn = "root1", .ca = true, .no_key_ids = true});
	int1 = make_cert((Wish) {.cn = "int1", .ca = true, .issuer = &root1});
	int2 = make_cert((Wish) {.cn = "int2", .ca = true, .issuer = &int1});
	expired_int = make_cert((Wish) {.cn = "expired", .ca = true, .issuer = &root1,
		.not_before = NOW - 9 * DAY, .not_after = NOW - DAY});
}

void
free_cas(void)
{
	free_cert(&root1);
	free_cert(&root2);
	free_cert(&twin1);
	free_cert(&twin_without_id);
	free_cert(&int1);
	free_cert(&int2);
	free_cert(&expired_int);
}

void
begin(void)
{
	sel = pgcs_selector_new();
}

void
finish(void)
{
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	pgcs_selector_free(sel);
	choice = NULL;
	bundle = NULL;
}

void
hold(const char *name, const Cert *leaf, const char *password, char *path)
{
	char		key_name[64];
	char	   *key;

	snprintf(key_name, sizeof(key_name), "%s.key", name);
	key = write_key(key_name, leaf, password);
	if (pgcs_add_pair(sel, path, key, NULL) != PGCS_OK)
		die("%s", pgcs_error(sel));
	free(key);
	free(path);
}

const char *
outcome(void)
{
	static const char *const verdicts[] = {"unusable", "doubtful", "certain"};
	static char text[128];
	const char *path = pgcs_choice_cert_path(choice);

	switch (pgcs_choice_status(choice))
	{
		case PGCS_FOUND:
			snprintf(text, sizeof(text), "found %.*s %s",
					 (int) strcspn(strrchr(path, '/') + 1, "."), strrchr(path, '/') + 1,
					 verdicts[pgcs_candidate_verdict(pgcs_choice_candidate(choice, 0))]);
			return text;
		case PGCS_NONE:
			return "none";
		case PGCS_AMBIGUOUS:
			return "ambiguous";
		case PGCS_NO_TLS:
			return "no TLS";
		case PGCS_NOT_WANTED:
			return "not wanted";
	}
	return "?";
}

const char *
reasons(void)
{
	static char text[512];
	const pgcs_candidate *candidate = pgcs_choice_candidate(choice, 0);
	size_t		len = 0;

	text[0] = '\0';
	for (size_t i = 0; candidate != NULL && i < pgcs_candidate_n_reasons(candidate); i++)
	{
		const pgcs_reason *reason = pgcs_candidate_reason(candidate, i);

		if (pgcs_reason_severity(reason) != PGCS_NOTE)
			len += (size_t) snprintf(text + len, sizeof(text) - len, "%s%s",
									 len > 0 ? " " : "", pgcs_reason_code(reason));
	}
	return text;
}

bool
has_reason(const char *code)
{
	for (size_t c = 0; c < pgcs_choice_n_candidates(choice); c++)
		for (size_t i = 0; i < pgcs_candidate_n_reasons(pgcs_choice_candidate(choice, c)); i++)
			if (strcmp(pgcs_reason_code(pgcs_candidate_reason(pgcs_choice_candidate(choice, c), i)), code) == 0)
				return true;
	return false;
}

/* What was chosen, so that choosing and judging all can be compared. */
static char *
summary(const pgcs_choice *of)
{
	const pgcs_candidate *rival = pgcs_choice_rival(of);
	const char *cert = pgcs_choice_cert_path(of);
	PgcertBuf	buf = PGCERT_BUF_INIT;

	pgcert_buf_printf(&buf, "%d %s %s %d %s", (int) pgcs_choice_status(of),
					  pgcs_choice_text(of), cert != NULL ? cert : "-",
					  pgcs_choice_is_certain(of),
					  rival != NULL
					  ? pgcs_identity_cert_path(pgcs_candidate_identity(rival)) : "-");
	return pgcert_buf_take(&buf);
}

/* Choosing stops early, but comes to what judging all comes to. */
static void
compare_with_select(const pgcs_request *request)
{
	pgcs_choice *chosen = pgcs_select(sel, bundle, request, NOW);
	char	   *got = summary(chosen);
	char	   *want = summary(choice);

	if (strcmp(got, want) != 0)
		is_text(got, want, "choosing and judging all come to the same");
	if (pgcs_choice_n_candidates(chosen) > pgcs_choice_n_candidates(choice))
		ok(false, "choosing judges more than there is");
	free(got);
	free(want);
	pgcs_choice_free(chosen);
}

void
run(Setup setup, bool by_certificate, int n_cas, const Cert *const *cas)
{
	pgcs_request *request = pgcs_request_new(1);
	PgcsHost   *host = &request->hosts[0];

	for (int i = 0; i < n_cas; i++)
		if (by_certificate ? !pgcs_host_add_ca(host, cas[i]->x509)
			: !pgcs_host_add_name(host, X509_get_subject_name(cas[i]->x509)))
			die("out of memory");
	host->answer = n_cas > 0 ? PGCS_ANSWER_NAMED : PGCS_ANSWER_UNNAMED;
	host->tls_version = setup.tls_version;
	host->group = setup.group;
	if (setup.n_sigalgs > 0)
	{
		host->sigalgs = malloc(setup.n_sigalgs * sizeof(*host->sigalgs));
		memcpy(host->sigalgs, setup.sigalgs, setup.n_sigalgs * sizeof(*host->sigalgs));
		host->n_sigalgs = setup.n_sigalgs;
	}
	for (size_t i = 0; i < sel->n_policies; i++)
		pgcert_policy_free(sel->policies[i]);
	sel->n_policies = 0;
	if (pgcs_set_user(sel, setup.user) != PGCS_OK ||
		pgcs_set_root_file(sel, setup.root_file) != PGCS_OK ||
		pgcs_set_max_tls_version(sel, setup.max_tls_version) != PGCS_OK ||
		(setup.policy != NULL && pgcs_add_policy(sel, setup.policy) != PGCS_OK))
		die("%s", pgcs_error(sel));
	pgcs_set_strict(sel, setup.strict);
	pgcs_set_prompt_allowed(sel, setup.prompt);
	pgcs_choice_free(choice);
	pgcs_bundle_free(bundle);
	bundle = pgcs_bundle_load(sel);
	if (setup.level != 0)
		bundle->security_level = setup.level;
	choice = pgcs_check(sel, bundle, request, NOW);
	if (choice == NULL)
		die("%s", pgcs_error(sel));
	compare_with_select(request);
	pgcs_request_free(request);
}
