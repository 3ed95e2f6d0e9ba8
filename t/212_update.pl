# Updates of the extension: who updates from an older version gets what a new
# install gets, to the last grant and comment; and the new library serves the
# old version's functions until the database is updated.
#
# A version is a whole script, pg_cert_policy--1.1.sql, and an update script
# from the one before, pg_cert_policy--1.0--1.1.sql; see CONTRIBUTING.md.  Each
# update script that there is is run here, and an imagined next version, so
# that the comparison is known to work before it is needed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use CertPolicy::Server;
use CertPolicy::SourceTree;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $bindir = `$pg_config --bindir`);
plan skip_all => 'this server finds extensions in its own folder alone'
  unless `$bindir/postgres --describe-config` =~ /^extension_(?:destdir|control_path)\t/m;

my $tree = CertPolicy::SourceTree->copy;
my $scripts = $tree->dir . '/src/extension';
my %updates = map { /pg_cert_policy--(\S+?)--(\S+?)\.sql$/ ? ($2 => $1) : () } glob "$scripts/*--*--*.sql";
my ($default) = read_file($tree->dir . '/src/pg_cert_policy.control') =~ /^default_version = '(.*)'/m;
my $current = read_file("$scripts/pg_cert_policy--$default.sql");

sub read_file
{
	my ($path) = @_;

	open my $file, '<', $path or die "could not read $path: $!";
	local $/ = undef;
	return <$file>;
}

# A version after the current one.
sub version
{
	my ($name, $whole, $update) = @_;

	foreach ([ $name, $whole ], [ "$default--$name", $update ])
	{
		open my $file, '>', "$scripts/pg_cert_policy--$_->[0].sql" or die "could not write a script: $!";
		print $file $_->[1];
		close $file or die "could not write a script: $!";
	}
	return;
}

# What a release adds, and what it may forget in its update script.
my $addition = <<'SQL';
CREATE FUNCTION pg_cert_policy_next() RETURNS int LANGUAGE sql RETURN 1;
COMMENT ON FUNCTION pg_cert_policy_next() IS 'The next version''s.';
REVOKE ALL ON FUNCTION pg_cert_policy_next() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_cert_policy_next() TO pg_monitor;
SQL
$addition =~ s/RETURN 1/AS 'SELECT 1'/;
my %forgotten = (
	'a function' => [ '', 'function public.pg_cert_policy_next()' ],
	'a comment' => [ $addition =~ s/^COMMENT.*\n//mr, 'function public.pg_cert_policy_next()' ],
	'a grant' => [ $addition =~ s/^GRANT.*\n//mr, 'function public.pg_cert_policy_next()' ],
	'a revoke' => [ $addition =~ s/^REVOKE.*\n//mr, 'function public.pg_cert_policy_next()' ],
	'a body' => [ $addition =~ s/SELECT 1/SELECT 2/r, 'function public.pg_cert_policy_next()' ],
	'a property' => [ $addition =~ s/LANGUAGE/STABLE LANGUAGE/r, 'function public.pg_cert_policy_next()' ],
	'a view' => [ "$addition DROP VIEW pg_cert_policy_hba;", 'view public.pg_cert_policy_hba' ],
	'the order of columns' => [ "$addition ALTER VIEW pg_tls_expiry RENAME setting TO s; ALTER VIEW pg_tls_expiry RENAME subject TO setting; ALTER VIEW pg_tls_expiry RENAME s TO subject;",
		'view public.pg_tls_expiry' ],
	'a comment on a view' => [ "$addition COMMENT ON VIEW pg_tls_expiry IS NULL;", 'view public.pg_tls_expiry' ],
	'a grant on a view' => [ "$addition GRANT SELECT ON pg_tls_expiry TO PUBLIC;", 'view public.pg_tls_expiry' ],
	'an option of a view' => [ "$addition ALTER VIEW pg_tls_expiry SET (security_barrier);", 'view public.pg_tls_expiry' ]);

version('next-empty', $current, "-- nothing has changed in SQL\n");
version('next-full', "$current\n$addition", $addition);
version("next-forgets-$_" =~ tr/ /-/r, "$current\n$addition", $forgotten{$_}[0]) foreach keys %forgotten;
$tree->replace('pg_cert_policy.control', qr/^default_version = '.*'/m, "default_version = 'next-full'");
my $stage = $tree->dir . '/stage';
$tree->make('with_llvm=no', 'with_client=no', "DESTDIR=$stage", 'install');
local $ENV{PG_CERT_POLICY_STAGE} = $stage;

my $srv = CertPolicy::Server->new('main', hba => ['local all all trust']);

# Everything that makes the extension up, one row for each part.  A kind of
# object that is not looked into would be compared by its name alone.
my $catalog = <<'SQL';
with member as (
	select d.classid, d.objid, i.type || ' ' || i.identity as name,
		obj_description(d.objid, d.classid::regclass::name) as comment
	from pg_depend d
		join pg_extension e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid
		cross join lateral pg_identify_object(d.classid, d.objid, 0) i
	where e.extname = 'pg_cert_policy' and d.deptype = 'e'),
acl as (
	select 'pg_proc'::regclass as classid, oid as objid, coalesce(proacl, acldefault('f', proowner)) as acl from pg_proc
	union all
	select 'pg_class'::regclass, oid, coalesce(relacl, acldefault('r', relowner)) from pg_class)
select m.name, jsonb_build_object(
	'comment', m.comment,
	'grants', (select jsonb_agg(concat_ws(' ', x.grantee::regrole, x.privilege_type, x.is_grantable) order by x.grantee::regrole::text, x.privilege_type)
		from acl a, aclexplode(a.acl) x where a.classid = m.classid and a.objid = m.objid),
	'initial grants', (select jsonb_agg(concat_ws(' ', p.privtype, x.grantee::regrole, x.privilege_type) order by x.grantee::regrole::text, x.privilege_type)
		from pg_init_privs p, aclexplode(p.initprivs) x where p.classoid = m.classid and p.objoid = m.objid),
	'definition', case m.classid::regclass::text
		when 'pg_proc' then (select jsonb_build_array(pg_get_functiondef(p.oid), p.proowner::regrole) from pg_proc p where p.oid = m.objid)
		when 'pg_class' then (select jsonb_build_array(c.relkind, c.relowner::regrole, c.reloptions, c.relpersistence, pg_get_viewdef(c.oid),
				(select jsonb_agg(jsonb_build_array(a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attacl, col_description(c.oid, a.attnum)) order by a.attnum)
					from pg_attribute a where a.attrelid = c.oid and a.attnum > 0))
			from pg_class c where c.oid = m.objid)
		end)
from member m
where m.classid <> 'pg_type'::regclass		-- a view's row type, which is the view's
union all
select 'extension', jsonb_build_array(extrelocatable, extconfig, extcondition, obj_description(oid, 'pg_extension')) from pg_extension where extname = 'pg_cert_policy'
order by 1
SQL

# Runs SQL in a database that the extension is new to.
sub anew
{
	my (@sql) = @_;

	$srv->sql('drop extension if exists pg_cert_policy');
	$srv->sql($_) foreach @sql;
	return;
}

sub catalog
{
	anew(@_);
	return map { my ($name, $what) = split /\|/, $_, 2; ($name => $what) } split /\n/, $srv->sql($catalog);
}

# The names of what differs between a database that is updated and a new one.
sub differences
{
	my ($from, $to) = @_;
	my %updated = catalog("create extension pg_cert_policy version '$from'", "alter extension pg_cert_policy update to '$to'");
	my %fresh = catalog("create extension pg_cert_policy version '$to'");
	my %names = (%updated, %fresh);

	return grep { ($updated{$_} // '') ne ($fresh{$_} // '') } sort keys %names;
}

subtest 'what is compared' => sub {
	my %is = catalog("create extension pg_cert_policy version '$default'");

	cmp_ok(scalar(keys %is), '>', 20, 'every part of the extension') or diag join "\n", sort keys %is;
	is_deeply([ grep { $_ ne 'extension' && $is{$_} =~ /"definition": null/ } sort keys %is ], [], 'and the definition of each');
	is_deeply([ grep { $_ ne 'extension' && $is{$_} =~ /"comment": null/ && $_ !~ /pg_cert_policy_created/ } sort keys %is ], [], 'which has a comment');
};

subtest "from $default to one that changes nothing in SQL" => sub {
	is_deeply([ differences($default, 'next-empty') ], [], 'an update script with nothing but a comment');
	is_deeply([ differences($default, 'next-full') ], [], 'one with all that is new');
	anew('create extension pg_cert_policy');
	is($srv->sql('select extversion from pg_extension where extname = \'pg_cert_policy\''),
		'next-full', 'the new one is the default');
	is($srv->sql('select string_agg(source, \', \') from pg_extension_update_paths(\'pg_cert_policy\')'
			  . " where target = 'next-full' and path is null and source !~ '^next-'"), '', 'every version leads there');
};

subtest 'an update script that forgets' => sub {
	is_deeply([ differences($default, "next-forgets-$_" =~ tr/ /-/r) ], [ $forgotten{$_}[1] ], $_) foreach sort keys %forgotten;
};

subtest 'the versions that there are' => sub {
	ok(-e "$scripts/pg_cert_policy--$default.sql", "$default, the default, has a whole script");
	foreach my $to (sort keys %updates)
	{
		is_deeply([ differences($updates{$to}, $to) ], [], "from $updates{$to} to $to");
	}
	my @older = grep { $_ ne $default && !/^next-/ && !/--/ } map { m!/pg_cert_policy--(.*)\.sql$! } glob "$scripts/*.sql";
	is($srv->sql("select path is not null from pg_extension_update_paths('pg_cert_policy') where source = '$_' and target = '$default'"),
		't', "from $_ to $default") foreach @older;
};

# The package is updated first; ALTER EXTENSION comes when somebody thinks of it.
subtest 'the new library with an old version' => sub {
	foreach my $version (sort($default, values %updates))
	{
		anew("create extension pg_cert_policy version '$version'");
		$srv->sql("create role r login; security label for pg_cert_policy on role r is 'cn=%role'");
		foreach my $view (split /\n/, $srv->sql(q{select oid::regclass from pg_class where relkind = 'v' and relnamespace = 'public'::regnamespace order by 1}))
		{
			is($srv->try_sql("select * from $view")->{stderr}, '', "$version: $view");
		}
		is($srv->sql('select policy from pg_cert_policy_for(\'r\')'), 'cn=%role', "$version: a policy");
		$srv->sql('alter extension pg_cert_policy update');
		is($srv->sql('select policy from pg_cert_policy_for(\'r\')'), 'cn=%role', 'which an update keeps');
		$srv->sql("security label for pg_cert_policy on role r is null; drop role r");
	}
};

done_testing();
