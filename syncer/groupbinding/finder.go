package groupbinding

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tgsync/tgsync/awsapi"
)

// Times and sizes of lookups.
const (
	// A group that is not found, or cannot be looked up, is looked for again after 5 s,
	// doubling to 2 min: people make group and binding in any order.
	firstPause = 5 * time.Second
	lastPause  = 2 * time.Minute
	// lookupTimeout ends a lookup that AWS does not answer.
	lookupTimeout = 15 * time.Second
	// namesAtOnce is how many groups are looked up by name. For more the whole account
	// is read, at 400 groups a call: AWS refuses a call with one name that does not
	// exist, so names are worth their calls only while they are few.
	namesAtOnce = 8
)

// AWS is what is read of the account. DescribeTargetGroups without names returns all;
// one name that does not exist makes it NotFound as a whole. So does an ARN that is gone
// with DescribeTags.
type AWS interface {
	DescribeTargetGroups(ctx context.Context, names ...string) ([]awsapi.TargetGroup, error)
	DescribeTags(ctx context.Context, arns []string) (map[string]awsapi.Tags, error)
}

var _ AWS = (*awsapi.ELB)(nil)

// finding is what is known of the target group of a name.
type finding struct {
	group    *awsapi.TargetGroup // with its tags; nil: there is none
	err      error               // why the last lookup failed; the group is what was known before
	failures int                 // lookups in a row that found nothing
	next     time.Time           // when it is worth another lookup, if it is not ok
	at       time.Time           // when it was looked up
}

func (f *finding) ok() bool { return f.group != nil && f.err == nil }

// due is when the group is looked up again, if that is to be so often while all is well.
func (f *finding) due(every time.Duration) time.Time {
	if f.ok() {
		return f.at.Add(every)
	}
	return f.next
}

// finder looks target groups up by their names. It belongs to its loop.
type finder struct {
	aws   AWS
	log   *slog.Logger
	known map[string]*finding
}

func newFinder(aws AWS, log *slog.Logger) *finder {
	return &finder{aws: aws, log: log, known: map[string]*finding{}}
}

// refresh looks up those of the names whose time has come, each with how often that is,
// forgets all others, and returns when the next is due.
func (f *finder) refresh(ctx context.Context, wanted map[string]time.Duration) (next time.Time) {
	maps.DeleteFunc(f.known, func(name string, _ *finding) bool { _, is := wanted[name]; return !is })
	var due []string
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if known := f.known[name]; known == nil || !known.due(wanted[name]).After(now) {
			due = append(due, name)
		}
	}
	if len(due) > 0 {
		f.look(ctx, due)
	}
	return f.next(wanted)
}

// next returns when the next of the names is due: zero if none is wanted, in the past if
// one is not known yet.
func (f *finder) next(wanted map[string]time.Duration) (next time.Time) {
	for name, every := range wanted {
		at := time.Unix(0, 0)
		if known := f.known[name]; known != nil {
			at = known.due(every)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// look looks names up and enters what it finds.
func (f *finder) look(ctx context.Context, names []string) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	if len(names) > namesAtOnce {
		all, err := f.aws.DescribeTargetGroups(ctx)
		f.enter(ctx, names, all, err)
		return
	}
	found, err := f.aws.DescribeTargetGroups(ctx, names...)
	if awsapi.ClassOf(err) != awsapi.NotFound {
		f.enter(ctx, names, found, err)
		return
	}
	if len(names) == 1 {
		f.enter(ctx, names, nil, nil)
		return
	}
	for _, name := range names {
		f.look(ctx, []string{name})
	}
}

// enter notes what came of a lookup of names.
func (f *finder) enter(ctx context.Context, names []string, found []awsapi.TargetGroup, err error) {
	byName := map[string]*awsapi.TargetGroup{}
	for i := range found {
		if slices.Contains(names, found[i].Name) {
			byName[found[i].Name] = &found[i]
		}
	}
	if err == nil {
		err = f.readTags(ctx, byName)
	}
	if err != nil && awsapi.ClassOf(err) != awsapi.Canceled {
		f.log.WarnContext(ctx, "cannot look up target groups", slog.Any("names", names), slog.Any("error", err))
	}
	for _, name := range names {
		is := &finding{group: byName[name], err: err, at: time.Now()}
		if was := f.known[name]; was != nil {
			is.failures = was.failures
			if err != nil {
				is.group = was.group
			}
		}
		if is.ok() {
			is.failures = 0
		} else {
			is.next = is.at.Add(pause(is.failures))
			is.failures++
		}
		f.known[name] = is
	}
}

// readTags completes groups. Tags say whose a group is, which does not change.
func (f *finder) readTags(ctx context.Context, groups map[string]*awsapi.TargetGroup) error {
	var unread []string
	for name, g := range groups {
		if was := f.known[name]; was != nil && was.group != nil && was.group.ARN == g.ARN {
			g.Tags = was.group.Tags
		} else {
			unread = append(unread, g.ARN)
		}
	}
	read, err := f.aws.DescribeTags(ctx, unread)
	if err != nil {
		return fmt.Errorf("tags of target groups: %w", err)
	}
	for _, g := range groups {
		if tags, ok := read[g.ARN]; ok {
			g.Tags = tags
		}
	}
	return nil
}

// pause returns how long to wait after a number of failures, spread by half.
func pause(failures int) time.Duration {
	d := lastPause
	if failures < 5 { // 5 s << 5 is more than 2 minutes.
		d = min(lastPause, firstPause<<failures)
	}
	return d + rand.N(d/2) //nolint:gosec // spreads load, guards nothing
}
