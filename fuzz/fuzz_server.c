/*
 * fuzz_server.c
 *		Any bytes as what a server of PostgreSQL says when it is asked for the
 *		names in SQL: libpq reads them, and we read what libpq made of them.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fuzz.h"
#include "pgcertsel.h"

/*
 * libpq makes room for a message as long as its first bytes say, up to a
 * gigabyte; ASan would take seconds over that, and it is libpq's to mend.
 */
extern const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=64";
}

static char conninfo[256];
static int	listener;
static sem_t finished;
static const uint8_t *answer;
static size_t answer_len;

/* A message "ready for query" is where a server waits for the next one. */
static size_t
to_next_query(size_t from)
{
	static const uint8_t ready[] = {'Z', 0, 0, 0, 5};
	const		uint8_t *end = memmem(answer + from, answer_len - from, ready, sizeof(ready));

	if (end == NULL || end + sizeof(ready) + 1 >= answer + answer_len)
		return answer_len - from;
	return (size_t) (end - (answer + from)) + sizeof(ready) + 1;
}

/*
 * Answers each message with what comes next, and hangs up.  A client that
 * waits for more gets it soon, too.
 */
static void
answer_client(int fd)
{
	char		bytes[4096];
	size_t		sent = 0;

	while (sent < answer_len)
	{
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		size_t		len = to_next_query(sent);

		if (poll(&pfd, 1, 10) > 0 && read(fd, bytes, sizeof(bytes)) <= 0)
			return;
		if (send(fd, answer + sent, len, MSG_NOSIGNAL) != (ssize_t) len)
			return;
		sent += len;
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

static void *
serve(void *argument)
{
	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);

		MUST(fd >= 0);
		answer_client(fd);
		close(fd);
		sem_post(&finished);
	}
	return argument;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	pthread_t	thread;

	(void) argc;
	(void) argv;
	setenv("HOME", fuzz_dir(), 1);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.1", fuzz_dir());
	snprintf(conninfo, sizeof(conninfo), "host=%s port=1 user=alice dbname=d", fuzz_dir());
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	MUST(listener >= 0 &&
		 bind(listener, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		 listen(listener, 1) == 0);
	MUST(sem_init(&finished, 0, 0) == 0);
	MUST(pthread_create(&thread, NULL, serve, NULL) == 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t * data, size_t size)
{
	pgcs_selector *sel = pgcs_selector_new();
	pgcs_request *request;

	MUST(sel != NULL);
	pgcs_set_timeout_ms(sel, 20000);
	answer = data;
	answer_len = size;
	request = pgcs_request_from_server(sel, conninfo, "alice", "d");
	fuzz_check_words(pgcs_error(sel));
	MUST((request == NULL) == (pgcs_error(sel)[0] != '\0'));
	for (size_t i = 0; request != NULL && i < pgcs_request_n_names(request, 0); i++)
		fuzz_check_words(pgcs_request_name(request, 0, i));
	pgcs_request_free(request);
	pgcs_selector_free(sel);
	/* libFuzzer keeps the time by signals */
	while (sem_wait(&finished) != 0)
		MUST(errno == EINTR);
	return 0;
}
