package awsapi

import "github.com/tgsync/tgsync/syncer/opqueue"

// Levels returns what our part of AWS's token buckets holds: the account's, what each
// class has left of its guarantee, and every category's. It costs nothing.
func (c *Clients) Levels() []opqueue.Level { return c.limiter.budget.Levels() }
