package scenario

import "time"

// blindness is a time in which caches may be behind: what they show at a moment of it
// may be as old as its beginning, or as old as by where that is set.
type blindness struct {
	since, until time.Time // until is zero while it lasts
	by           time.Duration
	down         bool // the API server is; faults that are cleared do not end it
}

// reconnect is more than the longest pause of a reflector before it tries again.
const reconnect = 90 * time.Second

// interrupted notes that watches begin anew.
func (d *desired) interrupted() {
	now := time.Now()
	d.blind = append(d.blind, blindness{since: now, until: now.Add(reconnect)})
}

// goBlind notes that nothing arrives until see.
func (d *desired) goBlind(down bool) {
	d.blind = append(d.blind, blindness{since: time.Now(), down: down})
}

// delayed notes that all arrives late by so much until see.
func (d *desired) delayed(by time.Duration) {
	d.blind = append(d.blind, blindness{since: time.Now(), by: by})
}

// see notes that the API server is up again, or that its other faults are over. What was
// late stays so.
func (d *desired) see(up bool) {
	for i := range d.blind {
		if d.blind[i].until.IsZero() && d.blind[i].down == up {
			d.blind[i].until = time.Now().Add(reconnect + d.blind[i].by)
		}
	}
}

// freshSince is when the caches can last have been up to date, at a time: then, unless
// something kept them. What they did not know when it began to keep them, they still do
// not.
func (d *desired) freshSince(at time.Time) time.Time {
	since := at
	for _, b := range d.blind {
		if !at.After(b.since) || !b.until.IsZero() && at.After(b.until) {
			continue
		}
		oldest := at.Add(-b.by)
		if b.by == 0 {
			oldest = d.freshSince(b.since)
		}
		if oldest.Before(since) {
			since = oldest
		}
	}
	return since
}
