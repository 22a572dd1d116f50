#!/usr/bin/perl
# Tries what can be tried quickly and says how it went: do the sources compile, are the tests collected.
#
# Runs in the project's folder and changes nothing there: caches go to the workspace, and the project's
# own test command is named, not run (it may take an hour, or run this audit again). Each check has a
# time limit; what it leaves running is ended. A check that fails is a finding, not a failure of this
# program. Finished checks are noted in the workspace and not repeated by a later attempt.
# Runs by hand too: cd some/project && perl checks.pl
use strict;
use warnings;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(time sleep);
use File::Temp ();

$| = 1;
my $json      = JSON::PP->new->ascii->canonical;
my $workspace = $ENV{MAOS_WORKSPACE} || File::Temp::tempdir(CLEANUP => 1);
my $timeout_s = $ENV{CHECK_TIMEOUT_S} || 60;
my $control;
if ($ENV{MAOS_CONTROL_FD}) {
    open $control, '>>&=', $ENV{MAOS_CONTROL_FD} or die "control descriptor: $!\n";
}

sub control {
    my ($line) = @_;
    syswrite $control, $json->encode($line) . "\n" if $control;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return <$file> // '';
}

sub replace {    # write whole or not at all
    my ($path, $text) = @_;
    open my $file, '>', "$path.part" or die "$path.part: $!\n";
    print $file $text;
    close $file or die "$path.part: $!\n";
    rename "$path.part", $path or die "$path: $!\n";
}

sub project_files {    # the project's own files; a repository's, or everything below the folder
    my $names;
    open my $list, '-|', 'git ls-files -z --cached --others --exclude-standard 2>/dev/null' or die "git: $!\n";
    { local $/; $names = <$list> // ''; }
    return grep { -f } sort split /\0/, $names if close $list;
    open $list, '-|', 'find', '.', '-name', '.?*', '-prune', '-o', '-name', 'node_modules', '-prune',
        '-o', '-type', 'f', '-print0' or die "find: $!\n";
    { local $/; $names = <$list> // ''; }
    close $list;
    return sort split /\0/, $names;
}

sub in_path {
    my ($program) = @_;
    return scalar grep { -x "$_/$program" } split /:/, $ENV{PATH} // '';
}

# Run @command in a process group of its own, output into $log. Returns (outcome, seconds).
sub run_bounded {
    my ($log, $command) = @_;
    my $began = time;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        POSIX::setpgid(0, 0);
        close $control if $control;
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>',  $log or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT;
        @ENV{qw(PYTHONPYCACHEPREFIX PYTHONWARNINGS)} = ("$workspace/pycache", 'ignore');
        { no warnings; exec { $command->[0] } @$command; }
        POSIX::_exit(127);
    }
    my $status;
    until (defined $status) {
        if (waitpid($pid, POSIX::WNOHANG()) == $pid) { $status = $? }
        elsif (time - $began > $timeout_s) { kill 'KILL', -$pid, $pid; waitpid $pid, 0; $status = 'timed out' }
        else { sleep 0.02 }
    }
    kill 'KILL', -$pid;
    my $outcome = $status eq 'timed out' ? $status : $status == 0 ? 'passed' : 'failed';
    return ($outcome, time - $began);
}

sub listed {    # the files as a list that a program can read, one a line
    my ($name, @files) = @_;
    replace("$workspace/$name", join '', map { "$_\n" } @files);
    return "$workspace/$name";
}

# What this project offers: name, command or undef, and why it is not run.
sub detect {
    my @files  = project_files();
    my @python = grep { /\.py$/ } @files;
    my @shell  = grep { /\.sh$/ } @files;
    my @node   = grep { /\.(?:js|mjs|cjs)$/ } @files;
    my @tests  = grep { m{(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$} } @files;
    my ($python) = grep { -x } map { "./$_/bin/python" } qw(.venv venv);
    $python //= 'python3';
    my @checks;
    push @checks, { name => 'python compiles', command => ['python3', '-m', 'compileall', '-q', '-i', listed('python.txt', @python)] } if @python;
    push @checks, pytest_check($python) if @tests;
    push @checks, { name => 'shell parses', shown => 'sh -n', command => ['sh', '-c', 'while read -r f; do sh -n "$f" || exit 1; done <"$1"', 'sh',
        listed('shell.txt', grep { slurp($_) !~ /^#!.*(?:bash|zsh|ksh)/ } @shell)] } if @shell;
    push @checks, in_path('node')
        ? { name => 'JavaScript parses', shown => 'node --check', command => ['sh', '-c', 'while read -r f; do node --check "$f" || exit 1; done <"$1"', 'sh', listed('node.txt', @node)] }
        : { name => 'JavaScript parses', why => 'node is not installed' } if @node;
    push @checks, { name => 'make test', why => 'may take long; run it yourself' } if slurp('Makefile') =~ /^test\s*:/m;
    push @checks, { name => 'npm test',  why => 'may take long; run it yourself' } if slurp('package.json') =~ /"test"\s*:/;
    push @checks, { name => 'cargo test', why => 'may take long; run it yourself' } if -f 'Cargo.toml';
    push @checks, { name => 'go test',    why => 'may take long; run it yourself' } if -f 'go.mod';
    return @checks;
}

sub pytest_check {
    my ($python) = @_;
    my ($outcome) = run_bounded("$workspace/pytest.log", [$python, '-c', 'import pytest']);
    return { name => 'pytest collects', why => "pytest is not installed for $python" } if $outcome ne 'passed';
    return { name => 'pytest collects', command => [$python, '-m', 'pytest', '--collect-only', '-q', '-p', 'no:cacheprovider', '-p', 'no:benchmark'] };
}

sub last_line {
    my ($log) = @_;
    my ($line) = grep { /\S/ } reverse split /\n/, slurp($log);
    $line = substr($line // '', 0, 200);
    $line =~ s/[^\x20-\x7e]/?/g;
    $line =~ s/^=+ | =+$//g;
    $line =~ s/\Q$workspace\E/workspace/g;
    return $line;
}

my $noted = "$workspace/checks.json";
my %done  = map { ($_->{name} => $_) } @{ -s $noted ? $json->decode(slurp($noted)) : [] };
my @checks = detect();
my $count  = 0;
for my $check (@checks) {
    my $name = $check->{name};
    control({ progress => $count++ / @checks, note => $name });
    next if $done{$name};
    my %result = (name => $name, command => undef, outcome => 'not run', detail => $check->{why});
    if (my $command = $check->{command}) {
        my $log = "$workspace/check-$count.log";
        my ($outcome, $elapsed_s) = run_bounded($log, $command);
        my $shown = $check->{shown} // join ' ', @$command;
        $shown =~ s/\Q$workspace\E/workspace/g;
        %result = (name => $name, command => $shown, outcome => $outcome, detail => last_line($log), elapsed_s => 0 + sprintf '%.2f', $elapsed_s);
    }
    $done{$name} = \%result;
    replace($noted, $json->encode([values %done]));
    my $word = $result{outcome} =~ /failed|timed out/ ? 'error' : 'result';
    print "$word: $name: $result{outcome}", ($result{detail} ? " ($result{detail})" : ''), "\n";
}
my @results = map { $done{ $_->{name} } } @checks;
my $failed  = grep { $_->{outcome} =~ /failed|timed out/ } @results;
my $passed  = grep { $_->{outcome} eq 'passed' } @results;
control({ send => { to => 'reporter', type => 'info', text => "checks: $passed passed, $failed failed, " . (@results - $passed - $failed) . ' not run' } });
control({ result => { checks => \@results } });
