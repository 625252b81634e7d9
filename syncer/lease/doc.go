// Package lease lets one of several processes work at a time: the one that holds a
// coordination.k8s.io Lease.
//
//	candidate.go  the way through the terms: wait for the Lease, work, give it back
//	standby.go    the wait: until the Lease is given up or its holder's time is over
//	lock.go       client-go's lock, which tells the fence what happens to the Lease
//	holder.go     who leads, for people to look at
//	fence.go      the last word before a request that changes something
//	transport.go  the fence in front of the Kubernetes API
//
// Getting and renewing the Lease is client-go's. Four things around it are ours.
//
// # Work ends before the Lease does
//
// A stop ends the work first. The Lease is renewed until the last worker has
// returned, however long that takes, and is then given up, so that the next leader
// does not have to wait until it runs out. client-go's ReleaseOnCancel is not used:
// it also gives the Lease up when renewing has failed, while the work still goes
// on, and it does so whoever holds the Lease by then. A process that was stopped
// for a minute would take the Lease away from its successor.
//
// A leader that loses the Lease ends its work and becomes a candidate again: its
// caches are warm, and a new process would have to fill them first. Nothing of a
// term is left for the next, since the work is built anew in each.
//
// # The fence
//
// Ending the work is not enough. A process can be stopped at any line (SIGSTOP, a
// frozen cgroup, a virtual machine being moved) and go on when another leads. So the
// last step before a request that changes something asks the Fence, which compares
// the clock with the start of the last successful renewal. What remains is the time
// from that line to the socket; AWS takes no fencing tokens.
//
// Why the start: others count from when they see a renewal, which is later than
// when it was sent. The answer may come later still.
//
// # Standing by
//
// client-go's elector looks at the Lease every 1 to 2.2 retry periods, to see the
// last renewal and again to see it age. Ours does not run while another leads. A
// watch wakes the standby, which then looks, and a timer makes it look when the
// holder's time is over. The rule is client-go's: the Lease may be taken from a
// holder if a look, which the API server answers from its store, shows the state
// that a look one duration ago showed, by this process's clock. So the holder has not
// renewed it since, and the write is refused if it does until that arrives. The watch
// decides nothing, and may be late, wrong or missing: then looks are as far apart as
// client-go's.
//
// A Lease that was deleted was not given up. A standby lets it pass like that of a
// holder that is gone, and the holder makes a new one at its next renewal.
//
// # Times
//
// With a Lease of 6 s that is renewed every second, a crash of the leader leaves AWS
// alone for 5 to 6 s, since the last renewal is up to a second old. Without a watch it
// is up to 8.2 s. A clean stop costs the few milliseconds of a watch event and two
// requests; without a watch, up to 2.2 s. The usual 15 s and 2 s mean 13 to 23.8 s
// with client-go's looks, without a release for both. The price is one small write per
// second, and one small read for each standby. A shorter
// Lease would be lost to a hiccup of the API server: within the renew deadline of
// 4 s there must be room for more than one try, since a try may hang. Deadline and
// retry period together end before the fence closes, so that a leader that cannot
// renew ends its work itself.
//
// # Words
//
//	candidate  a process that wants to lead; standby while another does
//	term       from getting the Lease to losing it or giving it up
//	renewal    a write that gets or keeps the Lease
//	fenced     refused, because the Lease is not known to be held
package lease
