/*
 * settings.c
 *		The pg_cert_policy.* settings.
 *
 * They are strings, not enums or integers, for one reason: PostgreSQL answers
 * a bad value in a configuration file by keeping the value it has, which at
 * start is the default.  Here a misspelt value must count as the strictest one.
 * So a bad value is accepted from a file, with a warning, and read strictly; a
 * running statement (ALTER SYSTEM) gets an error instead.  The sizes of shared
 * memory are integers all the same: none of them lets anybody in.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "pgcp.h"

static char *enforce_text;
static char *local_connections_text;
static char *default_policy_text;
static char *exempt_roles_text;

static PgcpEnforce enforce = PGCP_ENFORCE_ON;
static PgcertLocal local_connections = PGCERT_LOCAL_REJECT;

static char *disconnect_expired_text;
static char *expiry_grace_text;
static char *expiry_warning_text;
static char *recheck_interval_text;
static int	max_tracked;
static int	session_bytes;

static bool disconnect_expired = true;
static int	expiry_grace = 0;
static int	expiry_warning = 0;
static int	recheck_interval = 0;

/* A setting that is a time, in seconds. */
typedef struct TimeSetting
{
	const char *name;
	int			min;			/* 0 is allowed besides */
	int			max;
	int			strictest;		/* what a misspelt one counts as */
	const char *counts_as;
	const char *hint;
} TimeSetting;

static const TimeSetting expiry_grace_setting = {
	"pg_cert_policy.expiry_grace", 1, 365 * SECS_PER_DAY, 0,
	"It counts as 0 until it is corrected.",
	"It is a time of at most 365d, or 0 for none."
};

static const TimeSetting expiry_warning_setting = {
	"pg_cert_policy.expiry_warning", 1, 365 * SECS_PER_DAY,
	365 * SECS_PER_DAY,
	"It counts as 365d until it is corrected.",
	"It is a time of at most 365d, or 0 for never."
};

/* No shorter: every recheck judges every session. */
static const TimeSetting recheck_interval_setting = {
	"pg_cert_policy.recheck_interval", 10, 7 * SECS_PER_DAY, 10,
	"It counts as 10s until it is corrected.",
	"It is a time from 10s to 7d, or 0 for never."
};

/* Are values being read that were set before the library was loaded? */
static bool defining = false;

/*
 * The answer of a check hook to a value that cannot be read: an error for a
 * statement, a warning for a file.  Every process reads the files; only the
 * postmaster says so.
 */
static bool
misspelt(const char *setting, const char *value, const char *counts_as,
		 const char *hint)
{
	if (ActivePortal != NULL && !defining)
	{
		GUC_check_errhint("%s", hint);
		return false;
	}
	if (!IsUnderPostmaster)
		ereport(WARNING,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s\": \"%s\"",
						setting, value),
				 errdetail("%s", counts_as),
				 errhint("%s", hint)));
	return true;
}

static bool
parse_enforce(const char *value, PgcpEnforce *result)
{
	if (pg_strcasecmp(value, "on") == 0)
		*result = PGCP_ENFORCE_ON;
	else if (pg_strcasecmp(value, "log") == 0)
		*result = PGCP_ENFORCE_LOG;
	else if (pg_strcasecmp(value, "off") == 0)
		*result = PGCP_ENFORCE_OFF;
	else
	{
		*result = PGCP_ENFORCE_ON;
		return false;
	}
	return true;
}

static bool
check_enforce(char **newval, void **extra, GucSource source)
{
	PgcpEnforce ignored;

	return parse_enforce(*newval, &ignored) ||
		misspelt("pg_cert_policy.enforce", *newval,
				 "It counts as \"on\" until it is corrected.",
				 "Available values: on, log, off.");
}

static void
assign_enforce(const char *newval, void *extra)
{
	(void) parse_enforce(newval, &enforce);
}

static bool
parse_local_connections(const char *value, PgcertLocal *result)
{
	if (pg_strcasecmp(value, "peer") == 0)
		*result = PGCERT_LOCAL_PEER;
	else if (pg_strcasecmp(value, "allow") == 0)
		*result = PGCERT_LOCAL_ALLOW;
	else if (pg_strcasecmp(value, "reject") == 0)
		*result = PGCERT_LOCAL_REJECT;
	else
	{
		*result = PGCERT_LOCAL_REJECT;
		return false;
	}
	return true;
}

static bool
check_local_connections(char **newval, void **extra, GucSource source)
{
	PgcertLocal ignored;

	return parse_local_connections(*newval, &ignored) ||
		misspelt("pg_cert_policy.local_connections", *newval,
				 "It counts as \"reject\" until it is corrected.",
				 "Available values: peer, allow, reject.");
}

static void
assign_local_connections(const char *newval, void *extra)
{
	(void) parse_local_connections(newval, &local_connections);
}

/*
 * The text is kept as it is and parsed when it is needed: a policy that does
 * not parse then rejects whom it covers, like any other.
 */
static bool
check_default_policy(char **newval, void **extra, GucSource source)
{
	PgcertPolicy *policy;
	PgcertError error;
	char		where[128] = "";
	char		counts_as[512];

	if ((*newval)[0] == '\0')
		return true;
	policy = pgcp_policy_parse(PGCP_POLICY_DEFAULT, *newval, &error);
	pgcert_policy_free(policy);
	if (policy != NULL)
		return true;

	if (error.position > 0)
		snprintf(where, sizeof(where), " at position %zu", error.position);
	GUC_check_errdetail("The policy cannot be read: %s%s.", error.message,
						where);
	snprintf(counts_as, sizeof(counts_as),
			 "The policy cannot be read: %s%s. Every login that it covers is rejected until it is corrected.",
			 error.message, where);
	return misspelt("pg_cert_policy.default_policy", *newval, counts_as,
					error.hint[0] ? error.hint :
					"The default policy is written like the label of a role.");
}

static bool
check_disconnect_expired(char **newval, void **extra, GucSource source)
{
	bool		ignored;

	return parse_bool(*newval, &ignored) ||
		misspelt("pg_cert_policy.disconnect_expired", *newval,
				 "It counts as \"on\" until it is corrected.",
				 "Available values: on, off.");
}

static void
assign_disconnect_expired(const char *newval, void *extra)
{
	if (!parse_bool(newval, &disconnect_expired))
		disconnect_expired = true;
}

/* PostgreSQL's own reading of a time; the strictest one if it fails. */
static bool
parse_time(const TimeSetting *setting, const char *value, int *result)
{
	if (parse_int(value, result, GUC_UNIT_S, NULL) &&
		(*result == 0 ||
		 (*result >= setting->min && *result <= setting->max)))
		return true;
	*result = setting->strictest;
	return false;
}

static bool
check_time(const TimeSetting *setting, const char *value)
{
	int			ignored;

	return parse_time(setting, value, &ignored) ||
		misspelt(setting->name, value, setting->counts_as, setting->hint);
}

static bool
check_expiry_grace(char **newval, void **extra, GucSource source)
{
	return check_time(&expiry_grace_setting, *newval);
}

static void
assign_expiry_grace(const char *newval, void *extra)
{
	(void) parse_time(&expiry_grace_setting, newval, &expiry_grace);
}

static bool
check_expiry_warning(char **newval, void **extra, GucSource source)
{
	return check_time(&expiry_warning_setting, *newval);
}

static void
assign_expiry_warning(const char *newval, void *extra)
{
	(void) parse_time(&expiry_warning_setting, newval, &expiry_warning);
}

static bool
check_recheck_interval(char **newval, void **extra, GucSource source)
{
	return check_time(&recheck_interval_setting, *newval);
}

static void
assign_recheck_interval(const char *newval, void *extra)
{
	(void) parse_time(&recheck_interval_setting, newval, &recheck_interval);
}

static bool
check_exempt_roles(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid;

	valid = SplitIdentifierString(copy, ',', &names);
	list_free(names);
	pfree(copy);
	return valid ||
		misspelt("pg_cert_policy.exempt_roles", *newval,
				 "No role is exempt until it is corrected.",
				 "Write role names separated by commas, as in search_path.");
}

void
pgcp_settings_define(void)
{
	defining = true;
	DefineCustomStringVariable("pg_cert_policy.enforce",
							   "Sets what happens to a login that a certificate policy does not accept.",
							   "\"on\" rejects it, \"log\" records it and lets it in, \"off\" asks no policy.",
							   &enforce_text, "on",
							   PGC_SIGHUP, 0,
							   check_enforce, assign_enforce, NULL);
	DefineCustomStringVariable("pg_cert_policy.local_connections",
							   "Sets which logins over a Unix-domain socket certificate policies leave alone.",
							   "\"peer\" leaves those alone that pg_hba.conf authenticated by \"peer\", \"allow\" all, \"reject\" none.",
							   &local_connections_text, "peer",
							   PGC_SIGHUP, 0,
							   check_local_connections,
							   assign_local_connections, NULL);
	DefineCustomStringVariable("pg_cert_policy.default_policy",
							   "Sets the certificate policy of roles that have none of their own.",
							   "Empty means none.",
							   &default_policy_text, "",
							   PGC_SIGHUP, 0,
							   check_default_policy, NULL, NULL);
	DefineCustomStringVariable("pg_cert_policy.exempt_roles",
							   "Lists superusers that no certificate policy binds.",
							   "Names of other roles have no effect.",
							   &exempt_roles_text, "",
							   PGC_SIGHUP, 0,
							   check_exempt_roles, NULL, NULL);
	DefineCustomStringVariable("pg_cert_policy.disconnect_expired",
							   "Ends sessions when their client certificate expires.",
							   "A policy can say otherwise with on_expiry.",
							   &disconnect_expired_text, "off",
							   PGC_SIGHUP, 0,
							   check_disconnect_expired,
							   assign_disconnect_expired, NULL);
	DefineCustomStringVariable("pg_cert_policy.expiry_grace",
							   "Sets how long a session may outlive its client certificate.",
							   "Without a unit, seconds.",
							   &expiry_grace_text, "0",
							   PGC_SIGHUP, 0,
							   check_expiry_grace, assign_expiry_grace, NULL);
	DefineCustomStringVariable("pg_cert_policy.expiry_warning",
							   "Sets how long before its end a client certificate is warned of at login.",
							   "Zero turns the warning off. A certificate's last tenth counts if that is shorter. Without a unit, seconds.",
							   &expiry_warning_text, "7d",
							   PGC_SIGHUP, 0,
							   check_expiry_warning,
							   assign_expiry_warning, NULL);
	DefineCustomStringVariable("pg_cert_policy.recheck_interval",
							   "Sets how often every session is judged again by today's policies and revocation lists.",
							   "Zero means never. Without a unit, seconds.",
							   &recheck_interval_text, "0",
							   PGC_SIGHUP, 0,
							   check_recheck_interval,
							   assign_recheck_interval, NULL);
	if (pgcp_is_preloaded())
	{
		DefineCustomIntVariable("pg_cert_policy.max_tracked",
								"Sets how many pairs of role and database are counted.",
								NULL,
								&max_tracked, 1000, 1, 100000,
								PGC_POSTMASTER, 0, NULL, NULL, NULL);
		DefineCustomIntVariable("pg_cert_policy.session_bytes",
								"Sets how much of its certificates is kept for each session.",
								"A session with more cannot be judged again after login.",
								&session_bytes, 16384, 1024, 1024 * 1024,
								PGC_POSTMASTER, GUC_UNIT_BYTE, NULL, NULL, NULL);
	}
	defining = false;
	MarkGUCPrefixReserved("pg_cert_policy");
}

PgcpEnforce
pgcp_setting_enforce(void)
{
	return enforce;
}

PgcertLocal
pgcp_setting_local_connections(void)
{
	return local_connections;
}

/* NULL if there is none. */
const char *
pgcp_setting_default_policy(void)
{
	return default_policy_text[0] ? default_policy_text : NULL;
}

/* Is this name in exempt_roles?  A list that cannot be read holds nobody. */
bool
pgcp_setting_exempts_role(const char *name)
{
	List	   *names;
	ListCell   *cell;

	if (!SplitIdentifierString(pstrdup(exempt_roles_text), ',', &names))
		return false;
	foreach(cell, names)
	{
		if (strcmp((const char *) lfirst(cell), name) == 0)
			return true;
	}
	return false;
}

bool
pgcp_setting_disconnect_expired(void)
{
	return disconnect_expired;
}

/* In seconds. */
int
pgcp_setting_expiry_grace(void)
{
	return expiry_grace;
}

/* In seconds; 0 means never. */
int
pgcp_setting_expiry_warning(void)
{
	return expiry_warning;
}

/* In seconds; 0 means never. */
int
pgcp_setting_recheck_interval(void)
{
	return recheck_interval;
}

int
pgcp_setting_max_tracked(void)
{
	return max_tracked;
}

int
pgcp_setting_session_bytes(void)
{
	return session_bytes;
}
