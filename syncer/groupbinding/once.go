package groupbinding

import (
	"context"
	"time"
)

// Once looks at all objects once, and shows what they bind and need. The caches must be
// full, and the Loop must not run.
func (l *Loop) Once(ctx context.Context) {
	l.begun = time.Now()
	l.board.merge()
	l.pass(ctx)
	l.groups.wait() // for the accounts of roles, which no pass waits for
	l.pass(ctx)
}
