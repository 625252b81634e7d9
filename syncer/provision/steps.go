package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/tgsync/tgsync/awsapi"
	"github.com/tgsync/tgsync/syncer/ingress"
)

const (
	// stepTimeout bounds one step, waiting for tokens included.
	stepTimeout = time.Minute
	// readTimeout bounds the reading of a stack: a listener's rules come a page of
	// 400 at a time.
	readTimeout = 2 * time.Minute
)

// step is one change of AWS: at most one mutating call, and what the answer means
// for the stack.
type step interface {
	// String says what is done, for logs and tests.
	String() string
	do(ctx context.Context, x *executor) error
}

// executor carries out the steps of one pass over one group.
type executor struct {
	elb       ELB
	ec2       EC2
	vpcID     string
	subnets   SubnetSettings
	group     ingress.Group
	owned     awsapi.Tags // what every resource of this stack carries
	inventory *inventory
	backend   Backend
	stack     *stack
	log       *slog.Logger
	// publish is called when the target groups that can be bound may have changed.
	publish func()
	// announce tells the members something that they would otherwise find out too
	// late.
	announce func(reason, message string)
	// told is told of every step that succeeded. Nil: nobody is.
	told func(step string)
	// announceTo warns those whose target group it is.
	announceTo func(id, reason, message string)
	// wakeAt asks for another pass at a moment, though nothing may have changed.
	wakeAt         func(time.Time)
	replaceTimeout time.Duration           // see Options
	linger         time.Duration           // see Options
	timers         *timers                 // nil: nothing is waited for
	staying        []*networkingv1.Ingress // that another group is to take over

	done    int      // steps that succeeded
	looked  bool     // something was read
	waiting []string // steps that something else has to make room for
	refused []error  // what AWS will not do: steps beside it go on
	held    bool     // a listener was refused, and those that it would replace stay
	crowded bool     // a target group that waits did not fit
	// finished are the ARNs of target groups whose load balancer has lingered.
	finished []string
}

// converge takes the stack to the model: what is new is in place before anything
// refers to it, what is old goes when nothing does. It returns the first error after
// which going on makes no sense; what was refused is in x.
func (x *executor) converge(ctx context.Context, m *ingress.Model) error {
	if err := x.build(ctx, m); err != nil {
		return err
	}
	return x.clear(ctx, m)
}

// build makes and changes what the model has.
func (x *executor) build(ctx context.Context, m *ingress.Model) error {
	if m.LoadBalancer == nil {
		return nil
	}
	x.stack.serves = m.LoadBalancer.Scheme
	if err := x.must(ctx, diffNameClash(m, x.stack)); err != nil {
		return err
	}
	if err := x.must(ctx, diffSecurityGroup(m, x.stack)); err != nil {
		return err
	}
	if err := x.protect(ctx, m.LoadBalancer); err != nil {
		return err
	}
	if err := x.run(ctx, diffTargetGroups(m, x.stack)); err != nil {
		return err
	}
	if err := x.attribute(ctx, attributedGroups(m, x.stack)); err != nil {
		return err
	}
	// From here on targets can be registered: a new load balancer takes minutes.
	x.publish()
	if err := x.must(ctx, diffLoadBalancer(m, x.stack)); err != nil {
		return err
	}
	if err := x.run(ctx, diffAttachment(m, x.stack)); err != nil {
		return err
	}
	if err := x.furnish(ctx, m); err != nil {
		return err
	}
	if err := x.turn(ctx, m); err != nil {
		return err
	}
	return x.run(ctx, diffRevocations(m, x.stack))
}

// turn directs requests to target groups that are ready, and attaches the others.
func (x *executor) turn(ctx context.Context, m *ingress.Model) error {
	if err := x.findTurns(ctx, m); err != nil {
		return err
	}
	if err := x.direct(ctx, m); err != nil {
		return err
	}
	if x.giveUp() {
		if err := x.direct(ctx, m); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(x.stack.turns)) {
		x.waiting = append(x.waiting, x.stack.turns[id].String())
	}
	return nil
}

// direct brings the listeners and what they do with requests to the model.
func (x *executor) direct(ctx context.Context, m *ingress.Model) error {
	refused := len(x.refused)
	err := x.listen(ctx, m)
	x.forgive(refused)
	if err != nil {
		return err
	}
	return x.route(ctx, m)
}

// clear deletes what the model does not have and nothing refers to any more.
func (x *executor) clear(ctx context.Context, m *ingress.Model) error {
	gone := diffGone(m, x.stack)
	if x.held {
		gone = x.leavingRules(m)
	}
	if err := x.run(ctx, gone); err != nil {
		return err
	}
	if m.LoadBalancer != nil {
		if err := x.retire(ctx, m, slices.Concat(x.group.Members, x.staying)); err != nil {
			return err
		}
	}
	x.publish()
	if err := x.run(ctx, x.settled(m, diffUnusedTargetGroups(m, x.stack))); err != nil {
		return err
	}
	if err := x.run(ctx, diffUnusedSecurityGroups(m, x.stack)); err != nil {
		return err
	}
	if x.timers != nil {
		x.timers.sweep()
	}
	return nil
}

// run carries out steps. What AWS refuses is noted and the rest goes on: one bad
// rule must not keep the others from being made. What has to wait is noted too.
func (x *executor) run(ctx context.Context, steps []step) error {
	for _, s := range steps {
		err := x.do(ctx, s)
		switch {
		case err == nil:
			x.done++
			x.log.InfoContext(ctx, s.String())
			if x.told != nil {
				x.told(s.String())
			}
		case awsapi.ClassOf(err) == awsapi.InUse:
			x.waiting = append(x.waiting, s.String())
			x.log.DebugContext(ctx, "has to wait: "+s.String(), slog.Any("error", err))
		case isRefusal(err):
			x.refused = append(x.refused, err)
		default:
			return err
		}
	}
	return nil
}

// look reads what a step has to know. If that is refused, it is noted, and there will
// be no such step.
func (x *executor) look(ctx context.Context, read func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	x.looked = true
	err := read(ctx)
	if isRefusal(err) {
		x.refused = append(x.refused, err)
		return nil
	}
	return err
}

func (x *executor) do(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return s.do(ctx, x)
}

// must carries out steps that all later ones need.
func (x *executor) must(ctx context.Context, steps []step) error {
	for _, s := range steps {
		refused, waiting := len(x.refused), len(x.waiting)
		if err := x.run(ctx, []step{s}); err != nil {
			return err
		}
		if len(x.refused) > refused {
			err := x.refused[refused]
			x.refused = x.refused[:refused]
			return err
		}
		if len(x.waiting) > waiting {
			return errWaiting
		}
	}
	return nil
}

// errWaiting ends a pass whose next step cannot be done yet.
var errWaiting = errors.New("something else has to finish first")

// takenError says that a name is in use by something that is not ours. It is
// never adopted: somebody else may depend on it.
type takenError struct{ kind, name, arn string }

func (e takenError) Error() string {
	return fmt.Sprintf("%s %q exists (%s) and does not carry this cluster's and group's tags: it is left alone, rename or delete it",
		e.kind, e.name, e.arn)
}

// isRefusal reports whether a step failed in a way that leaves AWS as it was and
// says nothing about other steps.
func isRefusal(err error) bool {
	if isOwn[unresolvedError](err) || isOwn[takenError](err) || isOwn[subnetsError](err) || isOwn[groupsError](err) {
		return true
	}
	switch awsapi.ClassOf(err) {
	case awsapi.Invalid, awsapi.Limit:
		return true
	case awsapi.Denied:
		// A policy that lacks one action allows others. Credentials that nobody accepts
		// would only be refused again and again.
		return slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "OperationNotPermitted"}, awsapi.Code(err))
	case awsapi.NotFound:
		return namesSetting(err)
	default:
		return false
	}
}

// namesSetting reports whether what was not found is something that a listener
// cannot have, and not something that AWS holds of the group.
func namesSetting(err error) bool {
	return slices.Contains([]string{codeNoCertificate, codeNoPolicy}, awsapi.Code(err))
}

// keepsPicture reports whether the stack in memory is still true after an error:
// AWS did nothing and was not surprised by the request. NotFound is a surprise
// also where something was to be deleted: AWS gives that answer for what is a
// second old, too, and believing it would leave the thing behind.
func keepsPicture(err error) bool {
	own := isOwn[unresolvedError](err) || isOwn[subnetsError](err) || isOwn[groupsError](err)
	if errors.Is(err, errWaiting) || own || namesSetting(err) {
		return true
	}
	switch awsapi.ClassOf(err) {
	case awsapi.OK, awsapi.Throttled, awsapi.Fenced, awsapi.Invalid, awsapi.Limit, awsapi.Denied, awsapi.InUse:
		return true
	default:
		return false
	}
}

func isOwn[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// missingTags returns the wanted tags that a resource does not have, or has with
// other values. Tags that somebody added are left alone.
func missingTags(have awsapi.Tags, want map[string]string) awsapi.Tags {
	var missing awsapi.Tags
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			if missing == nil {
				missing = awsapi.Tags{}
			}
			missing[k] = v
		}
	}
	return missing
}

// addTags adds tags to a load balancer or target group.
type addTags struct {
	what string
	arn  string
	tags awsapi.Tags
	have *awsapi.Tags
}

func (s addTags) String() string { return "add tags to " + s.what }

func (s addTags) do(ctx context.Context, x *executor) error {
	if err := x.elb.AddTags(ctx, []string{s.arn}, s.tags); err != nil {
		return err
	}
	// The map that is there may be the inventory's, which others read.
	have := maps.Clone(*s.have)
	if have == nil {
		have = awsapi.Tags{}
	}
	maps.Copy(have, s.tags)
	*s.have = have
	return nil
}
