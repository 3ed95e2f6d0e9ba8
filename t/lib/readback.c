/*
 * readback.c
 *		What libpq reads: "KEYWORD=HEX" of every parameter that has a value.
 *
 *	readback parse CONNINFO		of a connection string or URI
 *	readback defaults			of the environment and its service file
 *	readback version
 */
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>

int
main(int argc, char **argv)
{
	PQconninfoOption *options = NULL;
	char	   *message = NULL;

	if (argc == 2 && strcmp(argv[1], "version") == 0)
		return printf("%d\n", PQlibVersion()) < 0;
	if (argc == 3 && strcmp(argv[1], "parse") == 0)
		options = PQconninfoParse(argv[2], &message);
	else if (argc == 2 && strcmp(argv[1], "defaults") == 0)
		options = PQconndefaults();
	if (options == NULL)
	{
		fprintf(stderr, "%s", message != NULL ? message : "libpq reads nothing\n");
		return 1;
	}
	for (PQconninfoOption *o = options; o->keyword != NULL; o++)
	{
		if (o->val == NULL)
			continue;
		printf("%s=", o->keyword);
		for (const unsigned char *p = (const unsigned char *) o->val; *p != '\0'; p++)
			printf("%02x", *p);
		printf("\n");
	}
	PQconninfoFree(options);
	return 0;
}
