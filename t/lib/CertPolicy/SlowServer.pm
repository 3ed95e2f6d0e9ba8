# Which policies does a login meet, and what comes of it?  A second opinion for
# tests, from the documentation's words, without a look at extension/.
#
#	my $outcome = CertPolicy::SlowServer::login($world, $login);
#
# world: what the server has, a hash of
#
#	roles			name => { superuser }
#	members			[ member, group ] pairs of the memberships that count
#	role_labels, database_labels	name => text
#	enforce, default_policy, exempt_roles, local_connections	as written
#	by_peer			does pg_hba.conf ask "peer" of Unix sockets?
#
# login: role, database, socket (over a Unix socket), facts (for SlowJudge).
#
# The outcome is { rejected, recorded }, lists of whose policies object, sorted:
# who logs in is turned away if the first is not empty.
package CertPolicy::SlowServer;

use strict;
use warnings;

use CertPolicy::SlowJudge;
use CertPolicy::SlowPolicy;

sub login
{
	my ($world, $login) = @_;
	my $enforce = lc $world->{enforce};
	my %outcome = (rejected => [], recorded => []);

	# misspelt, it is the strictest
	$enforce = 'on' if $enforce !~ /^(?:on|log|off)$/;
	return \%outcome if $enforce eq 'off';
	foreach my $policy (policies($world, $login->{role}, $login->{database}))
	{
		next if $login->{socket} && is_spared($world, $policy);
		next if accepts($policy, $login);
		my $counts = $enforce eq 'on' && (!$policy->{parsed} || $policy->{parsed}{mode} ne 'log');
		push @{ $outcome{ $counts ? 'rejected' : 'recorded' } }, $policy->{of};
	}
	@$_ = sort @$_ foreach values %outcome;
	return \%outcome;
}

# What the dry run says: of the policies alone, whatever the settings are.
sub all_accept
{
	my ($world, $login) = @_;
	my @objecting = grep { !accepts($_, $login) } policies($world, $login->{role}, $login->{database});

	return @objecting ? 0 : 1;
}

sub policies
{
	my ($world, $role, $database) = @_;
	my $own = $world->{role_labels}{$role};
	my $exempt = $world->{exempt_roles};
	my @policies;

	# a list that cannot be read holds nobody
	return if $world->{roles}{$role}{superuser} && $exempt !~ /,$/
	  && grep { $_ eq $role } map { s/""/"/gr } map { /^\s*"(.*)"\s*$/ ? $1 : lc s/\s//gr } split /,/, $exempt;
	if (defined $own)
	{
		my $policy = policy(qq{role "$role"}, $own);

		return if $policy->{parsed} && $policy->{parsed}{exempt};
		push @policies, $policy;
	}
	elsif ($world->{default_policy} ne '')
	{
		push @policies, policy('default_policy', $world->{default_policy});
	}
	foreach my $group (groups($world, $role))
	{
		push @policies, policy(qq{group "$group"}, $world->{role_labels}{$group})
		  if defined $world->{role_labels}{$group};
	}

	# of others than the role itself, "exempt" asks for nothing
	@policies = grep { !$_->{parsed} || !$_->{parsed}{exempt} } @policies;
	push @policies, policy(qq{database "$database"}, $world->{database_labels}{$database})
	  if defined $world->{database_labels}{$database};
	return @policies;
}

sub policy
{
	my ($of, $text) = @_;
	my $parsed = CertPolicy::SlowPolicy::parse($text);

	# a database cannot be exempt
	undef $parsed if $parsed && $parsed->{exempt} && $of =~ /^database/;
	return { of => $of, parsed => $parsed };
}

# All that the role belongs to, directly or not.
sub groups
{
	my ($world, $role) = @_;
	my %found;
	my $before = -1;

	while (keys %found != $before)
	{
		$before = keys %found;
		foreach my $pair (@{ $world->{members} })
		{
			my ($member, $group) = @$pair;

			$found{$group} = 1 if $member eq $role || $found{$member};
		}
	}
	delete $found{$role};
	return sort keys %found;
}

# By its own setting or the server's.
sub is_spared
{
	my ($world, $policy) = @_;
	my $local = $policy->{parsed} && $policy->{parsed}{local} ne '' ? $policy->{parsed}{local}
	  : lc $world->{local_connections};

	return $local eq 'allow' || $local eq 'peer' && $world->{by_peer};
}

sub accepts
{
	my ($policy, $login) = @_;

	return 0 if !$policy->{parsed};
	my ($truth) = CertPolicy::SlowJudge::judge($policy->{parsed}, { %{ $login->{facts} }, role => $login->{role} });
	return $truth eq 'true';
}

1;
