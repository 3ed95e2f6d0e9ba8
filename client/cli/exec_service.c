/*
 * exec_service.c
 *		A program whose libpq reads a service file that no disk ever held.
 *
 * The file lives in this process's memory, and the program and its children
 * read it as /proc/<this process>/fd/<n>, also after they have closed every
 * descriptor of their own.  So this process stays, passes signals on, and
 * ends as the program ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#ifdef __linux__

/* The file's descriptor, or -1 with words printed. */
static int
make_file(const char *content)
{
	size_t		len = strlen(content);
	size_t		done = 0;
	int			fd = memfd_create("pgcertsel-service", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
	{
		say("could not make a file in memory: %s", strerror(errno));
		return -1;
	}
	while (done < len)
	{
		ssize_t		n = write(fd, content + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			say("could not write the file in memory: %s", strerror(errno));
			close(fd);
			return -1;
		}
		done += (size_t) n;
	}

	/* nobody else can change it, nor read it under another user */
	(void) fchmod(fd, 0400);
	(void) fcntl(fd, F_ADD_SEALS,
				 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

/* Ends as the child ended. */
static int
end_as(int wait_status)
{
	if (WIFSIGNALED(wait_status))
	{
		int			number = WTERMSIG(wait_status);
		struct rlimit no_core = {0, 0};
		sigset_t	set;

		/* one core file is enough, and it was the program's */
		setrlimit(RLIMIT_CORE, &no_core);
		signal(number, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, number);
		raise(number);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		return 128 + number;
	}
	return WEXITSTATUS(wait_status);
}

/*
 * Passes signals on until the child has ended.  A signal that the terminal
 * made has reached the child already, as it goes to the whole group.
 */
static int
attend(pid_t child, const sigset_t *signals)
{
	for (;;)
	{
		siginfo_t	info;
		int			wait_status;
		int			number = sigwaitinfo(signals, &info);

		if (number < 0)
			continue;
		if (number != SIGCHLD)
		{
			if (info.si_code <= 0)
				kill(child, number);
			continue;
		}
		while (waitpid(child, &wait_status, WNOHANG | WUNTRACED) == child)
		{
			if (WIFSTOPPED(wait_status))
			{
				/* the shell looks at us, so we stop too; it continues all */
				raise(SIGSTOP);
				kill(child, SIGCONT);
				continue;
			}
			return end_as(wait_status);
		}
	}
}

int
exec_with_service(char **program, const char *content)
{
	static const int passed_on[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
		SIGALRM, SIGTSTP, SIGCONT,
	};
	sigset_t	signals;
	sigset_t	before;
	char		path[64];
	int			report[2];
	int			error = 0;
	ssize_t		n;
	pid_t		child;
	int			fd = make_file(content);

	if (fd < 0)
		return EXIT_EXEC_FAILED;
	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long) getpid(), fd);
	if (access(path, R_OK) != 0)
	{
		say("this connection needs /proc to hand over what has no environment variable: %s",
			strerror(errno));
		return EXIT_EXEC_FAILED;
	}
	if (setenv("PGSERVICEFILE", path, 1) != 0 ||
		setenv("PGSERVICE", EXEC_SERVICE, 1) != 0 ||
		pipe2(report, O_CLOEXEC) != 0)
	{
		say("could not prepare the program: %s", strerror(errno));
		return EXIT_EXEC_FAILED;
	}

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&signals, passed_on[i]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &signals, &before);
	child = fork();
	if (child < 0)
	{
		say("could not start the program: %s", strerror(errno));
		return EXIT_EXEC_FAILED;
	}
	if (child == 0)
	{
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(program[0], program);
		error = errno;
		n = write(report[1], &error, sizeof(error));
		_exit(n > 0 ? EXIT_EXEC_FAILED : EXIT_NOT_EXECUTABLE);
	}
	close(report[1]);
	while ((n = read(report[0], &error, sizeof(error))) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (n == (ssize_t) sizeof(error))
	{
		waitpid(child, NULL, 0);
		return exec_error(program[0], error);
	}
	return attend(child, &signals);
}

#else							/* !__linux__ */

int
exec_with_service(char **program, const char *content)
{
	(void) program;
	(void) content;
	say("this connection has parameters without an environment variable, which can be handed over on Linux only");
	return EXIT_EXEC_FAILED;
}

#endif
