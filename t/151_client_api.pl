# What a developer meets: the manual pages of the library, complete and right
# (each function is named once, the prototypes are the header's, the examples
# compile and do what they say), the header in C and C++, and linking with the
# shared and with the static library as pkg-config says.  Not pg_regress:
# compilers, linkers, man.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Client qw(folder program run run_with slurp write_file);
use CertPolicy::PKI;
use CertPolicy::Server;
use File::Basename qw(basename);
use Test::More;

my $stage = $ENV{PG_CERT_POLICY_STAGE} // '';
my ($pc) = grep { -e $_ } map { "$stage$_/pgcertsel.pc" }
  map { ("$_/lib/pkgconfig", "$_/share/pkgconfig") } ($ENV{PREFIX} // '/usr/local'), '/usr';

plan skip_all => 'the library is not installed' unless $pc;

my ($prefix, $include) = map { slurp($pc) =~ /^$_=(\S+)/m ? "$stage$1" : die "no $_ in $pc" } qw(libdir includedir);
my ($man) = grep { -d $_ } map { "$stage$_/share/man" } ($ENV{PREFIX} // '/usr/local'), '/usr';
my $pki = CertPolicy::PKI->new;
my $tmp = $pki->dir;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
my ($pg_include, $pg_lib) = map { run($pg_config, "--$_")->{stdout} } qw(includedir libdir);
my $header = slurp("$include/pgcertsel.h");
my %declared = map { $_ => 1 } $header =~ /^extern [^;(]*?(pgcs_\w+)\(/mg;
my @cc = (split(/ /, $ENV{CC} || 'cc'), qw(-Wall -Wextra -Werror), "-I$include", "-I$pg_include");
my @shared = ("-L$prefix", "-Wl,-rpath,$prefix", '-lpgcertsel', "-L$pg_lib", '-lpq');

cmp_ok(scalar(keys %declared), '>', 80, 'the header declares what there is');

# --- manual pages -------------------------------------------------------------

my %named;
my %example;
my @pages = grep { -s $_ && slurp($_) !~ /^\.so / } glob "$man/man3/pgcertsel.3 $man/man3/pgcs_*.3";

cmp_ok(scalar(@pages), '>=', 9, 'a page for each family of functions');
foreach my $page (@pages)
{
	my $name = basename($page, '.3');
	my $text = slurp($page);
	my ($names) = $text =~ /^\.SH NAME\n(.*?)\\-/ms;
	my ($synopsis) = $text =~ /^\.SH SYNOPSIS\n(.*?)^\.SH/ms;
	my %prototype;

	foreach my $function ($names =~ /(pgcs_\w+)/g)
	{
		ok(!$named{$function}++, "$name: $function is named once");
		my $link = "$man/man3/$function.3";
		ok(-s $link && ($link eq $page || slurp($link) eq ".so man3/$name.3\n"), "and man $function shows it");
	}
	foreach my $line ($synopsis =~ /\\fB([^\\\n]*\);)/g)
	{
		my ($function) = $line =~ /(pgcs_\w+)\(/;

		$prototype{$function} = $line;
	}
	is_deeply([ sort keys %prototype ], [ sort $names =~ /(pgcs_\w+)/g ], "$name: a prototype of each");
	like($text, qr/^\.SH $_$/m, "$name: $_") foreach 'DESCRIPTION', 'RETURN VALUE', 'ERRORS', 'EXAMPLE', 'SEE ALSO';
	like($text, qr/^\.SH OWNERSHIP$/m, "$name: OWNERSHIP") if $name ne 'pgcertsel';
	write_file("$tmp/proto.c", "#include <pgcertsel.h>\n" . join "\n", values %prototype, '');
	my $got = run(@cc, '-fsyntax-only', "$tmp/proto.c");
	is($got->{stderr}, '', "$name: which are those of the header");

	# what troff makes of it
	SKIP:
	{
		skip 'groff is not there', 1 unless program('groff');
		$got = run('groff', '-man', '-ww', '-Tutf8', '-z', $page);
		is("$got->{status} $got->{stderr}", '0 ', "$name: groff has no complaint");
	}
	SKIP:
	{
		skip 'mandoc is not there', 1 unless program('mandoc');
		$got = run('mandoc', '-T', 'lint', '-W', 'warning', $page);
		is($got->{stdout}, '', "$name: nor has mandoc");
	}

	# the examples, as somebody would copy them
	my @examples = $text =~ /^\.EX\n(.*?)^\.EE$/msg;
	is(scalar(@examples), 1, "$name: an example");
	(my $code = $examples[0] // '') =~ s/\\\(aq/'/g;
	$code =~ s/\\-/-/g;
	$code =~ s/\\e/\\/g;
	$example{$name} = "$tmp/$name";
	write_file("$tmp/$name.c", $code);
	my @link = $code =~ /^main\(/m ? ('-o', $example{$name}) : ('-c', '-o', "$tmp/$name.o");
	$got = run(@cc, '-std=c17', @link, "$tmp/$name.c", @shared);
	is($got->{stderr}, '', "$name: which compiles, and links");
}
is_deeply([ sort keys %named ], [ sort keys %declared ], 'every function has a page');

SKIP:
{
	skip 'man is not there', 2 unless program('man');
	my $got = run('man', '-M', $man, '3', 'pgcs_connect_start');

	skip 'man shows no pages here (a minimized system)', 2 if $got->{stdout} !~ /NAME/ && "$got->{stdout}$got->{stderr}" =~ /minimi[sz]ed/;
	like($got->{stdout}, qr/^PGCS_CONNECT\(3\).*pgcs_connection_poll/ms, 'man finds a page by the name of a function')
	  or diag $got->{stderr};
	like(run('man', '-M', $man, 'pgcertsel')->{stdout}, qr/^PGCERTSEL\(1\)/m, 'and the command\'s');
}

# --- codes of reasons -----------------------------------------------------------

# The page of reasons refers to the header for them, docs/client.md has a table:
# both must have all that the code has, and no others.
my $word = qr/[a-z][a-z0-9]*(?:-[a-z0-9]+)*/;
my $string = qr/"(?:[^"\\]|\\.)*"/;
my %code;

foreach my $source (map { slurp($_) =~ s{/\*.*?\*/}{}gsr } glob "$FindBin::RealBin/../client/*.c")
{
	# whatever is a word in a statement that is about a severity or a code
	foreach my $statement (grep { /\b(?:PGCS_(?:NOTE|DOUBT|FATAL)|severity|code)\b|\brefuse\(/ } $source =~ /((?:$string|[^";{}])+)/g)
	{
		$code{$_} = 1 foreach $statement =~ /"($word)"/g;
	}
}
my ($documented) = $header =~ /A stable word for programs\.(.*?)\*\//s;
$documented =~ s/^ \*//mg;
$documented =~ s/\bOf [a-z\s]+://g;
my ($table) = slurp("$FindBin::RealBin/../docs/client.md") =~ /^## Reasons\n(.*?)^## /ms;

cmp_ok(scalar(keys %code), '>', 40, 'the code has reasons');
is_deeply([ sort $documented =~ /($word)/g ], [ sort keys %code ], 'the header lists the codes, each once');
is_deeply([ sort map { /`($word)`/g } $table =~ /^\| (`[^|]*)\|/mg ], [ sort keys %code ], 'so does the table of docs/client.md');

# --- the header -------------------------------------------------------------------

foreach my $case ([ 'c', 'cc', qw(-std=c99 -pedantic) ], [ 'c', 'cc', '-std=c17' ], [ 'c', 'clang', '-std=c17' ],
	[ 'c++', 'g++', qw(-std=c++11 -pedantic) ], [ 'c++', 'g++', '-std=c++20' ], [ 'c++', 'clang++', qw(-std=c++17 -pedantic) ])
{
	my ($language, $compiler, @standard) = @$case;
	my ($path) = program($compiler);

	SKIP:
	{
		skip "$compiler is not there", 2 unless $path;
		foreach my $also ('', "#include <libpq-fe.h>\n")
		{
			write_file("$tmp/alone.src", "#include <pgcertsel.h>\n$also" . "extern int nothing;\n");
			my $got = run($path, '-x', $language, @standard, qw(-Wall -Wextra -Werror -fsyntax-only), "-I$include", "-I$pg_include",
				"$tmp/alone.src");
			is($got->{stderr}, '', "$compiler @standard takes the header" . ($also ? ' before libpq\'s' : ' alone'));
		}
	}
}

SKIP:
{
	my $cxx = program('g++') || program('clang++');

	skip 'no C++ compiler is there', 3 unless $cxx;
	write_file("$tmp/program.cc", <<'CPP');
#include <cstdio>
#include <memory>

#include <pgcertsel.h>

int
main()
{
	std::unique_ptr<pgcs_selector, decltype(&pgcs_selector_free)> sel(pgcs_selector_new(), pgcs_selector_free);
	std::unique_ptr<char, decltype(&pgcs_text_free)> text(
		pgcs_format(sel.get(), nullptr, PGCS_FORMAT_URI, nullptr, nullptr, 0), pgcs_text_free);

	std::printf("%s %s\n", pgcs_version(), text.get());
	return pgcs_add_file(sel.get(), "") == PGCS_INVALID ? 0 : 1;
}
CPP
	my $got = run($cxx, '-std=c++17', '-Wall', '-Wextra', '-Werror', '-o', "$tmp/program", "-I$include", "$tmp/program.cc", @shared);
	is($got->{stderr}, '', 'a C++ program links');
	$got = run("$tmp/program");
	is($got->{stdout}, '1.0 postgresql://?sslcert=/dev/null/none', 'and runs');
	is($got->{status}, 0, 'to the end');
}

# --- pkg-config, shared and static ---------------------------------------------------

SKIP:
{
	my $pkg_config = program('pkg-config') || program('pkgconf');

	skip 'pkg-config is not there', 4 unless $pkg_config;
	my %env = (env => { PKG_CONFIG_PATH => $pc =~ s{/[^/]+$}{}r, PKG_CONFIG_SYSROOT_DIR => $stage });
	my $got = run_with(\%env, $pkg_config, '--cflags', '--libs', 'pgcertsel');

	is($got->{status}, 0, 'pkg-config knows the library') or diag $got->{stderr};
	$got = run(@cc[ 0 .. $#cc - 2 ], '-o', "$tmp/by_pkg_config", "$tmp/pgcs_format.c", split(/ /, $got->{stdout}), "-Wl,-rpath,$prefix");
	is($got->{stderr}, '', 'what it says is enough') or diag $got->{stderr};
	is(run("$tmp/by_pkg_config")->{stdout}, "sslcert='/dev/null/none'", 'and the example does what it says');
	like(run_with(\%env, $pkg_config, '--libs', '--static', 'pgcertsel')->{stdout}, qr/-lpgcertsel .*-lpq .*-lcrypto/,
		'for the static library it says more');
}
my $got = run(@cc, '-o', "$tmp/static", "$tmp/pgcs_format.c", "$prefix/libpgcertsel.a", "-L$pg_lib", qw(-lpq -lssl -lcrypto -lpthread));
is($got->{stderr}, '', 'the static library links');
is(run("$tmp/static")->{stdout}, "sslcert='/dev/null/none'", 'and works');
like(run('readelf', '-d', "$tmp/by_pkg_config")->{stdout}, qr/NEEDED.*libpgcertsel\.so\.\d+\]/, 'the shared one has a soname')
  if program('readelf') && -x "$tmp/by_pkg_config";

# a static library shares its names with the whole program
SKIP:
{
	skip 'nm is not there', 1 unless program('nm');
	my @foreign = grep { !/^(?:pgcs|pgcert)_/ }
	  run('nm', '-g', '--defined-only', "$prefix/libpgcertsel.a")->{stdout} =~ /^[0-9a-f]+ [A-Z] (\w+)$/mg;

	is("@foreign", '', 'every name in the static library has our prefix');
}

# --- the examples, against a server ---------------------------------------------------

my $ca = $pki->root('ca');
my $bundle = folder("$tmp/bundle", map { $pki->leaf($_, issuer => $ca, eku => 'clientAuth') } qw(alice postgres));
my $srv = CertPolicy::Server->new('main', pki => $pki, preload => 0, ca_file => $ca->{cert}, server_cert => $pki->server($ca));
my %env = (env => { PGPORT => $srv->port, PGSSLMODE => 'require' });

$got = $srv->client([ $example{pgcertsel}, $bundle, '127.0.0.1' ], %env);
is($got->{stdout}, "found\n$bundle/alice.crt $bundle/alice.key", 'pgcertsel(3) chooses') or diag $got->{stderr};
$got = $srv->client([ $example{pgcs_request}, '127.0.0.1' ], %env);
is($got->{stdout}, '127.0.0.1:' . $srv->port . "\n  CN=ca", 'pgcs_request(3) asks');
like(run($example{pgcs_bundle}, $bundle)->{stdout}, qr{^\Q$bundle\E/alice\.crt: CN=alice\n}, 'pgcs_bundle(3) lists');
like(run($example{pgcs_choice}, $bundle, $ca->{cert})->{stdout}, qr{^\Q$bundle\E/\w+\.crt$}, 'pgcs_choice(3) chooses');
$got = $srv->client([ $example{pgcs_connect}, $bundle, $srv->port ]);
is($got->{stdout}, 'connected as postgres', 'pgcs_connect(3) connects') or diag $got->{stderr};
like($got->{log}, qr/connection authorized: user=postgres/, 'which the server has seen');

$srv->stop;
done_testing();
