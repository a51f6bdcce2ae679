#!/usr/bin/perl
#
# vecs_to_copy.pl
#	  Turns a bvecs, fvecs or ivecs file into COPY text, one row a vector.
#
# usage: vecs_to_copy.pl [--array] FILE [COUNT]
#
# A row is the vector's number, counted from 0, and the vector as [1,2,3], or
# as the array {1,2,3} with --array (for ground truth).  COUNT ends it early.

use strict;
use warnings;

my %element = (
	bvecs => { size => 1, template => 'C*' },
	fvecs => { size => 4, template => 'f<*' },
	ivecs => { size => 4, template => 'l<*' });

my ($open, $close) = ('[', ']');
if (@ARGV && $ARGV[0] eq '--array')
{
	shift @ARGV;
	($open, $close) = ('{', '}');
}

my ($path, $count) = @ARGV;
die "usage: $0 [--array] FILE [COUNT]\n" unless defined $path;

my ($suffix) = $path =~ /\.(\w+)$/;
my $type = $element{ $suffix // '' } or die "$path: unknown kind of file\n";

open(my $file, '<:raw', $path) or die "$path: $!\n";
for (my $id = 0; !defined $count || $id < $count; $id++)
{
	my $got = read($file, my $header, 4) // die "$path: $!\n";
	last if $got == 0;
	die "$path: cut short\n" if $got != 4;

	my $length = unpack('l<', $header) * $type->{size};
	$got = read($file, my $body, $length) // die "$path: $!\n";
	die "$path: cut short\n" if $got != $length;

	print "$id\t$open", join(',', unpack($type->{template}, $body)),
	  "$close\n";
}
close($file);
