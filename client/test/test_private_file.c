/*
 * test_private_file.c
 *		Private files, written by several threads at a time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pki.h"
#include "private_file.h"
#include "tap.h"

#define N_THREADS 4
#define N_ROUNDS 200
#define LEN 20000

static int	directory;
static char *path;
static atomic_int n_failed;
static atomic_int n_torn;

/* Is it all of one writer's? */
static bool
is_whole(const char *content, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (content[i] != content[0])
			return false;
	return len == LEN;
}

static void *
hammer(void *arg)
{
	char		content[LEN];

	memset(content, *(const char *) arg, LEN);
	for (int i = 0; i < N_ROUNDS; i++)
	{
		size_t		len = 0;
		char	   *found;

		if (!pgcs_private_replace(directory, path, content, LEN))
			n_failed++;
		found = pgcs_private_read(directory, path, LEN, &len);
		if (found == NULL || !is_whole(found, len))
			n_torn++;
		pgcs_private_free(found, len);
	}
	return NULL;
}

static void
test_threads(void)
{
	static const char letters[N_THREADS] = "abcd";
	pthread_t	threads[N_THREADS];
	const char *why;

	path = test_path("private/file");
	directory = pgcs_private_directory(path, &why);
	if (directory < 0)
		die("no directory: %s", why);
	for (int i = 0; i < N_THREADS; i++)
		if (pthread_create(&threads[i], NULL, hammer, (void *) &letters[i]) != 0)
			die("no thread");
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	is_int(n_failed, 0, "threads that write one file at the same time all succeed");
	is_int(n_torn, 0, "and none ever reads half of one, or of two");
	close(directory);
}

static void
test_read(void)
{
	size_t		len;
	const char *why;
	char	   *other = test_path("private/other");

	directory = pgcs_private_directory(path, &why);
	chmod(path, 0640);
	ok(pgcs_private_read(directory, path, LEN, &len) == NULL,
	   "what the group can read is not ours");
	chmod(path, 0600);
	ok(pgcs_private_read(directory, path, LEN - 1, &len) == NULL,
	   "nor is what is longer than it should be");
	if (symlink(path, other) != 0)
		die("no link");
	ok(pgcs_private_read(directory, other, LEN, &len) == NULL, "nor a link");
	close(directory);
	free(other);

	other = test_path("private");
	chmod(other, 0750);
	is_int(pgcs_private_directory(path, &why), -1, "a directory open to the group is refused");
	is_text(why, "the directory has group or world access; it should be private (0700)", "with words");
	chmod(other, 0700);
	free(other);
}

static void
test_names(void)
{
	char	   *first = pgcs_private_path("/d", "/x/alice.p12", NULL, ".pem");
	char	   *second = pgcs_private_path("/d", "/x/alice.p12", "1", ".pem");
	char	   *elsewhere = pgcs_private_path("/d", "/y/alice.p12", NULL, ".pem");

	ok(strncmp(first, "/d/alice-", 9) == 0 && strlen(first) == strlen("/d/alice-.pem") + 16,
	   "a name tells what it was made of");
	ok(strcmp(first, second) != 0 && strcmp(first, elsewhere) != 0,
	   "and no two originals share one");
	free(first);
	free(second);
	free(elsewhere);
}

int
main(void)
{
	test_threads();
	test_read();
	test_names();
	free(path);
	return done_testing();
}
