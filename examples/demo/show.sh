# show.sh - how a step is shown and checked.
#
#	about WORDS			one line: what is about to be seen
#	show COMMAND		prints the command, runs it, prints what it printed
#	want TEXT...		each of these texts must be in that output
#	want_not TEXT...	none of these may be
#	want_status N		the command must have ended so
#	set_variable N V	sets a variable for the commands that follow
#	run COMMAND			as show, but silent unless it fails, which it must not
#
# A check that does not hold is told at once and remembered to the end.
#
# shellcheck shell=bash

output=
status=0
steps=0
wrong=0
held=()				# the checks of this output that held, not shown yet

bold='' dim='' red='' green='' plain=''
if [ "${DEMO_COLOR:-no}" = yes ]; then
	bold=$'\e[1m' dim=$'\e[36m' red=$'\e[1;31m' green=$'\e[32m' plain=$'\e[0m'
fi

title()
{
	tell_held
	printf '\n%s%s%s\n%s\n' "$bold" "$1" "$plain" "${1//?/=}"
}

about()
{
	tell_held
	steps=$((steps + 1))
	printf '\n%s%d. %s%s\n' "$bold" "$steps" "$1" "$plain"
}

command_line()
{
	tell_held
	printf '   %s$ %s%s\n' "$dim" "${1//$'\n'/$'\n     '}" "$plain"
}

show()
{
	command_line "$1"
	perform "$1"
	if [ -n "$output" ]; then
		printf '%s\n' "$output" | sed 's/^/   /'
	fi
}

run()
{
	command_line "$1"
	perform "$1"
	if [ "$status" -ne 0 ]; then
		printf '%s\n' "$output" | sed 's/^/   /'
		failed "the command failed with status $status"
	fi
}

# set_variable NAME VALUE: for the commands that follow.  The value is what a
# shell makes of it.
set_variable()
{
	command_line "$1=$2"
	perform "value=$2; printf %s \"\$value\""
	export "$1=$output"
}

# In a shell of its own, never waiting for a person, and not for ever.
perform()
{
	status=0
	output=$(timeout -k 5 120 bash -c "set -o pipefail; $1" 2>&1 </dev/null) ||
		status=$?
}

want()
{
	local text

	for text; do
		if [[ $output == *"$text"* ]]; then
			held+=("$text")
		else
			failed "this should be there: $text"
		fi
	done
}

want_not()
{
	local text

	for text; do
		if [[ $output == *"$text"* ]]; then
			failed "this should not be there: $text"
		else
			held+=("not: $text")
		fi
	done
}

want_status()
{
	if [ "$status" -eq "$1" ]; then
		held+=("status $1")
	else
		failed "exit status $status instead of $1"
	fi
}

# One line for all checks that held.
tell_held()
{
	local line

	if [ ${#held[@]} -gt 0 ]; then
		line=$(printf ' | %s' "${held[@]}")
		printf '   %s[ok] %s%s\n' "$green" "${line:3}" "$plain"
		held=()
	fi
}

failed()
{
	tell_held
	wrong=$((wrong + 1))
	printf '   %s[WRONG] %s%s\n' "$red" "$1" "$plain"
}

summary()
{
	tell_held
	echo
	if [ "$wrong" -eq 0 ]; then
		printf '%sAll %d steps showed what they should.%s\n' \
			"$green" "$steps" "$plain"
		exit 0
	fi
	printf '%s%d checks did not hold.%s\n' "$red" "$wrong" "$plain"
	exit 1
}
