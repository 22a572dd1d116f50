#!/usr/bin/perl
# An agent of one file in another language, written from FORMAT.md alone.
#
# Reads its mail as the files mail/<agent>/<from>.jsonl and mail/all/<from>.jsonl, answers every request,
# and ends when somebody says "enough". It speaks through the control descriptor: the answer and the
# acknowledgement of the question leave in one write, so a later attempt finds either both or neither.
# Its marks (how far it has read each sender) stand in its agent's status.json.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use Time::HiRes qw(time sleep);

my $json  = JSON::PP->new->utf8->canonical;
my $tree  = $ENV{MAOS_DIR}   // die "MAOS_DIR is not set: start me with maos-sup\n";
my $agent = $ENV{MAOS_AGENT} // die "MAOS_AGENT is not set: start me with maos-sup\n";
open my $control, '>>&=', $ENV{MAOS_CONTROL_FD} // 3 or die "control descriptor: $!\n";
$| = 1;

sub control {    # one write for all lines
    my $lines = join '', map { $json->encode($_) . "\n" } @_;
    my $written = syswrite $control, $lines;
    die "control: $!\n" if !defined $written || $written < length $lines;
}

sub slurp_from {    # what a file holds behind an offset; nothing while it is missing
    my ($path, $offset) = @_;
    open my $file, '<:raw', $path or return '';
    seek $file, $offset, 0;
    local $/;
    return <$file> // '';
}

# Marks of earlier attempts: {"<box>/<from>": seq}. Our own survive in memory while this life lasts.
my $status = eval { $json->decode(slurp_from("$tree/agents/$agent/status.json", 0)) } // {};
my %mark   = %{ $status->{marks} // {} };

# Where we are in each file: offset, `h` of the last line, lines read.
my %place;

# The new messages of one mail file. Takes whole lines only; what follows the last line feed is being
# written. Lines between agents are chained: a wrong `h` ends the reading there, and is said once.
sub new_messages {
    my ($path, $box, $from) = @_;
    my $place = $place{$path} //= { offset => 0, h => '', lines => 0 };
    return if $place->{damaged};
    my $chunk = slurp_from($path, $place->{offset});
    my $end = rindex $chunk, "\n";
    return if $end < 0;
    my @messages;
    for my $line (split /\n/, substr($chunk, 0, $end), -1) {
        $place->{offset} += 1 + length $line;
        $place->{lines}++;
        my $message = eval { $json->decode($line) };
        if ($from ne 'operator') {
            my ($body, $h) = $line =~ /^(.*),"h":"([0-9a-f]{12})"\}$/;
            if (ref $message ne 'HASH' || !defined $h || substr(sha256_hex($place->{h} . $body), 0, 12) ne $h) {
                print "error: $box/$from.jsonl is damaged at line $place->{lines}\n";
                $place->{damaged} = 1;
                last;
            }
            $place->{h} = $h;
        }
        next if ref $message ne 'HASH';                      # people's blank or bad lines
        $message->{seq} = $place->{lines} if $from eq 'operator';
        next if $message->{seq} <= ($mark{"$box/$from"} // 0);
        push @messages, { %$message, from => $from, box => $box };
    }
    return @messages;
}

sub inbox {
    my @messages;
    for my $box ($agent, 'all') {
        for my $path (sort glob "\Q$tree\E/mail/$box/*.jsonl") {
            my ($from) = $path =~ m{([^/]+)\.jsonl$};
            push @messages, new_messages($path, $box, $from) unless $from eq $agent;
        }
    }
    return @messages;
}

sub answer {
    my ($message) = @_;
    my $text = $message->{text} // '';
    my $length = () = $text =~ /\p{L}/g;
    my %reply = (to => $message->{from}, type => 'reply', text => "$text has $length letters");
    $reply{reply_to} = "$message->{from}/$message->{box}/$message->{seq}";
    return { send => \%reply };
}

# "Enough" is noted in the workspace before it is acknowledged: a life that ends in between is no trap.
my $end_note = "$ENV{MAOS_WORKSPACE}/enough";
my ($answered, $told_at, $enough) = (0, 0, -e $end_note);

sub note_end {
    open my $file, '>', $end_note or die "$end_note: $!\n";
    close $file;
    return 1;
}

until ($enough) {
    for my $message (inbox()) {
        my $sender = "$message->{box}/$message->{from}";
        my @lines;
        if (($message->{type} // 'info') eq 'request' && $message->{from} ne 'operator') {
            push @lines, answer($message);
            $answered++;
        }
        $enough = note_end() if ($message->{text} // '') eq 'enough';
        control(@lines, { ack => { $sender => $message->{seq} } });
        $mark{$sender} = $message->{seq};
    }
    if (!$enough && time - $told_at > 5) {                   # waiting is not hanging: say so now and then
        control({ progress => 0.5, note => "$answered answered, waiting" });
        $told_at = time;
    }
    sleep 0.1 unless $enough;
}
control({ result => { answered_in_this_attempt => $answered } });
print "result: $answered requests answered in this attempt\n";
